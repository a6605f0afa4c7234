"""Connected regions of a cell that exceed thresholds."""

import cv2
import numpy as np
from numpy.typing import NDArray

from malariafuse._cell import Cell
from malariafuse.features._cell_density import Stain

REGION_NAMES = (
    "area",
    "largest_area",
    "count",
    "filling",
    "red",
    "green",
    "blue",
    "depth",
)


def region_features(
    beyond: NDArray[np.bool_], stain: Stain, cells: list[Cell]
) -> NDArray[np.float64]:
    """Return features of the regions of each cell above each threshold.

    Most features describe the largest region. All images are stacked vertically and
    labeled in one call.

    Parameters
    ----------
    beyond : ndarray of shape (n_thresholds, n_pixels), bool
        Pixels of the cells that exceed each threshold, in the order of `stain`.
    stain : Stain
        Stain of the cells.
    cells : list of Cell
        Cells.

    Returns
    -------
    ndarray of shape (n_cells, n_thresholds * 8)
        Features `REGION_NAMES` for each threshold, 0 if no pixel exceeds it.
    """
    height, width = stain.plane.shape[2:]
    n_thresholds, n_cells = len(beyond), len(cells)
    table = np.zeros((n_thresholds * n_cells, len(REGION_NAMES)))
    threshold, pixel = np.divmod(np.flatnonzero(beyond), beyond.shape[1])
    if not len(pixel):
        return table.reshape(n_cells, -1)
    cell, place = np.divmod(stain.places[pixel], height * width)
    # One image for each threshold and cell with a region.
    image = threshold * n_cells + cell
    n_beyond = np.bincount(image, minlength=len(table))
    some = np.flatnonzero(n_beyond)
    n_beyond = n_beyond[some]
    image = np.repeat(np.arange(len(some)), n_beyond)
    # Images are separated by a black row. Ties between regions of equal size go to the
    # first. OpenCV numbers regions by pairs of rows, so each image begins at an even
    # row.
    size = (height + 2) // 2 * 2 * width
    on_scroll = image * size + place
    scroll = np.zeros(len(some) * size, dtype=np.uint8)
    scroll[on_scroll] = 1
    _, labels = cv2.connectedComponents(scroll.reshape(-1, width))
    region = labels.ravel()[on_scroll] - 1

    areas = np.bincount(region)
    image_of_region = np.empty_like(areas)
    image_of_region[region] = image
    counts = np.bincount(image_of_region)
    largest_areas = np.maximum.reduceat(areas, _starts(counts))
    # The largest region of each image, or the first of several.
    candidates = np.flatnonzero(areas == largest_areas.repeat(counts))
    _, firsts = np.unique(image_of_region[candidates], return_index=True)
    is_largest = np.zeros(len(areas), dtype=bool)
    is_largest[candidates[firsts]] = True
    kept = np.flatnonzero(is_largest[region])
    starts = _starts(largest_areas)
    density = stain.density.take(pixel[kept], axis=1)
    totals = np.add.reduceat(density, starts, axis=1, dtype=float)
    boxes = [
        np.maximum.reduceat(line, starts) - np.minimum.reduceat(line, starts) + 1
        for line in np.divmod(place[kept], width)
    ]
    cell_areas = np.array([cell.area for cell in cells])[some % n_cells]
    table[some] = np.column_stack(
        [
            n_beyond / cell_areas,
            largest_areas / cell_areas,
            counts,
            largest_areas / (boxes[0] * boxes[1]),
            (totals / largest_areas).T,
            np.maximum.reduceat(stain.depth[pixel[kept]], starts),
        ]
    )
    by_cell = table.reshape(n_thresholds, n_cells, -1).swapaxes(0, 1)
    return by_cell.reshape(n_cells, -1)


def _starts(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the start index of each of several consecutive parts."""
    return np.cumsum(lengths) - lengths
