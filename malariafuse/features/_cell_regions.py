"""Connected regions of a cell that are beyond some thresholds."""

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
    found: list[NDArray[np.bool_]], stains: list[Stain], cells: list[Cell]
) -> NDArray[np.float64]:
    """Describe the regions of each cell and threshold, the largest above all.

    The regions of all are labeled at once, one image below the other.

    Parameters
    ----------
    found : list of ndarray of shape (n_thresholds, n_pixels), bool
        Pixels of each cell that are beyond each threshold, in the order of its stain.
    stains : list of Stain
        Stains of the cells.
    cells : list of Cell
        Cells.

    Returns
    -------
    ndarray of shape (n_cells, n_thresholds * 8)
        Values of `REGION_NAMES` for each threshold; 0 where nothing is beyond it.
    """
    height, width = cells[0].mask.shape
    n_thresholds = len(found[0])
    n_images = len(cells) * n_thresholds
    # A black row between images. Of regions of one size the first is taken, and OpenCV
    # numbers them by pairs of rows, so each image begins at an even row.
    size = (height + 2) // 2 * 2 * width
    pages, places, densities, depths = [], [], [], []
    for i, (beyond, stain) in enumerate(zip(found, stains, strict=True)):
        page, pixel = np.divmod(np.flatnonzero(beyond), beyond.shape[1])
        pages.append(page + i * n_thresholds)
        places.append(stain.places[pixel])
        densities.append(stain.density.take(pixel, axis=1))
        depths.append(stain.depth[pixel])
    image, place, density, depth = map(np.hstack, (pages, places, densities, depths))
    table = np.zeros((n_images, len(REGION_NAMES)))
    if not len(image):
        return table.reshape(len(cells), -1)
    scroll = np.zeros(n_images * size, dtype=np.uint8)
    scroll[image * size + place] = 1
    _, labels = cv2.connectedComponents(scroll.reshape(-1, width))
    region = labels.ravel()[image * size + place] - 1

    areas = np.bincount(region)
    image_of_region = np.empty_like(areas)
    image_of_region[region] = image
    counts = np.bincount(image_of_region, minlength=n_images)
    some = np.flatnonzero(counts)
    largest_areas = np.maximum.reduceat(areas, _starts(counts[some]))
    # The first of the largest regions of each image.
    candidates = np.flatnonzero(areas == largest_areas.repeat(counts[some]))
    _, firsts = np.unique(image_of_region[candidates], return_index=True)
    is_largest = np.zeros(len(areas), dtype=bool)
    is_largest[candidates[firsts]] = True
    kept = is_largest[region]
    starts = _starts(largest_areas)
    totals = np.add.reduceat(density[:, kept], starts, axis=1, dtype=float)
    boxes = [
        np.maximum.reduceat(line, starts) - np.minimum.reduceat(line, starts) + 1
        for line in np.divmod(place[kept], width)
    ]
    cell_areas = np.repeat([cell.area for cell in cells], n_thresholds)[some]
    table[some] = np.column_stack(
        [
            np.bincount(image, minlength=n_images)[some] / cell_areas,
            largest_areas / cell_areas,
            counts[some],
            largest_areas / (boxes[0] * boxes[1]),
            (totals / largest_areas).T,
            np.maximum.reduceat(depth[kept], starts),
        ]
    )
    return table.reshape(len(cells), -1)


def _starts(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where each of several parts begins that follow each other."""
    return np.cumsum(lengths) - lengths
