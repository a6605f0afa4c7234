"""Segmentation of the cell in a crop on black."""

from dataclasses import dataclass
from functools import cached_property
from math import pi, sqrt

import cv2
import numpy as np
from numpy.typing import NDArray

# Maximum value of the black background, of 255. Dark chromatin is far above.
_BLACK = 10
# Minimum number of pixels of a cell.
_SMALLEST = 30


@dataclass(frozen=True)
class Cell:
    """Largest region on the black background.

    Attributes
    ----------
    mask : ndarray of shape (height, width), uint8
        Mask of the cell: 1 within the outline.
    outline : ndarray of shape (n_points, 2), int32
        Pixels of the outline, x before y.
    lit : ndarray of shape (height, width), uint8
        Mask of all pixels that are not black, including debris and without holes.
    """

    mask: NDArray[np.uint8]
    outline: NDArray[np.int32]
    lit: NDArray[np.uint8]

    @cached_property
    def area(self) -> int:
        """Number of pixels inside the outline."""
        return cv2.countNonZero(self.mask)

    @cached_property
    def radius(self) -> float:
        """Radius in pixels of a disk of the same area."""
        return sqrt(self.area / pi)


def find_cell(image: NDArray[np.float32]) -> Cell | None:
    """Return the cell of an image in 0..255, or None if there is none."""
    black = cv2.inRange(image, (-1.0,) * 3, (float(_BLACK),) * 3)
    lit = (black == 0).view(np.uint8)
    outlines, _ = cv2.findContours(lit, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not outlines:
        return None
    largest = max(outlines, key=cv2.contourArea)
    # OpenCV draws only into contiguous memory, but the image may not be contiguous.
    mask = np.zeros(lit.shape, dtype=np.uint8)
    cv2.drawContours(mask, [largest], -1, 1, cv2.FILLED)
    if cv2.countNonZero(mask) < _SMALLEST:
        return None
    return Cell(mask, largest.reshape(-1, 2), lit)
