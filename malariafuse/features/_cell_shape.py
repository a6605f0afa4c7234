"""Features of the shape of a cell."""

from math import dist, isfinite, pi
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from malariafuse._cell import Cell
from malariafuse.features._cell_disks import gap_areas, tip_areas

_ANGLES = np.linspace(-pi, pi, 64, endpoint=False) % (2 * pi)
_N_DENTS = 3
_HARMONICS = range(1, 9)
# Radii of the disks in radii of the cell: half of the maximum width of filled gaps and
# removed tips.
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
    """Return the features `SHAPE_NAMES`, one row for each cell.

    Lengths are in radii and areas in areas of the cell. Fast measures are computed cell
    by cell, others in one call for all cells.
    """
    n_pixels = cells[0].mask.size
    masks, lit = (
        np.stack(layers).reshape(len(cells), -1).view(np.bool_)
        for layers in ([cell.mask for cell in cells], [cell.lit for cell in cells])
    )
    areas = np.array([cell.area for cell in cells])
    ellipses = np.zeros((len(cells), *cells[0].mask.shape), dtype=np.uint8)
    hulls = np.array(
        [
            _hull_features(cell, ellipse)
            for cell, ellipse in zip(cells, ellipses, strict=True)
        ]
    )
    return np.column_stack(
        [
            areas / n_pixels,
            np.count_nonzero(masks > lit, axis=1) / areas,
            np.count_nonzero(lit > masks, axis=1) / areas,
            hulls[:, :-1],
            _overlap(ellipses.reshape(masks.shape).view(np.bool_), masks, hulls[:, -1]),
            _outline_features(_radii_by_angle(cells)),
            gap_areas(cells, _GAPS),
            tip_areas(cells, _TIPS),
        ]
    )


def _hull_features(cell: Cell, ellipse: NDArray[np.uint8]) -> list[float]:
    """Compare the cell with its convex hull: a concavity is a deep dent.

    The ellipse fitted to the hull is drawn. The last feature is the ratio of its axes.
    """
    outline = cell.outline
    corners = cv2.convexHull(outline, returnPoints=False).ravel()
    hull = outline[corners]
    enclosed = max(cv2.contourArea(outline), 1.0)
    perimeter = cv2.arcLength(outline, True)
    depths, widths = [0.0] * _N_DENTS, [0.0] * _N_DENTS
    for i, (start, end, _, depth) in enumerate(_dents(outline, corners)):
        # OpenCV gives depths in 1/256 pixel.
        depths[i] = depth / 256 / cell.radius
        widths[i] = dist(outline[start].tolist(), outline[end].tolist()) / cell.radius
    return [
        enclosed / max(cv2.contourArea(hull), 1.0),
        perimeter**2 / (4 * pi * enclosed),
        perimeter / max(cv2.arcLength(hull, True), 1.0),
        *depths,
        *widths,
        depths[0] / (widths[0] + 0.05),
        _draw_ellipse(hull, ellipse),
    ]


def _dents(outline: NDArray[np.int32], corners: NDArray[Any]) -> list[list[int]]:
    """Return start, end, farthest point and depth of dents, deepest first."""
    if len(corners) < 4:
        return []
    # The defects are undefined if the hull intersects itself by rounding. A sorted hull
    # does not.
    found = cv2.convexityDefects(outline, np.sort(corners)[::-1, None])
    if found is None:
        return []
    defects = found.reshape(-1, 4)
    deepest = np.argsort(-defects[:, 3], kind="stable")[:_N_DENTS]
    dents: list[list[int]] = defects[deepest].tolist()
    return dents


def _draw_ellipse(hull: NDArray[np.int32], ellipse: NDArray[np.uint8]) -> float:
    """Draw the ellipse fitted to a hull and return the ratio of its axes, or 0."""
    if len(hull) < 5:  # minimum number of points of a unique ellipse
        return 0.0
    center, axes, angle = cv2.fitEllipse(hull)
    if not all(map(isfinite, (*center, *axes, angle))) or min(axes) <= 0:
        return 0.0
    cv2.ellipse(ellipse, (center, axes, angle), 1, cv2.FILLED)
    return min(axes) / max(axes)


def _overlap(
    ellipses: NDArray[np.bool_], masks: NDArray[np.bool_], ratios: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the overlap of cells with the ellipses fitted to their hulls."""
    area, ellipse, both = (
        np.count_nonzero(layer, axis=1) for layer in (masks, ellipses, ellipses & masks)
    )
    overlap = np.column_stack(
        [
            both / (ellipse + area - both),
            ratios,
            (ellipse - both) / area,
            (area - both) / area,
        ]
    )
    overlap[ratios == 0] = 0
    return overlap


def _radii_by_angle(cells: list[Cell]) -> NDArray[np.float64]:
    """Return the distances of outlines from their centers at equidistant angles."""
    lengths = np.array([len(cell.outline) for cell in cells])
    stops = np.cumsum(lengths)
    outlines = np.concatenate([cell.outline for cell in cells])
    sums = np.add.reduceat(outlines, stops - lengths, axis=0, dtype=np.int64)
    centers = sums / lengths[:, np.newaxis]
    x, y = (outlines - centers.repeat(lengths, axis=0)).T
    angles, radii = np.arctan2(y, x), np.hypot(x, y)
    table = np.empty((len(cells), len(_ANGLES)))
    for row, cell, stop, length in zip(table, cells, stops, lengths, strict=True):
        part = slice(stop - length, stop)
        order = np.argsort(angles[part], kind="stable")
        # Like np.interp with a period, but faster.
        turned = angles[part][order] % (2 * pi)
        again = np.argsort(turned)
        around, radius = turned[again], radii[part][order[again]]
        around = np.concatenate([around[-1:] - 2 * pi, around, around[:1] + 2 * pi])
        radius = np.concatenate([radius[-1:], radius, radius[:1]])
        row[:] = np.interp(_ANGLES, around, radius)
        row /= cell.radius
    return table


def _outline_features(radius: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return features of the radius as a function of the angle, and of its spectrum."""
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
