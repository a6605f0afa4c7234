"""The outline of the cell in a crop, and what its shape tells."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from malariafuse._cell import Cell

_N_ANGLES = 64
_N_DENTS = 3
_HARMONICS = range(1, 9)
# In radii of the cell: half the width of the gaps that are filled, and of the tips that
# are cut.
_GAPS = (0.08, 0.15, 0.25, 0.4, 0.6)
_TIPS = (0.08, 0.15, 0.25, 0.4)

SHAPE_NAMES = (
    "cell_area",
    "hole_area",
    "debris_area",
    "solidity",
    "roughness",
    "perimeter_to_hull",
    *(f"dent{i}_depth" for i in range(1, _N_DENTS + 1)),
    *(f"dent{i}_width" for i in range(1, _N_DENTS + 1)),
    "dent1_steepness",
    "ellipse_overlap",
    "ellipse_axis_ratio",
    "ellipse_lacks",
    "ellipse_exceeds",
    "radius_std",
    "radius_min",
    "radius_max",
    *(f"outline_harmonic{i}" for i in _HARMONICS),
    "radius_step_max",
    "radius_bend_max",
    *(f"gaps_below{2 * gap:g}" for gap in _GAPS),
    *(f"tips_below{2 * tip:g}" for tip in _TIPS),
)


def shape_features(cell: Cell) -> list[float]:
    """Return the values of `SHAPE_NAMES`; lengths are in radii, areas in areas."""
    area, mask = cell.area, cell.mask
    return [
        area / mask.size,
        float((mask & ~cell.lit).sum()) / area,
        float((cell.lit & ~mask).sum()) / area,
        *_hull_features(cell),
        *_ellipse_features(cell),
        *_outline_features(cell),
        *_granulometry(cell),
    ]


def _hull_features(cell: Cell) -> list[float]:
    """Compare the cell with its convex hull: a bite out of the rim is a deep dent."""
    outline = cell.outline
    hull = cv2.convexHull(outline)
    enclosed = max(cv2.contourArea(outline), 1.0)
    perimeter = cv2.arcLength(outline, True)
    depths, widths = np.zeros(_N_DENTS), np.zeros(_N_DENTS)
    for i, (start, end, _, depth) in enumerate(_dents(outline)[:_N_DENTS]):
        # OpenCV gives depths in 1/256 pixel.
        depths[i] = depth / 256 / cell.radius
        widths[i] = np.linalg.norm(outline[start] - outline[end]) / cell.radius
    return [
        enclosed / max(cv2.contourArea(hull), 1.0),
        perimeter**2 / (4 * np.pi * enclosed),
        perimeter / max(cv2.arcLength(hull, True), 1.0),
        *depths,
        *widths,
        depths[0] / (widths[0] + 0.05),
    ]


def _dents(outline: NDArray[np.int32]) -> NDArray[Any]:
    """Return (start, end, farthest point, depth) of each dent, deepest first."""
    # The defects are undefined where rounding makes the hull cross itself; on a
    # sorted hull it does not.
    hull = np.sort(cv2.convexHull(outline, returnPoints=False).ravel())[::-1]
    if len(hull) < 4:
        return np.empty((0, 4), dtype=np.int32)
    found = cv2.convexityDefects(outline, hull[:, None])
    if found is None:
        return np.empty((0, 4), dtype=np.int32)
    defects = found.reshape(-1, 4)
    return defects[np.argsort(-defects[:, 3], kind="stable")]


def _ellipse_features(cell: Cell) -> list[float]:
    """Compare the cell with the ellipse through its convex hull."""
    hull = cv2.convexHull(cell.outline)
    if len(hull) < 5:  # what a unique ellipse needs
        return [0.0] * 4
    center, axes, angle = cv2.fitEllipse(hull)
    if not np.isfinite([*center, *axes, angle]).all() or min(axes) <= 0:
        return [0.0] * 4
    ellipse = np.zeros_like(cell.mask)
    cv2.ellipse(ellipse, (center, axes, angle), 1, cv2.FILLED)
    both = int((ellipse & cell.mask).sum())
    return [
        both / int((ellipse | cell.mask).sum()),
        min(axes) / max(axes),
        (int(ellipse.sum()) - both) / cell.area,
        (cell.area - both) / cell.area,
    ]


def _outline_features(cell: Cell) -> list[float]:
    """Describe the radius as a function of the angle, and its spectrum."""
    from_center = cell.outline - cell.outline.mean(axis=0)
    angles = np.arctan2(from_center[:, 1], from_center[:, 0])
    radii = np.hypot(from_center[:, 0], from_center[:, 1]) / cell.radius
    order = np.argsort(angles, kind="stable")
    grid = np.linspace(-np.pi, np.pi, _N_ANGLES, endpoint=False)
    radius = np.interp(grid, angles[order], radii[order], period=2 * np.pi)
    spectrum = np.abs(np.fft.rfft(radius)) / _N_ANGLES
    steps = np.diff(radius, append=radius[0])
    bends = np.diff(steps, append=steps[0])
    return [
        radius.std(),
        radius.min(),
        radius.max(),
        *spectrum[list(_HARMONICS)],
        np.abs(steps).max(),
        np.abs(bends).max(),
    ]


def _granulometry(cell: Cell) -> list[float]:
    """Return the area of gaps and tips that are narrower than some widths.

    They are what closing and opening by disks add and take (Serra, 1982).
    """
    # So far around the cell that no closing reaches the frame.
    margin = int(2 * max(_GAPS) * cell.radius) + 2
    framed = cv2.copyMakeBorder(
        cell.mask, margin, margin, margin, margin, cv2.BORDER_CONSTANT
    )
    outside, inside = _distance(1 - framed), _distance(framed)
    gaps, tips = [], []
    for gap in _GAPS:
        size = gap * cell.radius
        closed = _distance((outside <= size).view(np.uint8)) > size
        gaps.append((int(closed.sum()) - cell.area) / cell.area)
    for tip in _TIPS:
        size = tip * cell.radius
        opened = _distance((inside <= size).view(np.uint8)) <= size
        tips.append((cell.area - int(opened.sum())) / cell.area)
    return [*gaps, *tips]


def _distance(mask: NDArray[Any]) -> NDArray[np.float32]:
    return np.asarray(cv2.distanceTransform(mask, cv2.DIST_L2, 5), dtype=np.float32)
