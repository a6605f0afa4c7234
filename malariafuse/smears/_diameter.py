"""The diameter of the red cells in a photograph."""

import cv2
import numpy as np
from numpy.typing import NDArray

from malariafuse.smears._foreground import fill_pale_centers
from malariafuse.smears._stain import Stain, measure_stain, stain_threshold

_LONGEST = 1000  # pixels of the longer side of what is measured
_SMALLEST = 14.0  # pixels of a diameter that is measured well
_LARGEST_SCALE = 2.0
_STEP = 1.12  # from one radius to the next
_LARGEST_CELL = 0.05  # of the photograph


def estimate_diameter(photo: NDArray[np.uint8]) -> float:
    """Return the typical diameter of the cells in pixels, 0 without any.

    Openings by disks of growing radius take away more of the stained area, and most of
    it at the radius of the cells (granulometry), whether or not these touch.
    """
    scale = min(1.0, _LONGEST / max(photo.shape[:2]))
    while True:
        found = _granulometry(measure_stain(photo, scale))
        if found >= _SMALLEST or found == 0 or scale >= _LARGEST_SCALE:
            return found / scale
        scale = min(2 * scale, _LARGEST_SCALE)


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
    smooth = np.convolve(lost, [0.5, 1, 0.5], "same")
    # The middle between this radius and the next.
    return float(2 * radii[int(smooth.argmax())] * np.sqrt(_STEP))
