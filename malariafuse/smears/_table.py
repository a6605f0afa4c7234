"""Table of the cells in a label image."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from malariafuse._arrays import as_array
from malariafuse.smears._field import dark_pixels
from malariafuse.smears._outlines import Region, regions_of
from malariafuse.smears._photo import check_photo
from malariafuse.smears._stain import Stain, measure_stain
from malariafuse.smears._views import Views
from malariafuse.smears._white import find_white_cells, zone_of

FLAGS = ("white cell", "debris", "clump", "cut")

# Areas are in areas of the median region.
_DEBRIS = 0.4
_CUT_DEBRIS = 0.33
_WHITE = 1.25
_CLUMP = 2.2
_CLUMP_SOLIDITY = 0.93  # minimum solidity of a large single cell
_LARGEST = 4.0
_RAGGED = 0.83  # solidity below which a region is several cells or a piece of a cell
_WHOLE = 0.9
_BLACK = 50  # of 255, in the brightest channel
_INKED = 0.2  # of the area of a region
_RIM_SIDE = 1500  # longer side in pixels, to detect contact with the rim
_PIXELS = 24  # pixels per diameter, to detect nuclei


def tabulate_cells(photo: ArrayLike, labels: ArrayLike) -> pd.DataFrame:
    """Measure the regions of a label image, and flag those that are not red cells.

    Parameters
    ----------
    photo : array-like of shape (height, width, 3)
        RGB photograph, uint8 in [0, 255].
    labels : array-like of shape (height, width)
        Label image with 0 for the background and a different integer for each cell,
        from :class:`CellSegmenter` or any other program.

    Returns
    -------
    pandas.DataFrame
        One row for each region, in the order of the labels, with the following columns:

        label : int
            Label of the region.
        x, y, width, height : int
            Bounding box of the region in pixels. The first pixel of the photograph is
            (0, 0).
        area : int
            Number of pixels.
        flag : str
            Reason why the region is not counted, or "" for a red cell.

    Raises
    ------
    ValueError
        If the shapes of `photo` and `labels` do not match, or labels are negative.
    TypeError
        If `labels` are not integers, or the dtype of `photo` is not uint8.

    See Also
    --------
    CellSegmenter : Segment photographs into label images.
    load_smear_photos : Load photographs and segment their cells.

    Notes
    -----
    The first applicable flag is reported:

    "white cell"
        At least half of the region is on or around a nucleus, and the regions there
        have a total area of more than 1.25 medians. A nucleus is a large area with more
        than twice the stain of a typical red cell.
    "debris"
        The area is below 0.4 of the median (0.33 if the border cuts the region), or a
        fifth of the region is darker than any stain. Examples are platelets, dirt,
        fragments and a printed scale bar.
    "cut"
        The region touches the border of the photograph or of the field, and has less
        than 0.9 of the median area. A larger region at the border is a whole cell.
    "clump"
        The area is above 2.2 medians and the solidity below 0.93, or the area is above
        4 medians, or the solidity is below 0.83. Solidity is the area divided by that
        of the convex hull. Clumps are cells that could not be separated.

    The median area is over regions that do not touch a border and are not debris.

    Examples
    --------
    >>> import numpy as np
    >>> from malariafuse.smears import tabulate_cells
    >>> photo = np.full((100, 100, 3), 230, dtype=np.uint8)
    >>> labels = np.zeros((100, 100), dtype=int)
    >>> labels[10:30, 20:50] = 1
    >>> photo[labels > 0] = 180
    >>> tabulate_cells(photo, labels)
       label   x   y  width  height  area flag
    0      1  20  10     30      20   600
    """
    photo = check_photo(photo)
    labels = check_labels(labels, photo.shape[:2])
    return table_of(Views(photo), regions_of(labels))


def table_of(views: Views, regions: Sequence[Region]) -> pd.DataFrame:
    """Return the table of regions of a photograph."""
    rows = [
        (
            region.label,
            region.x,
            region.y,
            *region.mask.shape[::-1],
            int(np.count_nonzero(region.mask)),
        )
        for region in regions
    ]
    columns = ["label", "x", "y", "width", "height", "area"]
    values = np.array(rows, dtype=np.int64).reshape(-1, len(columns))
    table = pd.DataFrame(values, columns=columns)
    table["flag"] = _flag(views, regions, table["area"].to_numpy())
    return table


def check_labels(labels: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.int32]:
    """Return a validated label image for a photograph of a shape."""
    given = as_array(labels, "labels")
    if given.shape != shape:
        raise ValueError(
            f"labels has shape {given.shape}: expected {shape}, the height and width "
            "of the photograph."
        )
    if given.dtype.kind not in "iub":
        raise TypeError(
            f"labels has dtype {given.dtype}: expected integers, 0 for the background "
            "and a different number for each cell."
        )
    if given.size and (int(given.min()) < 0 or int(given.max()) >= 2**31 - 1):
        raise ValueError(
            f"labels range from {given.min()} to {given.max()}: expected non-negative "
            "32-bit integers."
        )
    return np.ascontiguousarray(given, dtype=np.int32)


def _flag(
    views: Views, regions: Sequence[Region], area: NDArray[np.int64]
) -> NDArray[Any]:
    flag = np.full(len(regions), "", dtype=object)
    if not regions:
        return flag
    touches = _touching(views, regions)
    typical = _typical_area(area, touches)
    flag[touches & (area < _WHOLE * typical)] = "cut"
    solidity = np.array([region.solidity() for region in regions])
    large = (area > _CLUMP * typical) & (solidity < _CLUMP_SOLIDITY)
    flag[large | (area > _LARGEST * typical)] = "clump"
    flag[(flag == "") & (solidity < _RAGGED)] = "clump"
    black = np.array([_count_black(views.photo, region) for region in regions])
    least = np.where(touches, _CUT_DEBRIS, _DEBRIS) * typical
    flag[(area < least) | (black > _INKED * area)] = "debris"
    flag[_white_cells(views, regions, area, typical)] = "white cell"
    return flag


def _count_black(photo: NDArray[np.uint8], region: Region) -> int:
    return int(np.count_nonzero(dark_pixels(photo[region.box], _BLACK) & region.mask))


def _typical_area(area: NDArray[Any], touches: NDArray[np.bool_]) -> float:
    whole = area[~touches] if (~touches).any() else area
    typical = float(np.median(whole))
    return float(np.median(whole[whole >= _DEBRIS * typical]))


def _touching(views: Views, regions: Sequence[Region]) -> NDArray[np.bool_]:
    """Return whether each region touches the border of the photograph or field."""
    height, width = views.shape
    touches = np.zeros(len(regions), dtype=bool)
    for row, region in enumerate(regions):
        y, x = region.box
        touches[row] = (
            y.start == 0 or x.start == 0 or y.stop == height or x.stop == width
        )
    if views.thumbnail.all():
        return touches
    step = max(1, max(height, width) // _RIM_SIDE)
    size = -(-width // step), -(-height // step)
    smooth = cv2.resize(views.thumbnail * 255, size, interpolation=cv2.INTER_LINEAR)
    near = cv2.erode(
        (smooth >= 128).astype(np.uint8),
        np.ones((5, 5) if step == 1 else (3, 3)),
        borderValue=1,
    )
    outside = near == 0
    for row, region in enumerate(regions):
        mask = region.mask[-region.y % step :: step, -region.x % step :: step]
        top, left = -(-region.y // step), -(-region.x // step)
        around = outside[top : top + mask.shape[0], left : left + mask.shape[1]]
        touches[row] |= bool((around & mask).any())
    return touches


def _white_cells(
    views: Views,
    regions: Sequence[Region],
    area: NDArray[np.int64],
    typical: float,
) -> NDArray[np.bool_]:
    """Return whether each region is a white blood cell."""
    inner, (rows, columns) = views.inner, views.window
    diameter = float(np.sqrt(typical * 4 / np.pi))
    scale = min(1.0, _PIXELS / diameter)
    stain = measure_stain(inner, scale)
    labels = _shrink(regions, (rows.start, columns.start), inner.shape, stain)
    zones = find_white_cells(stain, labels > 0, diameter * scale)
    if not zones.any():
        return np.zeros(len(regions), dtype=bool)
    zone = np.zeros(len(regions) + 1, dtype=np.int64)
    found = zone_of(labels, zones)
    zone[: len(found)] = found
    zone = zone[1:]
    # A red cell full of parasites is as dark, but not larger than other red cells.
    total = np.bincount(zone, area)
    return (zone > 0) & (total[zone] > _WHITE * typical)


def _shrink(
    regions: Sequence[Region],
    offset: tuple[int, int],
    shape: tuple[int, int],
    stain: Stain,
) -> NDArray[np.int32]:
    """Return a label image of regions, numbered from 1, at the size of the stain."""
    labels = np.zeros(stain.field.shape, dtype=np.int32)
    places = [
        np.arange(labels.shape[axis]) * shape[axis] // labels.shape[axis] + offset[axis]
        for axis in (0, 1)
    ]
    for number, region in enumerate(regions, start=1):
        rows, columns = (
            slice(*np.searchsorted(along, (side.start, side.stop)))
            for along, side in zip(places, region.box, strict=True)
        )
        seen = np.ix_(places[0][rows] - region.y, places[1][columns] - region.x)
        np.copyto(labels[rows, columns], number, where=region.mask[seen])
    return labels
