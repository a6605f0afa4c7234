"""Optical density of the stain in the field of a photograph."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from malariafuse.smears._field import dark_pixels, find_field
from malariafuse.smears._views import Views

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

_INK = 30  # of 255, in the brightest channel: below the level of any stain
_ORDER = 3  # order of the polynomial for the light of the plasma
_LIGHT_STEP = 8  # pixels
_SMOOTHING = 0.02  # of a diameter
_THUMBNAIL = 160  # longer side in pixels of the image for the fit
_ROUNDS = 6
_SAMPLE = 100_000  # number of pixels for the threshold of the stain
_ABOVE_TYPICAL = 1.4
_FAINTEST = 0.05  # optical density of a cell
_OUTLIERS = 2.5, 3.0  # in robust standard deviations, below and above the plasma


@dataclass(frozen=True)
class Stain:
    """Optical density of a photograph at one scale.

    Attributes
    ----------
    density : ndarray of shape (height, width, 3), float32
        Optical density of each channel relative to the surrounding plasma, 0 in plasma.
    field : ndarray of shape (height, width), uint8
        Mask of the field, without black areas such as a printed scale bar.
    light : ndarray of shape (some_height, some_width, 3), float32
        Light of the plasma in [0, 255], also behind cells, at a subset of the pixels of
        the field.
    """

    density: Floats
    field: Bytes
    light: Floats


@dataclass(frozen=True)
class Stained:
    """Stained area of a photograph.

    Attributes
    ----------
    density : ndarray of shape (height, width), float32
        Optical density of the green channel, smoothed.
    threshold : float
        Density between plasma and cells.
    mask : ndarray of shape (height, width), bool
        Pixels of the field above the threshold.
    """

    density: Floats
    threshold: float
    mask: NDArray[np.bool_]


def measure_stain(views: Views, scale: float) -> Stain:
    """Return the optical density of a photograph at a scale."""
    small = views.at(scale)
    lit = find_field(small) & ~dark_pixels(small, _INK)
    field = lit.astype(np.uint8)
    logarithm = np.log(small.astype(np.float32) + 1)
    plasma = _plasma(logarithm, field)
    light = np.exp(plasma[::_LIGHT_STEP, ::_LIGHT_STEP]) - 1
    return Stain(plasma - logarithm, field, light)


def find_stained(stain: Stain, diameter: float) -> Stained | None:
    """Return the stained area, for cells of a diameter, or None."""
    smooth = cv2.GaussianBlur(stain.density[..., 1], (0, 0), _SMOOTHING * diameter)
    inside = stain.field > 0
    level = stain_threshold(smooth[inside])
    if level is None:
        return None
    return Stained(smooth, level, (smooth > level) & inside)  # type: ignore[arg-type]


def threshold(values: NDArray[Any]) -> float:
    """Return Otsu's threshold of floating values."""
    low, high = float(values.min()), float(values.max())
    if high <= low:
        return high
    levels = ((values - low) * (255 / (high - low))).astype(np.uint8)
    level, _ = cv2.threshold(
        levels.reshape(1, -1), 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU
    )
    return low + (level + 0.5) / 255 * (high - low)


def stain_threshold(density: NDArray[Any]) -> float | None:
    """Return the threshold between plasma and cells, or None without stain.

    Densities are clipped slightly above those of typical cells, so that chromatin does
    not form a separate class. Typical densities depend on the threshold, so it is
    computed iteratively.
    """
    density = density[:: max(1, len(density) // _SAMPLE)]
    bottom, top = np.quantile(density, [0.01, 0.995])
    for _ in range(_ROUNDS):
        cut = np.clip(density, bottom, top)
        level = threshold(cut)
        stained = cut > level
        if not stained.any():
            return None
        low, high = np.median(cut[~stained]), np.median(cut[stained])
        lower_top = low + _ABOVE_TYPICAL * (high - low)
        if lower_top >= top:
            break
        top = lower_top
    return level if high - low >= _FAINTEST else None


def _plasma(logarithm: Floats, field: Bytes) -> Floats:
    """Return the logarithm of the light of the plasma, also behind cells."""
    height, width = logarithm.shape[:2]
    step = max(1, max(height, width) // _THUMBNAIL)
    size = max(8, width // step), max(8, height // step)
    thumbnail = cv2.resize(logarithm, size, interpolation=cv2.INTER_NEAREST)
    inside = cv2.resize(field, size, interpolation=cv2.INTER_NEAREST)
    # Without the rim of the field, where the light fades.
    inner = cv2.erode(inside, np.ones((3, 3)), borderType=cv2.BORDER_REPLICATE) > 0
    if not inner.any():
        inner = np.ones_like(inner)
    down, across = (_powers(side) for side in thumbnail.shape[:2])
    terms = [
        (i, j) for i in range(_ORDER + 1) for j in range(_ORDER + 1) if i + j <= _ORDER
    ]
    basis = np.stack([np.outer(down[i], across[j])[inner] for i, j in terms], axis=1)
    values = thumbnail[inner]
    light = values.sum(axis=1)
    plasma = light > threshold(light)
    for _ in range(_ROUNDS):
        if plasma.sum() < len(terms):
            plasma = np.ones_like(plasma)
        fit = np.linalg.lstsq(basis[plasma], values[plasma], rcond=None)[0]
        rest = (values - basis @ fit).sum(axis=1)
        # Clipped, so that chromatin does not form a separate class.
        level = threshold(np.maximum(rest, np.percentile(rest, 2)))
        bright = rest[rest > level]
        if not bright.size:
            break
        middle = np.median(bright)
        spread = 1.48 * np.median(np.abs(bright - middle)) + 0.01
        below, above = _OUTLIERS
        new = (rest > max(level, middle - below * spread)) & (
            rest < middle + above * spread
        )
        if (new == plasma).all():
            break
        plasma = new
    down, across = _powers(height), _powers(width)
    matrix = np.zeros((_ORDER + 1, _ORDER + 1, 3), dtype=np.float32)
    for (i, j), weight in zip(terms, fit, strict=True):
        matrix[i, j] = weight
    return np.stack([down.T @ matrix[..., c] @ across for c in range(3)], axis=-1)


def _powers(side: int) -> Floats:
    """Return the powers of the coordinates along a side, in [-1, 1]."""
    along = np.linspace(-1, 1, side, dtype=np.float32)
    return np.stack([along**i for i in range(_ORDER + 1)])
