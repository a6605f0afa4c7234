"""Features of the darkest and the most purple spots of a cell."""

import numpy as np
from numpy.typing import NDArray

from malariafuse._cell import Cell
from malariafuse.features._cell_density import Stain, median
from malariafuse.features._cell_regions import REGION_NAMES, region_features
from malariafuse.features._cell_smooth import smooth

# Scales in radii of the cell (about 3.8 micrometers), from chromatin dots to
# trophozoites.
_SCALES = (0.035, 0.055, 0.085, 0.135)
# Thresholds of the optical density in green, relative to the median of the cell.
_DENSITIES = (0.15, 0.3, 0.5)
# Thresholds of the optical density in green minus that in red.
_PURPLES = (0.08, 0.15, 0.25, 0.4)
_EXTREME = 0.007  # fraction of the pixels, about the spot of a ring form
_SPOT = (
    "contrast",
    "density",
    "contrast_extreme",
    "red",
    "green",
    "blue",
    "depth",
    "pallor_extreme",
)

SPOT_NAMES = (
    *(
        f"{kind}{i}_{what}"
        for kind in ("spot", "purple_spot", "rim_purple_spot")
        for i in range(1, len(_SCALES) + 1)
        for what in _SPOT
    ),
    *(
        f"{threshold}_{what}"
        for threshold in (
            *(f"above{density:g}" for density in _DENSITIES),
            "adaptive",
            *(f"purple{density:g}" for density in _PURPLES),
        )
        for what in REGION_NAMES
    ),
)


def spot_features(stain: Stain, cells: list[Cell]) -> NDArray[np.float64]:
    """Return the features `SPOT_NAMES`, one row for each cell."""
    near, contrasts = _smooth(stain, cells)
    spots = _spots(near, contrasts, stain)
    return np.hstack([spots, region_features(_beyond(near[0], stain), stain, cells)])


def _smooth(
    stain: Stain, cells: list[Cell]
) -> tuple[list[NDArray[np.float32]], NDArray[np.float32]]:
    """Return smoothed density and purple, and their differences of Gaussians.

    Smoothed images have shape (2, n_cells * height * width) for each scale. Differences
    have shape (n_scales, 2, n_pixels). Pixels outside the cell have no weight
    (normalized convolution; Knutsson, 1993).
    """
    radii = np.array([cell.radius for cell in cells])
    scales = [factor * scale for scale in _SCALES for factor in (1, 2)]
    smoothed = smooth(stain.layers, scales, radii)
    near = []
    contrasts = np.empty((len(_SCALES), 2, len(stain.places)), dtype=np.float32)
    for contrast in contrasts:
        fine, coarse = (_within(next(smoothed)) for _ in range(2))
        near.append(fine)
        np.subtract(fine, coarse, out=coarse)
        for line, image in zip(contrast, coarse, strict=True):
            image.take(stain.places, out=line, mode="clip")
    return near, contrasts


def _within(blurred: NDArray[np.float32]) -> NDArray[np.float32]:
    """Divide smoothed layers by the smoothed mask."""
    weights = blurred[2]
    weights += np.float32(1e-3)
    return np.divide(blurred[:2], weights, out=blurred[:2]).reshape(2, -1)


def _spots(
    near: list[NDArray[np.float32]], contrasts: NDArray[np.float32], stain: Stain
) -> NDArray[np.float64]:
    """Return features of the spot with the highest contrast, by kind and scale."""
    n_scales, n_cells = len(near), len(stain.bounds)
    # Kinds: density inside, purple in the whole cell, and purple in the rim.
    layers = np.array([0, 1, 1])[:, np.newaxis]
    spots = np.zeros((n_cells, 3, n_scales), dtype=np.int64)
    extremes = np.zeros((n_cells, 3, 2, n_scales))
    is_empty = np.zeros((n_cells, 3), dtype=bool)
    for i, (start, rim, stop) in enumerate(stain.bounds.tolist()):
        pixels = ((start, rim), (start, stop), (rim, stop))
        for kind, (first, last) in enumerate(pixels):
            if first == last:
                is_empty[i, kind] = True
                continue
            within = contrasts[:, layers[kind, 0], first:last]
            spots[i, kind] = first + within.argmax(axis=1)
            n_extreme = max(1, round(_EXTREME * (last - first)))
            rest = last - first - n_extreme
            most = np.partition(within, rest)[:, rest:]
            least = np.partition(within, n_extreme - 1)[:, :n_extreme]
            extremes[i, kind, 0] = most.sum(axis=1) / n_extreme
            extremes[i, kind, 1] = least.sum(axis=1) / n_extreme
    scales = np.arange(n_scales)
    table = np.zeros((n_cells, 3, n_scales, len(_SPOT)))
    table[..., 0] = contrasts[scales, layers, spots]
    for scale, images in enumerate(near):
        table[:, :, scale, 1] = images[layers[:, 0], stain.places[spots[..., scale]]]
    table[..., 2] = extremes[:, :, 0]
    table[..., 3:6] = _around(stain, spots)
    table[..., 6] = stain.depth[spots]
    table[..., 7] = extremes[:, :, 1]
    table[is_empty] = 0
    return table.reshape(n_cells, -1)


def _around(stain: Stain, spots: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the mean density of the 3 x 3 pixels around each spot, channels last."""
    height, width = stain.plane.shape[2:]
    image, y, x = np.unravel_index(stain.places[spots], stain.plane.shape[1:])
    reach = np.arange(-1, 2)
    rows = (y[..., None] + reach).clip(0, height - 1) + height * image[..., None]
    columns = (x[..., None] + reach).clip(0, width - 1)
    squares = rows[..., None] * width + columns[..., None, :]
    values = stain.plane.reshape(3, -1).take(squares.reshape(-1, 9), axis=1)
    return (values.sum(axis=2) / 9).T.reshape(*spots.shape, 3)


def _beyond(near: NDArray[np.float32], stain: Stain) -> NDArray[np.bool_]:
    """Return the pixels that exceed each threshold, one row for each threshold."""
    dark, purple = near.take(stain.places, axis=1)
    n_dark = len(_DENSITIES) + 1
    beyond = np.empty((n_dark + len(_PURPLES), len(dark)), dtype=bool)
    for row, threshold in zip(beyond, _DENSITIES, strict=False):
        np.greater(dark, threshold, out=row)
    for row, threshold in zip(beyond[n_dark:], _PURPLES, strict=True):
        np.greater(purple, threshold, out=row)
    for start, rim, stop in stain.bounds.tolist():
        core = dark[start:rim] if rim > start else dark[start:stop]
        # Four times the median absolute deviation adapts to the texture of the cell.
        adaptive = 4 * (float(median(np.abs(core - median(core)))) + 0.01)
        np.greater(dark[start:rim], adaptive, out=beyond[n_dark - 1, start:rim])
        beyond[:n_dark, rim:stop] = False  # the rim is excluded, because it is darker
    return beyond
