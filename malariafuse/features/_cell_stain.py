"""How the stain is distributed over a cell: chromatin spots, texture, rim."""

import cv2
import numpy as np
from numpy.typing import NDArray

from malariafuse.features._cell_shape import Cell

# In radii of the cell, of about 3.8 micrometers: from chromatin dots to trophozoites.
_SCALES = (0.035, 0.055, 0.085, 0.135)
# Optical density above that of the cell.
_DENSITIES = (0.15, 0.3, 0.5)
_RIM = 0.1  # of the radius
_RANKS = (0.01, 0.05, 0.25, 0.75, 0.9, 0.95, 0.98, 0.995)
_TINT_RANKS = (0.02, 0.5, 0.98)
_EXTREME = 0.007  # of the pixels: the spot of a ring form

STAIN_NAMES = (
    *(f"log_{channel}" for channel in ("red", "green", "blue")),
    "log_red_to_green",
    "log_blue_to_green",
    *(f"{channel}_variation" for channel in ("red", "green", "blue")),
    *(
        f"spot{i}_{what}"
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
        f"{region}_{what}"
        for region in ("inner", "rim")
        for what in (
            *(f"density_p{100 * rank:g}" for rank in _RANKS),
            *(f"red_to_green_p{100 * rank:g}" for rank in _TINT_RANKS),
            *(f"blue_to_green_p{100 * rank:g}" for rank in _TINT_RANKS),
        )
    ),
    *(
        f"{threshold}_{what}"
        for threshold in (*(f"above{density:g}" for density in _DENSITIES), "adaptive")
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


def stain_features(image: NDArray[np.float32], cell: Cell) -> list[float]:
    """Return the values of `STAIN_NAMES` for an image in 0..255."""
    within = cell.mask > 0
    pixels = image[within] + 1
    white = np.median(pixels, axis=0)
    logarithms = np.log(white)
    # Optical density beside that of the cell itself: the same for any lamp and, nearly,
    # for any strength of the stain (gray-world balance by the cell's own median).
    density = -np.log(np.maximum((image + 1) / white, 0.05))
    density[~within] = 0
    # The frame outside the image is background, too.
    framed = cv2.copyMakeBorder(cell.mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    distances = cv2.distanceTransform(framed, cv2.DIST_L2, 3)[1:-1, 1:-1]
    depth = np.asarray(distances / cell.radius, dtype=np.float32)
    inner = depth > _RIM
    near = _smooth(density, cell, _SCALES)
    far = _smooth(density, cell, tuple(2 * scale for scale in _SCALES))
    return [
        *logarithms,
        logarithms[0] - logarithms[1],
        logarithms[2] - logarithms[1],
        *(pixels.std(axis=0) / white),
        *_spots(density, near, far, depth, inner),
        *_distribution(density, inner),
        *_distribution(density, within & ~inner),
        *_regions(density, near[0], cell, depth, inner),
    ]


def _smooth(
    density: NDArray[np.float32], cell: Cell, scales: tuple[float, ...]
) -> list[NDArray[np.float32]]:
    """Smooth the density in green within the cell, at each scale.

    What is outside does not count (Knutsson, 1993).
    """
    # Side by side in one array, both are smoothed by one call.
    both = np.dstack([density[..., 1], cell.mask]).astype(np.float32)
    smooth = []
    for scale in scales:
        values, weights = cv2.split(cv2.GaussianBlur(both, (0, 0), scale * cell.radius))
        smooth.append(values / (weights + 1e-3))
    return smooth


def _spots(
    density: NDArray[np.float32],
    near: list[NDArray[np.float32]],
    far: list[NDArray[np.float32]],
    depth: NDArray[np.float32],
    inner: NDArray[np.bool_],
) -> list[float]:
    """Describe the darkest spot of each scale by a difference of Gaussians."""
    if not inner.any():
        return [0.0] * (8 * len(_SCALES))
    n_extreme = max(1, round(_EXTREME * int(inner.sum())))
    features: list[float] = []
    for smooth, around_it in zip(near, far, strict=True):
        contrast = smooth - around_it
        y, x = divmod(int(np.where(inner, contrast, -np.inf).argmax()), len(inner[0]))
        around = density[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
        ordered = np.sort(contrast[inner])
        features += [
            contrast[y, x],
            smooth[y, x],
            ordered[-n_extreme:].mean(),
            *around.mean(axis=(0, 1)),
            depth[y, x],
            ordered[:n_extreme].mean(),
        ]
    return features


def _distribution(
    density: NDArray[np.float32], region: NDArray[np.bool_]
) -> list[float]:
    """Return quantiles of the density in green and of the tint over a region."""
    pixels = density[region]
    if not len(pixels):
        return [0.0] * (len(_RANKS) + 2 * len(_TINT_RANKS))
    red, green, blue = pixels.T
    return [
        *_quantiles(green, _RANKS),
        *_quantiles(red - green, _TINT_RANKS),
        *_quantiles(blue - green, _TINT_RANKS),
    ]


def _quantiles(
    values: NDArray[np.float32], ranks: tuple[float, ...]
) -> NDArray[np.float32]:
    # A twentieth of the time of np.quantile, which checks and interpolates more.
    ordered = np.sort(values)
    return ordered[[round(rank * (len(ordered) - 1)) for rank in ranks]]


def _regions(
    density: NDArray[np.float32],
    smooth: NDArray[np.float32],
    cell: Cell,
    depth: NDArray[np.float32],
    inner: NDArray[np.bool_],
) -> list[float]:
    """Describe what is darker than fixed densities, and than one that adapts."""
    values = smooth[inner] if inner.any() else smooth[cell.mask > 0]
    # Four times the median deviation: a spot of the cell's own, whatever its texture.
    adaptive = 4 * (float(np.median(np.abs(values - np.median(values)))) + 0.01)
    features: list[float] = []
    for threshold in (*_DENSITIES, adaptive):
        dark = ((smooth > threshold) & inner).astype(np.uint8)
        n_labels, labels, stats, _ = cv2.connectedComponentsWithStats(dark)
        if n_labels == 1:  # the background alone
            features += [0.0] * 8
            continue
        areas = stats[1:, cv2.CC_STAT_AREA]
        largest = 1 + int(areas.argmax())
        box = stats[largest, cv2.CC_STAT_WIDTH] * stats[largest, cv2.CC_STAT_HEIGHT]
        spot = labels == largest
        features += [
            areas.sum() / cell.area,
            areas.max() / cell.area,
            n_labels - 1,
            areas.max() / box,
            *density[spot].mean(axis=0),
            depth[spot].max(),
        ]
    return features
