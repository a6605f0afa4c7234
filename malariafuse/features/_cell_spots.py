"""The darkest and the most purple spots of a cell, where chromatin is."""

import cv2
import numpy as np
from numpy.typing import NDArray

from malariafuse._cell import Cell
from malariafuse.features._cell_density import Stain, median
from malariafuse.features._cell_regions import REGION_NAMES, region_features
from malariafuse.features._cell_smooth import smooth

# In radii of the cell, of about 3.8 micrometers: from chromatin dots to trophozoites.
_SCALES = (0.035, 0.055, 0.085, 0.135)
# Optical density in green above that of the cell.
_DENSITIES = (0.15, 0.3, 0.5)
# Optical density in green beyond that in red.
_PURPLES = (0.08, 0.15, 0.25, 0.4)
_EXTREME = 0.007  # of the pixels: the spot of a ring form
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


def spot_features(stains: list[Stain], cells: list[Cell]) -> NDArray[np.float64]:
    """Return the values of `SPOT_NAMES`, a row for each cell."""
    spots, found = [], []
    for stain, cell in zip(stains, cells, strict=True):
        near, contrasts = _smooth(stain, cell)
        spots.append(_spots(near, contrasts, stain))
        found.append(_beyond(near, stain))
    return np.hstack([spots, region_features(found, stains, cells)])


def _smooth(
    stain: Stain, cell: Cell
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return density and purple, smoothed, and their differences of Gaussians.

    Both arrays have shape (n_scales, 2, height * width). Pixels outside of the cell do
    not count (Knutsson, 1993).
    """
    n_scales = len(_SCALES)
    first, *sigmas = (
        factor * scale * cell.radius for factor in (1, 2) for scale in _SCALES
    )
    blurred = np.empty((2 * n_scales, *stain.layers.shape), dtype=np.float32)
    # A short kernel is faster, with the layers side by side.
    side_by_side = cv2.GaussianBlur(np.dstack(list(stain.layers)), (0, 0), first)
    blurred[0] = np.moveaxis(side_by_side, 2, 0)
    smooth(stain.layers, sigmas, out=blurred[1:])
    weights = blurred[:, 2:] + np.float32(1e-3)
    smoothed: NDArray[np.float32] = np.divide(blurred[:, :2], weights)
    smoothed = smoothed.reshape(2 * n_scales, 2, -1)
    return smoothed[:n_scales], smoothed[:n_scales] - smoothed[n_scales:]


def _spots(
    near: NDArray[np.float32], contrasts: NDArray[np.float32], stain: Stain
) -> NDArray[np.float64]:
    """Describe the spot of most contrast of each kind at each scale."""
    n_scales, n_pixels = len(near), len(stain.places)
    scales = np.arange(n_scales)
    contrasts = contrasts.take(stain.places, axis=2)
    # Layer, and the pixels of the region.
    kinds = ((0, 0, stain.n_inner), (1, 0, n_pixels), (1, stain.n_inner, n_pixels))
    table = np.zeros((len(kinds), n_scales, len(_SPOT)))
    spots = np.zeros((len(kinds), n_scales), dtype=np.int64)
    for kind, (layer, start, stop) in enumerate(kinds):
        if start == stop:
            continue
        within = contrasts[:, layer, start:stop]
        best = within.argmax(axis=1)
        spots[kind] = start + best
        n_extreme = max(1, round(_EXTREME * (stop - start)))
        rest = stop - start - n_extreme
        table[kind, :, 0] = within[scales, best]
        table[kind, :, 1] = near[scales, layer, stain.places[spots[kind]]]
        most = np.partition(within, rest)[:, rest:]
        least = np.partition(within, n_extreme - 1)[:, :n_extreme]
        table[kind, :, 2] = most.sum(axis=1) / n_extreme
        table[kind, :, 7] = least.sum(axis=1) / n_extreme
    table[..., 3:6] = _around(stain, spots)
    table[..., 6] = stain.depth[spots]
    table[[start == stop for _, start, stop in kinds]] = 0
    return table.ravel()


def _around(stain: Stain, spots: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the mean density of the 3 x 3 pixels around each spot, colors last."""
    height, width = stain.plane.shape[1:]
    y, x = np.divmod(stain.places[spots], width)
    reach = np.arange(-1, 2)
    rows = (y[..., None] + reach).clip(0, height - 1)
    columns = (x[..., None] + reach).clip(0, width - 1)
    squares = rows[..., None] * width + columns[..., None, :]
    values = stain.plane.reshape(3, -1).take(squares.reshape(-1, 9), axis=1)
    return (values.sum(axis=2) / 9).T.reshape(*spots.shape, 3)


def _beyond(near: NDArray[np.float32], stain: Stain) -> NDArray[np.bool_]:
    """Return which pixels of the cell are beyond each threshold, a row for each."""
    dark, purple = near[0].take(stain.places, axis=1)
    n_inner = stain.n_inner
    core = dark[:n_inner] if n_inner else dark
    # Four times the median deviation: a spot of the cell's own, whatever its texture.
    adaptive = 4 * (float(median(np.abs(core - median(core)))) + 0.01)
    darker = np.stack([dark > threshold for threshold in (*_DENSITIES, adaptive)])
    darker[:, n_inner:] = False  # the rim has a shade of its own
    return np.vstack([darker, [purple > threshold for threshold in _PURPLES]])
