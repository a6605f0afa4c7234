"""Foreground masks: pixels of red cells and pixels between touching cells."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from malariafuse.smears._regions import hull_area, mask_hull
from malariafuse.smears._stain import Stain, Stained

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

# Lengths are in diameters of a cell, and areas in areas of a disk of that diameter.
# Stain levels are relative: 0 for the plasma, 1 for the surrounding cells.
_AROUND = 1.0
_FEW = 0.05  # fraction of surrounding cells or plasma from which they have full weight
_LEVEL = 0.5
_OUTER_LEVEL = 0.3
_VALLEY_WIDTH = 0.1
_VALLEY_DEPTH = 0.08
_FINE_VALLEY_DEPTH = 0.06  # if the above does not separate clumps
_DARKEST = 0.8  # clipped here, so that parasites and overlaps do not create valleys
_THINNEST = 0.08
_SMALL_HOLE = 0.02
_PALE_CENTER = 0.3
_PALEST = 0.05  # minimum stain level of a pale center, above that of plasma
_CONVEX = 0.85  # minimum solidity of a pale center, above that of gaps between cells


@dataclass(frozen=True)
class Foreground:
    """Masks of the stained pixels of a photograph.

    Attributes
    ----------
    cells : ndarray of shape (height, width), uint8
        Mask of the cells, pale centers included.
    cores : ndarray of shape (height, width), uint8
        Mask of the cells without the thin bright lines between touching cells.
    fine_cores : ndarray of shape (height, width), uint8
        Mask of the cells also without fainter lines, which may be inside a cell.
    outer : ndarray of shape (height, width), bool
        Mask of the cells with their faint rims.
    """

    cells: Bytes
    cores: Bytes
    fine_cores: Bytes
    outer: NDArray[np.bool_]


def disk(diameter: float) -> Bytes:
    """Return a disk as structuring element, with an odd number of pixels per side."""
    side = 2 * round(diameter / 2) + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))  # type: ignore[return-value]


def fill_pale_centers(mask: Bytes, level: NDArray[Any], area: float) -> Bytes:
    """Fill small holes, and convex holes with more stain than plasma.

    Parameters
    ----------
    mask : ndarray of shape (height, width), uint8
        Mask of the stained pixels.
    level : ndarray of shape (height, width), float32
        Stain level, 0 in plasma and about 1 in cells.
    area : float
        Area of a cell in pixels.
    """
    _, labels, stats, _ = cv2.connectedComponentsWithStats(1 - mask, connectivity=4)
    left, top, width, height, areas = stats.T
    inner = (left > 0) & (left + width < mask.shape[1])
    inner &= (top > 0) & (top + height < mask.shape[0])
    inner[0] = False  # the mask itself
    filled = inner & (areas <= _SMALL_HOLE * area)
    for hole in np.flatnonzero(inner & ~filled & (areas <= _PALE_CENTER * area)):
        window = np.s_[
            top[hole] : top[hole] + height[hole], left[hole] : left[hole] + width[hole]
        ]
        inside = labels[window] == hole
        if level[window][inside].mean() > _PALEST:
            filled[hole] = areas[hole] > _CONVEX * hull_area(mask_hull(inside))
    return mask | filled[labels].astype(np.uint8)


def find_foreground(stain: Stain, stained: Stained, diameter: float) -> Foreground:
    """Return the foreground masks of a photograph."""
    inside = stain.field > 0
    level = _relative(
        stained.density,
        stained.mask,
        inside & ~stained.mask,
        stained.threshold,
        diameter,
    )
    area = np.pi / 4 * diameter**2
    cells = ((level > _LEVEL) & inside).astype(np.uint8)
    cores, fine_cores = (
        _without_valleys(cells, level, depth, diameter)
        for depth in (_VALLEY_DEPTH, _FINE_VALLEY_DEPTH)
    )
    cells = fill_pale_centers(cells, level, area)
    outer = (level > _OUTER_LEVEL) & inside
    return Foreground(cells, cores, fine_cores, outer)


def _without_valleys(
    cells: Bytes, level: Floats, depth: float, diameter: float
) -> Bytes:
    """Remove thin bright lines from the cells."""
    capped = np.minimum(level, _DARKEST)
    closed = cv2.morphologyEx(capped, cv2.MORPH_CLOSE, disk(_VALLEY_WIDTH * diameter))
    cores = cells & (closed - capped < depth)
    cores = fill_pale_centers(cores, level, np.pi / 4 * diameter**2)
    return cv2.morphologyEx(cores, cv2.MORPH_OPEN, disk(_THINNEST * diameter))  # type: ignore[return-value]


def _relative(
    density: NDArray[Any],
    stained: NDArray[np.bool_],
    plasma: NDArray[np.bool_],
    first: float,
    diameter: float,
) -> Floats:
    """Return the stain level, relative to surrounding plasma and cells."""
    typical = float(density[stained].mean())
    capped = np.minimum(density, 1.5 * typical)
    low = _mean_around(capped, plasma, diameter)
    high = _mean_around(capped, stained, diameter)
    return (density - low) / np.maximum(high - low, 0.5 * first)


def _mean_around(values: Floats, where: NDArray[np.bool_], diameter: float) -> Floats:
    """Return the local mean over the pixels `where`."""
    step = max(1, round(diameter / 11))
    size = max(2, values.shape[1] // step), max(2, values.shape[0] // step)

    def around(image: Floats) -> Floats:
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        return cv2.GaussianBlur(small, (0, 0), _AROUND * diameter / step)  # type: ignore[return-value]

    weight = where.astype(np.float32)
    mean = float(values[where].mean())
    found = (around(values * weight) + _FEW * mean) / (around(weight) + _FEW)
    return cv2.resize(found, values.shape[::-1], interpolation=cv2.INTER_LINEAR)  # type: ignore[return-value]
