"""Synthetic images of cells for examples and tests."""

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from malariafuse._bunch import Bunch
from malariafuse._files._resize import check_image_size
from malariafuse._parameters import (
    RANDOM_STATE,
    Integers,
    Reals,
    check_parameter,
)
from malariafuse.datasets._cell_drawing import draw_cell, draw_slides

_SLIDES_PER_PATIENT = 2
_MOST = 10**7

_DESCR = """Synthetic crops of single red blood cells
=========================================

{n_samples} synthetic images of {n_patients} made-up patients, {n_healthy} of them \
without an infected cell;
{n_parasitized} images are parasitized. Stain and light differ by patient and slide.
They are for examples and tests. A result on them is no evidence for diagnosis.
"""


def make_cell_images(
    n_samples: int = 1000,
    n_patients: int = 20,
    *,
    image_size: tuple[int, int] = (48, 48),
    parasitized_fraction: float = 0.5,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch:
    """Generate synthetic images of stained red blood cells.

    Each image is a crop of a round to oval cell on black, as in the NIH set of
    thin-smear crops. The stain, the light, the sharpness and the noise vary between
    patients and slides. Parasitized cells have one to three parasites: a chromatin dot
    at the border of the cell, a ring with one or two dots, a crescent, or a large
    trophozoite with pigment. Cells of both classes have platelets, stain deposits,
    dirt, bubbles and dark rims. Counting dark or purple pixels therefore does not
    separate the classes.

    One patient in four is healthy and has only uninfected cells. Every other patient
    has cells of both classes.

    .. warning::
        These images are for examples, teaching and tests. A metric on them is never
        evidence of diagnostic quality.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of images.
    n_patients : int, default=20
        Number of patients, of whom ``round(n_patients / 4)`` are healthy.
    image_size : tuple of (int, int), default=(48, 48)
        Height and width of the images in pixels.
    parasitized_fraction : float, default=0.5
        Fraction of parasitized cells, in (0, 1).
    random_state : int, RandomState instance or None, default=None
        Random seed or generator. Pass an int for reproducible images.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the following attributes, in shuffled order:

        images : ndarray of shape (n_samples, height, width, 3), dtype uint8
            RGB images in [0, 255].
        target : ndarray of shape (n_samples,), dtype int64
            1 for a parasitized cell, 0 for an uninfected one.
        groups : ndarray of shape (n_samples,), dtype int64
            Patient of each image, from 1 to `n_patients`.
        filenames : ndarray of shape (n_samples,), dtype str
            Names like those of the NIH set: the number after the leading C is the
            patient.
        target_names : list of str
            ``["uninfected", "parasitized"]``.
        DESCR : str
            Description of the data.

    Raises
    ------
    ValueError
        If a parameter is invalid, or there are too few images for one uninfected cell
        of every patient and one parasitized cell of every infected patient.

    See Also
    --------
    malariafuse.datasets.load_cell_images : Load images of cells.
    malariafuse.datasets.fetch_malaria_cells : Download and load the NIH images.

    Notes
    -----
    Colors follow the Beer-Lambert law, as in color deconvolution [1]_: stained matter
    attenuates light in each channel by ``exp(-density * absorbance)``, so overlapping
    objects are darker.

    References
    ----------
    .. [1] A. C. Ruifrok and D. A. Johnston, "Quantification of histochemical staining
       by color deconvolution", Analytical and Quantitative Cytology and Histology 23,
       291-299, 2001.

    Examples
    --------
    >>> from malariafuse.datasets import make_cell_images
    >>> cells = make_cell_images(n_samples=40, n_patients=4, random_state=0)
    >>> cells.images.shape
    (40, 48, 48, 3)
    >>> int(cells.target.sum()), sorted(set(cells.groups.tolist()))
    (20, [1, 2, 3, 4])
    """
    height, width = check_image_size(image_size)
    check_parameter("n_samples", n_samples, [Integers(1, _MOST)])
    check_parameter("n_patients", n_patients, [Integers(1, _MOST)])
    check_parameter(
        "parasitized_fraction", parasitized_fraction, [Reals(0, 1, open_at="both")]
    )
    check_parameter("random_state", random_state, RANDOM_STATE)
    rng = check_random_state(random_state)
    target, groups, healthy = _draw_patients(
        n_samples, n_patients, parasitized_fraction, rng
    )
    slides = [
        slide
        for _ in range(n_patients)
        for slide in draw_slides(_SLIDES_PER_PATIENT, rng)
    ]
    slide_numbers = rng.randint(_SLIDES_PER_PATIENT, size=n_samples)

    images = np.empty((n_samples, height, width, 3), dtype=np.uint8)
    filenames = []
    for i, (patient, slide_number) in enumerate(
        zip(groups, slide_numbers, strict=True)
    ):
        slide = slides[(patient - 1) * _SLIDES_PER_PATIENT + slide_number]
        images[i] = draw_cell(slide, bool(target[i]), (height, width), rng)
        kind = "NThinF" if patient in healthy else "ThinF"
        filenames.append(
            f"C{patient}P{patient}{kind}_{slide_number + 1}_cell_{i + 1}.png"
        )
    return Bunch(
        images=images,
        target=target,
        groups=groups,
        filenames=np.array(filenames),
        target_names=["uninfected", "parasitized"],
        DESCR=_DESCR.format(
            n_samples=n_samples,
            n_patients=n_patients,
            n_healthy=len(healthy),
            n_parasitized=int(target.sum()),
        ),
    )


def _draw_patients(
    n_samples: int,
    n_patients: int,
    parasitized_fraction: float,
    rng: np.random.RandomState,
) -> tuple[NDArray[np.int64], NDArray[np.int64], set[int]]:
    """Return the class and the patient of each image, and the healthy patients."""
    patients = rng.permutation(np.arange(1, n_patients + 1))
    healthy, infected = np.split(patients, [round(n_patients / 4)])
    n_parasitized = round(n_samples * parasitized_fraction)
    n_uninfected = n_samples - n_parasitized
    if n_parasitized < len(infected) or n_uninfected < n_patients:
        raise ValueError(
            f"n_samples={n_samples} with parasitized_fraction={parasitized_fraction} "
            f"gives {n_parasitized} parasitized and {n_uninfected} uninfected cells: "
            f"too few for n_patients={n_patients}, {len(infected)} of them infected. "
            "Expected at least one uninfected cell for each patient and one "
            "parasitized cell for each infected patient."
        )

    def share_out(n_cells: int, among: NDArray[np.int64]) -> NDArray[np.int64]:
        # Random weights, because real patients have very different numbers of cells.
        weights = rng.dirichlet(np.full(len(among), 2.0))
        return np.repeat(among, 1 + rng.multinomial(n_cells - len(among), weights))

    groups = np.concatenate(
        [share_out(n_parasitized, infected), share_out(n_uninfected, patients)]
    )
    target = np.repeat([1, 0], [n_parasitized, n_uninfected])
    order = rng.permutation(n_samples)
    return (
        target[order].astype(np.int64),
        groups[order].astype(np.int64),
        set(healthy.tolist()),
    )
