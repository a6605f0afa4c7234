"""The darkest and the most purple spots of a cell, where chromatin is."""

import cv2
import numpy as np
from numpy.typing import NDArray

from malariafuse._cell import Cell

# In radii of the cell, of about 3.8 micrometers: from chromatin dots to trophozoites.
_SCALES = (0.035, 0.055, 0.085, 0.135)
# Optical density in green above that of the cell.
_DENSITIES = (0.15, 0.3, 0.5)
# Optical density in green beyond that in red.
_PURPLES = (0.08, 0.15, 0.25, 0.4)
_EXTREME = 0.007  # of the pixels: the spot of a ring form

SPOT_NAMES = (
    *(
        f"{kind}{i}_{what}"
        for kind in ("spot", "purple_spot", "rim_purple_spot")
        for i in range(1, len(_SCALES) + 1)
        for what in (
            "contrast",
            "density",
            "contrast_extreme",
            "red",
            "green",
            "blue",
            "depth",
            "pallor_extreme",
        )
    ),
    *(
        f"{threshold}_{what}"
        for threshold in (
            *(f"above{density:g}" for density in _DENSITIES),
            "adaptive",
            *(f"purple{density:g}" for density in _PURPLES),
        )
        for what in (
            "area",
            "largest_area",
            "count",
            "filling",
            "red",
            "green",
            "blue",
            "depth",
        )
    ),
)


def spot_features(
    density: NDArray[np.float32],
    cell: Cell,
    depth: NDArray[np.float32],
    inner: NDArray[np.bool_],
    rim: NDArray[np.bool_],
) -> list[float]:
    """Return the values of `SPOT_NAMES`.

    Parameters
    ----------
    density : ndarray of shape (height, width, 3), float32
        Optical density relative to that of the cell; 0 outside.
    cell : Cell
        The cell.
    depth : ndarray of shape (height, width), float32
        Distance from the outline, in radii.
    inner, rim : ndarray of shape (height, width), bool
        The two parts of the cell.
    """
    # Chromatin absorbs green and lets red pass; the shade of a fold or of the edge of
    # the cell absorbs both, so purple tells a spot even at the rim, where parasites
    # often lie.
    green = density[..., 1]
    # Side by side in one array, all are smoothed by one call.
    layers = np.dstack([green, green - density[..., 0], cell.mask]).astype(np.float32)
    near = _smooth(layers, cell, _SCALES)
    contrasts = near - _smooth(layers, cell, tuple(2 * scale for scale in _SCALES))
    around = np.empty_like(density)
    cv2.blur(density, (3, 3), around, borderType=cv2.BORDER_REPLICATE)
    within = inner | rim
    features: list[float] = []
    for layer, region in ((0, inner), (1, within), (1, rim)):
        features += _spots(near[layer], contrasts[layer], around, depth, region)
    dark, purple = near[:, 0]
    core = dark[inner] if inner.any() else dark[within]
    # Four times the median deviation: a spot of the cell's own, whatever its texture.
    adaptive = 4 * (float(np.median(np.abs(core - np.median(core)))) + 0.01)
    for threshold in (*_DENSITIES, adaptive):
        features += _beyond((dark > threshold) & inner, density, cell, depth)
    for threshold in _PURPLES:
        features += _beyond((purple > threshold) & within, density, cell, depth)
    return features


def _smooth(
    layers: NDArray[np.float32], cell: Cell, scales: tuple[float, ...]
) -> NDArray[np.float32]:
    """Smooth two layers within the cell, the third, at each scale.

    Pixels outside of it do not count (Knutsson, 1993). The array returned has shape
    (2, n_scales, height, width).
    """
    smooth = np.empty((2, len(scales), *layers.shape[:2]), dtype=np.float32)
    for i, scale in enumerate(scales):
        blurred = cv2.GaussianBlur(layers, (0, 0), scale * cell.radius)
        *values, weights = cv2.split(blurred)
        weights += 1e-3
        for layer, value in enumerate(values):
            np.divide(value, weights, out=smooth[layer, i])
    return smooth


def _spots(
    smooth: NDArray[np.float32],
    contrasts: NDArray[np.float32],
    around: NDArray[np.float32],
    depth: NDArray[np.float32],
    region: NDArray[np.bool_],
) -> list[float]:
    """Describe the spot of most contrast in a region at each scale.

    Contrast is a difference of Gaussians.
    """
    places = np.flatnonzero(region)
    n_scales = len(smooth)
    if not len(places):
        return [0.0] * (8 * n_scales)
    n_extreme = max(1, round(_EXTREME * len(places)))
    within = contrasts.reshape(n_scales, -1)[:, places]
    best = within.argmax(axis=1)
    spots = places[best]
    scales = np.arange(n_scales)
    contrast = within[scales, best]
    within.sort(axis=1)
    table = np.column_stack(
        [
            contrast,
            smooth.reshape(n_scales, -1)[scales, spots],
            within[:, -n_extreme:].mean(axis=1),
            around.reshape(-1, 3)[spots],
            depth.ravel()[spots],
            within[:, :n_extreme].mean(axis=1),
        ]
    )
    return list(table.ravel())


def _beyond(
    found: NDArray[np.bool_],
    density: NDArray[np.float32],
    cell: Cell,
    depth: NDArray[np.float32],
) -> list[float]:
    """Describe the pixels that are beyond a threshold."""
    n_labels, labels, stats, _ = cv2.connectedComponentsWithStats(found.view(np.uint8))
    if n_labels == 1:  # the background alone
        return [0.0] * 8
    areas = stats[1:, cv2.CC_STAT_AREA]
    largest = 1 + int(areas.argmax())
    box = stats[largest, cv2.CC_STAT_WIDTH] * stats[largest, cv2.CC_STAT_HEIGHT]
    spot = cv2.inRange(labels, largest, largest)
    return [
        areas.sum() / cell.area,
        areas.max() / cell.area,
        n_labels - 1,
        areas.max() / box,
        *cv2.mean(density, spot)[:3],
        cv2.minMaxLoc(depth, spot)[1],
    ]
