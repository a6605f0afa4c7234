"""Estimation of the diameter of red cells in a photograph."""

from collections.abc import Callable
from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from malariafuse.smears._foreground import fill_pale_centers
from malariafuse.smears._stain import Stain, measure_stain, stain_threshold
from malariafuse.smears._views import Views

_LONGEST = 1000  # longer side of the measured image, in pixels
_SMALLEST = 14.0  # diameter that can be measured accurately, in pixels
_LONGEST_AGAIN = 2000  # resolution for smaller cells
_STEP = 1.12  # ratio of consecutive radii
_JUMP = 4  # radii
_LARGEST_CELL = 0.05  # of the photograph


def estimate_diameter(views: Views) -> float:
    """Return the typical diameter of the cells in pixels, or 0 without cells.

    Openings with disks of increasing radius remove most of the stained area at the
    radius of the cells (granulometry), also if cells touch.
    """
    side = max(views.shape)
    scale, finer = (min(1.0, most / side) for most in (_LONGEST, _LONGEST_AGAIN))
    found = _granulometry(measure_stain(views, scale))
    if 0 < found < _SMALLEST <= found * finer / scale:
        scale = finer
        found = _granulometry(measure_stain(views, scale))
    return found / scale


def _granulometry(stain: Stain) -> float:
    density = cv2.GaussianBlur(stain.density[..., 1], (0, 0), 1)
    inside = stain.field > 0
    level = stain_threshold(density[inside])
    if level is None:
        return 0.0
    stained = ((density > level) & inside).astype(np.uint8)
    # The size of holes is not known yet, but gaps between cells are not convex.
    stained = fill_pale_centers(
        stained, density / (2 * level), _LARGEST_CELL * stained.size
    )
    # Cells continue beyond the border.
    border = cv2.copyMakeBorder(stained, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    depth = cv2.distanceTransform(border, cv2.DIST_L2, 5)[1:-1, 1:-1]
    radii = [2.0]
    while radii[-1] < depth.max():
        radii.append(radii[-1] * _STEP)

    @cache
    def left(number: int) -> int:
        """Return the number of pixels after an opening."""
        radius = radii[number]
        shallow = (depth < radius).astype(np.uint8)
        if shallow.all():
            return 0
        to_core = cv2.distanceTransform(shallow, cv2.DIST_L2, 5)
        return int(np.count_nonzero((to_core < radius) & (stained > 0)))

    best = _fastest_loss(left, np.array(radii))
    # Midpoint between this radius and the next.
    return 0.0 if best is None else float(2 * radii[best] * np.sqrt(_STEP))


def _fastest_loss(left: Callable[[int], int], radii: NDArray[Any]) -> int | None:
    """Return the radius at which openings remove most area per pixel of radius.

    The remaining area decreases with the radius, so the areas at two radii bound the
    loss at all radii between them. Most radii need not be computed.
    """
    last = len(radii) - 1
    if last < 1:
        return None
    places = np.arange(last)
    # The loss at a radius is smoothed over neighboring radii.
    before = np.maximum(places - 1, 0) // _JUMP * _JUMP
    after = np.minimum(-(-(places + 2) // _JUMP) * _JUMP, last)
    most = np.array([left(a) - left(b) for a, b in zip(before, after, strict=True)])
    most = most / radii[:-1]
    best, highest = None, -1.0
    for place in np.argsort(-most, kind="stable"):
        if most[place] <= highest:
            break
        losses = [
            weight * (left(near) - left(near + 1))
            for near, weight in ((place - 1, 0.5), (place, 1.0), (place + 1, 0.5))
            if 0 <= near < last
        ]
        loss = sum(losses) / radii[place]
        if loss > highest:
            best, highest = int(place), loss
    return best
