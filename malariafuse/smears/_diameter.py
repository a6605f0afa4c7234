"""The diameter of the red cells in a photograph."""

import cv2
import numpy as np

from malariafuse.smears._foreground import fill_pale_centers
from malariafuse.smears._stain import Stain, measure_stain, stain_threshold
from malariafuse.smears._views import Views

_LONGEST = 1000  # pixels of the longer side of what is measured
_SMALLEST = 14.0  # pixels of a diameter that is measured well
_LONGEST_AGAIN = 2000  # where cells are smaller
_STEP = 1.12  # from one radius to the next
_LARGEST_CELL = 0.05  # of the photograph


def estimate_diameter(views: Views) -> float:
    """Return the typical diameter of the cells in pixels, 0 without any.

    Openings by disks of growing radius take away more of the stained area, and most of
    it at the radius of the cells (granulometry), whether or not these touch.
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
    # Their size is not known yet, but gaps between cells are not convex.
    stained = fill_pale_centers(
        stained, density / (2 * level), _LARGEST_CELL * stained.size
    )
    # Cells go on beyond the border.
    border = cv2.copyMakeBorder(stained, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    depth = cv2.distanceTransform(border, cv2.DIST_L2, 5)[1:-1, 1:-1]
    radii = [2.0]
    while radii[-1] < depth.max():
        radii.append(radii[-1] * _STEP)
    left = []
    for radius in radii:
        shallow = (depth < radius).astype(np.uint8)
        if shallow.all():
            left.append(0)
            continue
        to_core = cv2.distanceTransform(shallow, cv2.DIST_L2, 5)
        left.append(int(((to_core < radius) & (stained > 0)).sum()))
    lost = -np.diff(left)
    if not lost.size:
        return 0.0
    # Of each pixel of radius: the radii grow by a factor, and large clumps are few.
    smooth = np.convolve(lost, [0.5, 1, 0.5], "same") / radii[:-1]
    # The middle between this radius and the next.
    return float(2 * radii[int(smooth.argmax())] * np.sqrt(_STEP))
