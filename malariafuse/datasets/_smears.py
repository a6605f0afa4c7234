"""Synthetic photographs of smears for examples and tests."""

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from malariafuse._bunch import Bunch
from malariafuse._parameters import (
    RANDOM_STATE,
    Integers,
    Reals,
    check_parameter,
)
from malariafuse.datasets._cell_drawing import (
    Slide,
    draw_light,
    draw_slides,
    to_image,
)

_MOST = 10**5
_STEP = 1.12  # distance between centers in diameters: cells may touch

_DESCR = """Synthetic photographs of a thin smear
=====================================

{n_photos} synthetic photograph(s) with {n_cells} cells, {n_parasitized} of them \
parasitized.
They are for examples and tests. A result on them is no evidence for diagnosis.
"""


def make_smear_photos(
    n_photos: int = 4,
    n_cells: int = 120,
    *,
    photo_size: tuple[int, int] = (720, 960),
    diameter: int = 56,
    parasitized_fraction: float = 0.05,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch:
    """Generate synthetic photographs of a thin smear of one patient.

    The cells are those of :func:`make_cell_images`, on plasma. Stain and light are the
    same in all photographs. Cells have random positions in a loose lattice. Some cells
    touch, and some are cut by the border.

    .. warning::
        These photographs are for examples, teaching and tests. A metric on them is
        never evidence of diagnostic quality.

    Parameters
    ----------
    n_photos : int, default=4
        Number of photographs, at most 1,000.
    n_cells : int, default=120
        Number of cells in each photograph.
    photo_size : tuple of (int, int), default=(720, 960)
        Height and width of the photographs in pixels.
    diameter : int, default=56
        Typical diameter of the cells in pixels, from 16 to 256.
    parasitized_fraction : float, default=0.05
        Fraction of parasitized cells in all photographs together, in [0, 1].
    random_state : int, RandomState instance or None, default=None
        Random seed or generator. Pass an int for reproducible photographs.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the following attributes:

        photos : ndarray of shape (n_photos, height, width, 3), dtype uint8
            RGB photographs in [0, 255].
        boxes : ndarray of shape (n_photos * n_cells, 4), dtype int64
            x, y, width and height of each cell in its photograph. Boxes of cells that
            are cut by the border end at the border.
        photo : ndarray of shape (n_photos * n_cells,), dtype int64
            Index of the photograph of each cell.
        target : ndarray of shape (n_photos * n_cells,), dtype int64
            1 for a parasitized cell, 0 for an uninfected one.
        DESCR : str
            Description of the data.

    Raises
    ------
    ValueError, TypeError
        If a parameter is not as described, or the cells do not fit into the photograph.

    See Also
    --------
    make_cell_images : Generate synthetic images of single cells.
    malariafuse.smears.load_smear_photos : Load photographs and segment their cells.

    Examples
    --------
    >>> from malariafuse.datasets import make_smear_photos
    >>> smear = make_smear_photos(2, 50, parasitized_fraction=0.1, random_state=0)
    >>> smear.photos.shape, int(smear.target.sum())
    ((2, 720, 960, 3), 10)
    """
    check_parameter("n_photos", n_photos, [Integers(1, 1000)])
    check_parameter("n_cells", n_cells, [Integers(1, _MOST)])
    check_parameter("diameter", diameter, [Integers(16, 256)])
    check_parameter("parasitized_fraction", parasitized_fraction, [Reals(0, 1)])
    check_parameter("random_state", random_state, RANDOM_STATE)
    height, width = _check_size(photo_size)
    lattice = _lattice(height, width, diameter)
    if len(lattice) < n_cells:
        raise ValueError(
            f"n_cells={n_cells} cells of diameter={diameter} do not fit into "
            f"photo_size={photo_size!r}: expected at most {len(lattice)}."
        )
    rng = check_random_state(random_state)
    (slide,) = draw_slides(1, rng)
    target = np.zeros(n_photos * n_cells, dtype=np.int64)
    target[: round(len(target) * parasitized_fraction)] = 1
    rng.shuffle(target)
    photos = np.empty((n_photos, height, width, 3), dtype=np.uint8)
    boxes = np.empty((len(target), 4), dtype=np.int64)
    for number in range(n_photos):
        rows = slice(number * n_cells, (number + 1) * n_cells)
        chosen = rng.choice(len(lattice), n_cells, replace=False)
        wander = rng.uniform(-0.08, 0.08, (n_cells, 2)) * diameter
        photos[number], boxes[rows] = _draw_photo(
            slide,
            lattice[chosen] + wander,
            target[rows],
            (height, width),
            diameter,
            rng,
        )
    return Bunch(
        photos=photos,
        boxes=boxes,
        photo=np.repeat(np.arange(n_photos), n_cells),
        target=target,
        DESCR=_DESCR.format(
            n_photos=n_photos, n_cells=len(target), n_parasitized=int(target.sum())
        ),
    )


def _check_size(photo_size: tuple[int, int]) -> tuple[int, int]:
    try:
        height, width = photo_size
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"photo_size={photo_size!r}: expected (height, width) in pixels."
        ) from error
    for side in (height, width):
        check_parameter("photo_size", side, [Integers(64, 10_000)])
    return int(height), int(width)


def _lattice(height: int, width: int, diameter: int) -> NDArray[np.float64]:
    """Return positions of cells in shifted rows."""
    step = _STEP * diameter
    rows = np.arange(0, height, step * np.sqrt(3) / 2)
    places = [
        (x, y)
        for row, y in enumerate(rows)
        for x in np.arange((row % 2) * step / 2, width, step)
    ]
    return np.array(places)


def _draw_photo(
    slide: Slide,
    centers: NDArray[np.float64],
    target: NDArray[np.int64],
    size: tuple[int, int],
    diameter: int,
    rng: np.random.RandomState,
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Draw the cells at their centers on plasma."""
    margin = 2 * diameter  # cells may extend beyond the photograph
    height, width = size
    shape = (height + 2 * margin, width + 2 * margin, 3)
    light = np.broadcast_to(slide.plasma, shape).copy()
    light += slide.noise * rng.standard_normal((*shape[:2], 1)).astype(np.float32)
    boxes = []
    for (x, y), parasitized in zip(centers, target, strict=True):
        tall, wide = (
            round(diameter * factor) for factor in rng.normal(1, 0.05, 2).clip(0.8, 1.2)
        )
        cell, coverage = draw_light(slide, bool(parasitized), (tall, wide), rng)
        top, left = round(y - tall / 2), round(x - wide / 2)
        window = light[margin + top :, margin + left :][:tall, :wide]
        # Where cells overlap, the light is absorbed by both.
        window *= 1 - coverage[..., None] * (1 - cell / slide.plasma)
        right, bottom = min(left + wide, width), min(top + tall, height)
        boxes.append([max(left, 0), max(top, 0), right, bottom])
    corners = np.array(boxes)
    corners[:, 2:] -= corners[:, :2]
    photo = to_image(light[margin:-margin, margin:-margin])
    return photo, corners
