"""Areas of gaps and tips of cells by morphological closing and opening (Serra, 1982).

Cells are stacked vertically to reduce the number of calls of OpenCV. The background
between cells is wide enough that the disks of one cell never reach another.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from malariafuse._cell import Cell


def gap_areas(cells: list[Cell], sizes: tuple[float, ...]) -> NDArray[np.float64]:
    """Return the areas added by closing with disks, relative to the cells.

    A disk that reaches a pixel in the bounding box has its center less than a radius
    from the box, so only this neighborhood is computed.

    Parameters
    ----------
    cells : list of Cell
        Cells.
    sizes : tuple of float
        Radii of the disks, in radii of the cell.

    Returns
    -------
    ndarray of shape (n_cells, n_sizes), float64
        Relative areas.
    """
    radii, areas = _radii(cells), np.array([cell.area for cell in cells])
    margin = int(max(sizes) * radii.max()) + 1
    outside = _distances(1 - _framed(cells, margin))
    table = np.empty((len(cells), len(sizes)))
    for column, size in zip(table.T, sizes, strict=True):
        reach = size * radii
        cut = margin - int(reach.max()) - 1
        _, height, width = outside.shape
        near = outside[:, cut : height - cut, cut : width - cut] <= reach
        column[:] = _count(_distances(near.view(np.uint8)) > reach)
    return (table - areas[:, np.newaxis]) / areas[:, np.newaxis]


def tip_areas(cells: list[Cell], sizes: tuple[float, ...]) -> NDArray[np.float64]:
    """Return the areas removed by opening with disks, relative to the cells.

    Parameters
    ----------
    cells : list of Cell
        Cells.
    sizes : tuple of float
        Radii of the disks, in radii of the cell.

    Returns
    -------
    ndarray of shape (n_cells, n_sizes), float64
        Relative areas.
    """
    radii, areas = _radii(cells), np.array([cell.area for cell in cells])
    # The margin is for the disks of the largest cell, so that they do not reach its
    # neighbor.
    margin = int(max(sizes) * np.ptp(radii)) + 1
    inside = _distances(_framed(cells, margin))
    table = np.empty((len(cells), len(sizes)))
    for column, size in zip(table.T, sizes, strict=True):
        reach = size * radii
        outer = (inside <= reach).view(np.uint8)
        column[:] = _count(_distances(outer) <= reach)
    return (areas[:, np.newaxis] - table) / areas[:, np.newaxis]


def _radii(cells: list[Cell]) -> NDArray[np.float32]:
    radii = np.array([cell.radius for cell in cells], dtype=np.float32)
    return radii[:, np.newaxis, np.newaxis]


def _framed(cells: list[Cell], margin: int) -> NDArray[np.uint8]:
    """Return equally sized boxes around the cells, with a margin of background."""
    boxes = [cv2.boundingRect(cell.outline) for cell in cells]
    width, height = (max(box[side] for box in boxes) + 2 * margin for side in (2, 3))
    framed = np.zeros((len(cells), height, width), dtype=np.uint8)
    for frame, cell, (x, y, w, h) in zip(framed, cells, boxes, strict=True):
        box = cell.mask[y : y + h, x : x + w]
        frame[margin : margin + h, margin : margin + w] = box
    return framed


def _distances(masks: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the distance of each pixel from the nearest 0."""
    scroll = masks.reshape(-1, masks.shape[2])
    distances = cv2.distanceTransform(scroll, cv2.DIST_L2, 5)
    return np.asarray(distances, dtype=np.float32).reshape(masks.shape)


def _count(masks: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the number of mask pixels of each image."""
    counts: NDArray[np.int64] = np.count_nonzero(masks.reshape(len(masks), -1), axis=1)
    return counts
