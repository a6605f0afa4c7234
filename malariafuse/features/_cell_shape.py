"""The outline of the cell in a crop, and what its shape tells."""

from math import dist, isfinite, pi
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from malariafuse._cell import Cell

_ANGLES = np.linspace(-np.pi, np.pi, 64, endpoint=False)
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


def shape_features(cells: list[Cell]) -> NDArray[np.float64]:
    """Return the values of `SHAPE_NAMES`, a row each; lengths in radii, areas in areas.

    What is short by itself is measured cell by cell, and the rest for all at once.
    """
    parts = [
        [
            cell.area / cell.mask.size,
            cv2.countNonZero(cell.mask & ~cell.lit) / cell.area,
            cv2.countNonZero(cell.lit & ~cell.mask) / cell.area,
            *_hull_features(cell),
        ]
        for cell in cells
    ]
    return np.hstack(
        [
            parts,
            _outline_features(np.array([_radius_by_angle(cell) for cell in cells])),
            [_granulometry(cell) for cell in cells],
        ]
    )


def _hull_features(cell: Cell) -> list[float]:
    """Compare the cell with its convex hull: a bite out of the rim is a deep dent."""
    outline = cell.outline
    corners = cv2.convexHull(outline, returnPoints=False).ravel()
    hull = outline[corners]
    enclosed = max(cv2.contourArea(outline), 1.0)
    perimeter = cv2.arcLength(outline, True)
    depths, widths = [0.0] * _N_DENTS, [0.0] * _N_DENTS
    for i, (start, end, _, depth) in enumerate(_dents(outline, corners)[:_N_DENTS]):
        # OpenCV gives depths in 1/256 pixel.
        depths[i] = depth / 256 / cell.radius
        widths[i] = dist(outline[start], outline[end]) / cell.radius
    return [
        enclosed / max(cv2.contourArea(hull), 1.0),
        perimeter**2 / (4 * pi * enclosed),
        perimeter / max(cv2.arcLength(hull, True), 1.0),
        *depths,
        *widths,
        depths[0] / (widths[0] + 0.05),
        *_ellipse_features(cell, hull),
    ]


def _dents(outline: NDArray[np.int32], corners: NDArray[Any]) -> NDArray[Any]:
    """Return (start, end, farthest point, depth) of each dent, deepest first."""
    if len(corners) < 4:
        return np.empty((0, 4), dtype=np.int32)
    # The defects are undefined where rounding makes the hull cross itself; on a
    # sorted hull it does not.
    found = cv2.convexityDefects(outline, np.sort(corners)[::-1, None])
    if found is None:
        return np.empty((0, 4), dtype=np.int32)
    defects = found.reshape(-1, 4)
    return defects[np.argsort(-defects[:, 3], kind="stable")]


def _ellipse_features(cell: Cell, hull: NDArray[np.int32]) -> list[float]:
    """Compare the cell with the ellipse through its convex hull."""
    if len(hull) < 5:  # what a unique ellipse needs
        return [0.0] * 4
    center, axes, angle = cv2.fitEllipse(hull)
    if not all(map(isfinite, (*center, *axes, angle))) or min(axes) <= 0:
        return [0.0] * 4
    ellipse = np.zeros_like(cell.mask)
    cv2.ellipse(ellipse, (center, axes, angle), 1, cv2.FILLED)
    area, both = cv2.countNonZero(ellipse), cv2.countNonZero(ellipse & cell.mask)
    return [
        both / (area + cell.area - both),
        min(axes) / max(axes),
        (area - both) / cell.area,
        (cell.area - both) / cell.area,
    ]


def _radius_by_angle(cell: Cell) -> NDArray[np.float64]:
    """Return the distances of the outline from its center at even angles, in radii."""
    x, y = (cell.outline - cell.outline.mean(axis=0)).T
    angles = np.arctan2(y, x)
    order = np.argsort(angles, kind="stable")
    radii = np.hypot(x, y) / cell.radius
    radius: NDArray[np.float64] = np.interp(
        _ANGLES, angles[order], radii[order], period=2 * np.pi
    )
    return radius


def _outline_features(radius: NDArray[np.float64]) -> NDArray[np.float64]:
    """Describe the radius as a function of the angle, and its spectrum."""
    spectrum = np.abs(np.fft.rfft(radius)) / len(_ANGLES)
    steps = np.diff(radius, append=radius[:, :1])
    bends = np.diff(steps, append=steps[:, :1])
    return np.column_stack(
        [
            radius.std(axis=1),
            radius.min(axis=1),
            radius.max(axis=1),
            spectrum[:, list(_HARMONICS)],
            np.abs(steps).max(axis=1),
            np.abs(bends).max(axis=1),
        ]
    )


def _granulometry(cell: Cell) -> list[float]:
    """Return the area of gaps and tips that are narrower than some widths.

    They are what closing and opening by disks add and take (Serra, 1982). A disk that
    reaches a pixel of the box around the cell has its center less than a radius from
    the box, so nothing farther away is looked at.
    """
    x, y, width, height = cv2.boundingRect(cell.outline)
    box = cell.mask[y : y + height, x : x + width]
    margin = int(max(_GAPS) * cell.radius) + 1
    outside = _distance(1 - _framed(box, margin))
    gaps, tips = [], []
    for gap in _GAPS:
        size = gap * cell.radius
        cut = margin - int(size) - 1
        near = outside[cut : len(outside) - cut, cut : outside.shape[1] - cut] <= size
        closed = np.count_nonzero(_distance(near.view(np.uint8)) > size)
        gaps.append((closed - cell.area) / cell.area)
    inside = _distance(_framed(box, 1))
    for tip in _TIPS:
        size = tip * cell.radius
        opened = np.count_nonzero(_distance((inside <= size).view(np.uint8)) <= size)
        tips.append((cell.area - opened) / cell.area)
    return [*gaps, *tips]


def _framed(box: NDArray[np.uint8], margin: int) -> NDArray[np.uint8]:
    framed = np.zeros(np.add(box.shape, 2 * margin), dtype=np.uint8)
    framed[margin:-margin, margin:-margin] = box
    return framed


def _distance(mask: NDArray[Any]) -> NDArray[np.float32]:
    return np.asarray(cv2.distanceTransform(mask, cv2.DIST_L2, 5), dtype=np.float32)
