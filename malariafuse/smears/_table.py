"""A table of the cells in a label image."""

from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from malariafuse._arrays import as_array
from malariafuse.smears._field import dark_pixels, find_field, find_window
from malariafuse.smears._photo import check_photo
from malariafuse.smears._regions import hull_area
from malariafuse.smears._stain import Stain, measure_stain
from malariafuse.smears._white import find_white_cells, zone_of

FLAGS = ("white cell", "debris", "clump", "cut")

# Areas are in areas of the median region.
_DEBRIS = 0.33
_CLUMP = 2.2
_CLUMP_SOLIDITY = 0.93  # a large convex region is one large cell
_LARGEST = 4.0
_WHOLE = 0.9
_BLACK = 50  # of 255, in the brightest channel
_INKED = 0.2  # of the area of a region
_PIXELS = 44  # per diameter, for looking for nuclei


def tabulate_cells(photo: ArrayLike, labels: ArrayLike) -> pd.DataFrame:
    """Measure the regions of a label image, and flag those that are no red cell.

    Parameters
    ----------
    photo : array-like of shape (height, width, 3)
        RGB photograph, uint8 in 0..255.
    labels : array-like of shape (height, width)
        Label image: 0 in the background, and another integer for each cell. That of
        :class:`CellSegmenter`, or of any other program.

    Returns
    -------
    pandas.DataFrame
        One row for each region in the order of the labels, with the columns

        label : int
            Label of the region.
        x, y, width, height : int
            Box of the region in pixels. The first pixel of the photograph is (0, 0).
        area : int
            Number of pixels.
        flag : str
            Reason why the region is left out of the count, "" for a red cell.

    Raises
    ------
    ValueError
        If the shapes of `photo` and `labels` do not fit, or labels are negative.
    TypeError
        If `labels` are not integers, or the dtype of `photo` is not uint8.

    See Also
    --------
    CellSegmenter : Makes label images.
    load_smear_photos : Reads photographs and cuts all their cells.

    Notes
    -----
    The flags, of which the first that applies is given:

    "white cell"
        At least half of the region lies on or around a nucleus, a large area with more
        than twice the stain of a typical red cell.
    "debris"
        Area below a third of the median, or a fifth of the region is black as no
        stain is: platelets, dirt, fragments, a printed scale bar.
    "cut"
        The region touches the border of the photograph or of the field, and has less
        than 0.9 of the median area. A cell that merely touches the border is whole.
    "clump"
        Area above 2.2 medians with an outline that is not convex (less than 0.93 of
        its convex hull), or above 4 medians: cells that could not be cut apart.

    The median is that of regions that touch no border and are no debris.

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
    labels = _check_labels(labels, photo.shape[:2])
    window = find_window(photo)
    boxes = ndimage.find_objects(labels)
    rows = []
    for label, box in enumerate(boxes, start=1):
        if box is None:
            continue
        mask = labels[box] == label
        black = dark_pixels(photo[box], _BLACK) & mask
        (y, x), (height, width) = (side.start for side in box), mask.shape
        area = int(np.count_nonzero(mask))
        rows.append((label, x, y, width, height, area, int(np.count_nonzero(black))))
    columns = ["label", "x", "y", "width", "height", "area", "black"]
    values = np.array(rows, dtype=np.int64).reshape(-1, len(columns))
    table = pd.DataFrame(values, columns=columns)
    table["flag"] = _flag(photo, labels, table, window)
    return table.drop(columns="black")


def _check_labels(labels: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.int32]:
    given = as_array(labels, "labels")
    if given.shape != shape:
        raise ValueError(
            f"labels has shape {given.shape}: expected {shape}, the height and width "
            "of the photograph."
        )
    if given.dtype.kind not in "iub":
        raise TypeError(
            f"labels has dtype {given.dtype}: expected integers, 0 in the background "
            "and another number for each cell."
        )
    if given.size and (int(given.min()) < 0 or int(given.max()) >= 2**31 - 1):
        raise ValueError(
            f"labels reach from {given.min()} to {given.max()}: expected integers from "
            "0 on that fit into 32 bits."
        )
    return np.ascontiguousarray(given, dtype=np.int32)


def _flag(
    photo: NDArray[np.uint8],
    labels: NDArray[np.int32],
    table: pd.DataFrame,
    window: tuple[slice, slice],
) -> NDArray[Any]:
    area = table["area"].to_numpy()
    flag = np.full(len(table), "", dtype=object)
    if not len(table):
        return flag
    field = find_field(photo)
    touches = _touching(labels, field)[table["label"]]
    typical = _typical_area(area, touches)
    flag[touches & (area < _WHOLE * typical)] = "cut"
    for row in np.flatnonzero(area > _CLUMP * typical):
        solidity = _solidity(labels, table.iloc[row])
        if area[row] > _LARGEST * typical or solidity < _CLUMP_SOLIDITY:
            flag[row] = "clump"
    flag[area < _DEBRIS * typical] = "debris"
    flag[table["black"] > _INKED * area] = "debris"
    inner = np.ascontiguousarray(photo[window]), labels[window]
    white = np.zeros(int(table["label"].max()) + 1, dtype=bool)
    found = _white_cells(*inner, typical)
    white[: len(found)] = found
    flag[white[table["label"]]] = "white cell"
    return flag


def _typical_area(area: NDArray[Any], touches: NDArray[np.bool_]) -> float:
    whole = area[~touches] if (~touches).any() else area
    typical = float(np.median(whole))
    return float(np.median(whole[whole >= _DEBRIS * typical]))


def _touching(labels: NDArray[np.int32], field: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which labels touch the border of the photograph or of the field."""
    touches = np.zeros(int(labels.max()) + 1, dtype=bool)
    for line in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        touches[line] = True
    if not field.all():
        inner = cv2.erode(field.astype(np.uint8), np.ones((5, 5)), borderValue=1)
        touches[labels[inner == 0]] = True
    return touches


def _solidity(labels: NDArray[np.int32], row: pd.Series) -> float:
    x, y, width, height = row[["x", "y", "width", "height"]].astype(int)
    mask = labels[y : y + height, x : x + width] == row["label"]
    points = np.argwhere(mask)[:, ::-1].astype(np.int32)
    return float(row["area"] / hull_area(cv2.convexHull(points)[:, 0]))


def _white_cells(
    photo: NDArray[np.uint8], labels: NDArray[np.int32], typical: float
) -> NDArray[np.bool_]:
    """Return which labels are white cells."""
    diameter = float(np.sqrt(typical * 4 / np.pi))
    scale = min(1.0, _PIXELS / diameter)
    stain: Stain = measure_stain(photo, scale)
    small = cv2.resize(labels, stain.field.shape[::-1], interpolation=cv2.INTER_NEAREST)
    zones = find_white_cells(stain, small > 0, diameter * scale)
    return zone_of(small, zones) > 0
