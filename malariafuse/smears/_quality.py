"""Quality measures and problems of a photograph."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from malariafuse.smears._field import DarkPhotoError
from malariafuse.smears._foreground import disk
from malariafuse.smears._outlines import Region
from malariafuse.smears._segmenter import CellSegmenter, Sight, diameter_of, look
from malariafuse.smears._views import Views

MEASURES = (
    "diameter",
    "sharpness",
    "stain",
    "hue",
    "covered",
    "separate",
    "brightness",
    "evenness",
    "clipped_white",
    "clipped_black",
)

_SAMPLE = 1000  # longer side in pixels
_BAND = 0.2  # width across the outlines, in diameters
_STEEP = 0.9  # quantile of the slopes in the band
_ENDS = 0.05, 0.95  # quantiles of the light

# Chosen on real photographs, all of which pass, and on degraded copies of them.
_WHITE = 0.3
_DIM = 80  # of 255
_TEXTURE, _SMALLEST = 10, 24  # pixels
_LARGEST = 0.5  # of the shorter side of the field
_GRAY = 0.9  # of the density of the most stained channel
_BLURRED = 4.5
_DARKEST = 1.0  # maximum density of a red cell, below that of nuclei
_DENSEST = 0.85
_SEPARATE = 0.15
_SOLIDITY, _ASPECT = 0.9, 0.6
_SIZES = 0.4, 2.0  # of the area of a disk of the diameter

Row = dict[str, Any]


def examine(views: Views, segmenter: CellSegmenter) -> tuple[Row, Sight | None]:
    """Return the measures of a photograph before its cells are segmented.

    Returns
    -------
    row : dict
        `MEASURES`, NaN if they cannot be computed, and "problem".
    sight : Sight or None
        Intermediate result of the segmenter, or None after an early problem.
    """
    row: Row = dict.fromkeys(MEASURES, np.nan) | {"problem": ""}
    try:
        row |= _clipping(views.inner)
    except DarkPhotoError:
        return row | {"problem": "dark"}, None
    if row["clipped_white"] > _WHITE:
        return row | {"problem": "overexposed"}, None
    diameter = diameter_of(views, segmenter)
    if not diameter:
        return row | {"problem": "no cells"}, None
    row["diameter"] = diameter
    if diameter < _TEXTURE:
        return row | {"problem": "not a thin smear"}, None
    if diameter < _SMALLEST:
        return row | {"problem": "cells too small"}, None
    if diameter > _LARGEST * min(views.inner.shape):
        return row | {"problem": "cells too large"}, None
    sight = look(views, segmenter, diameter)
    if sight is None:
        return row | {"problem": "no cells"}, None
    row |= _measure(sight)
    if row["brightness"] < _DIM:
        row["problem"] = "underexposed"
    elif np.isnan(row["hue"]):
        row["problem"] = "gray"
    elif row["sharpness"] < _BLURRED:
        row["problem"] = "out of focus"
    elif row["stain"] > _DARKEST:
        row["problem"] = "not a thin smear"
    elif row["covered"] > _DENSEST:
        row["problem"] = "too dense"
    return row, sight


def judge_regions(row: Row, regions: Sequence[Region], flags: NDArray[Any]) -> Row:
    """Return the measures together with those of the segmented regions."""
    separate = _separate_share(
        [region for region, flag in zip(regions, flags, strict=True) if flag != "cut"],
        row["diameter"],
    )
    row = row | {"separate": separate}
    if separate < _SEPARATE:
        row["problem"] = "not a thin smear"
    elif not (flags == "").any():
        row["problem"] = "no cells"
    return row


def _clipping(inner: Views) -> Row:
    step = -(-max(inner.shape) // _SAMPLE)
    sample = np.ascontiguousarray(inner.photo[::step, ::step])
    size = sample.shape[1::-1]
    field = cv2.resize(inner.thumbnail, size, interpolation=cv2.INTER_NEAREST) > 0
    shares = {}
    for name, level in (("clipped_white", 255), ("clipped_black", 0)):
        clipped = cv2.inRange(sample, (level,) * 3, (level,) * 3) > 0
        shares[name] = float(clipped[field].mean())
    return shares


def _measure(sight: Sight) -> Row:
    stain, mask = sight.stain, sight.stained.mask
    field = stain.field > 0
    plasma = field & ~mask
    density = np.array([np.median(channel) for channel in stain.density[mask].T])
    contrast = float(density[1])
    if plasma.any():
        contrast -= float(np.median(stain.density[..., 1][plasma]))
    low, high = np.quantile(np.maximum(stain.light[..., 1], 1), _ENDS)
    return {
        "sharpness": _sharpness(sight, contrast),
        "stain": contrast,
        "hue": _hue(density),
        "covered": float(mask.sum() / field.sum()),
        "brightness": float(np.median(stain.light.max(axis=2))),
        "evenness": float(low / high),
    }


def _sharpness(sight: Sight, contrast: float) -> float:
    """Return the slope of the outlines, in units of stain per diameter."""
    density, mask = sight.stained.density, sight.stained.mask.astype(np.uint8)
    element = disk(_BAND * sight.diameter)
    band = cv2.morphologyEx(mask, cv2.MORPH_GRADIENT, element) > 0
    band &= sight.stain.field > 0
    if not band.any():
        return 0.0
    across = cv2.Sobel(density, cv2.CV_32F, 1, 0, scale=1 / 8)[band]
    down = cv2.Sobel(density, cv2.CV_32F, 0, 1, scale=1 / 8)[band]
    steep = float(np.quantile(across**2 + down**2, _STEEP))
    return float(np.sqrt(steep)) * sight.diameter / max(contrast, 1e-6)


def _hue(density: NDArray[Any]) -> float:
    """Return the hue in degrees of light after absorption, NaN for gray."""
    if density.min() > _GRAY * density.max():
        return float("nan")
    color = np.exp(-density).astype(np.float32).reshape(1, 1, 3)
    return float(cv2.cvtColor(color, cv2.COLOR_RGB2HSV)[0, 0, 0])


def _separate_share(regions: Sequence[Region], diameter: float) -> float:
    """Return the area fraction of single cells among regions, 1 without regions."""
    if not regions:
        return 1.0
    area = np.array([np.count_nonzero(region.mask) for region in regions])
    size = area / (np.pi / 4 * diameter**2)
    shape = np.array([(region.solidity(), region.aspect()) for region in regions])
    single = (size > _SIZES[0]) & (size < _SIZES[1])
    single &= (shape > (_SOLIDITY, _ASPECT)).all(axis=1)
    return float(area[single].sum() / area.sum())
