"""Regions of a photograph as masks in bounding boxes."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from malariafuse.smears._regions import hull_area, mask_hull


@dataclass(frozen=True)
class Region:
    """Region with a mask in its bounding box.

    Attributes
    ----------
    label : int
    x, y : int
        Top left corner of the box.
    mask : ndarray of shape (height, width), bool
    """

    label: int
    x: int
    y: int
    mask: NDArray[np.bool_]

    @property
    def box(self) -> tuple[slice, slice]:
        """Rows and columns of the box, as slices."""
        height, width = self.mask.shape
        return slice(self.y, self.y + height), slice(self.x, self.x + width)

    def solidity(self) -> float:
        """Return the area of the region divided by that of its convex hull."""
        return float(np.count_nonzero(self.mask) / hull_area(self._hull))

    def aspect(self) -> float:
        """Return the ratio of the sides of the minimum-area rectangle, at most 1."""
        sides = cv2.minAreaRect(self._hull)[1]
        # Measured between edges of pixels, not between their centers.
        return (min(sides) + 1) / (max(sides) + 1)

    @cached_property
    def _hull(self) -> NDArray[Any]:
        return mask_hull(self.mask)


def regions_of(labels: NDArray[np.int32]) -> list[Region]:
    """Return the regions of a label image in the order of their labels."""
    return [
        Region(label, box[1].start, box[0].start, labels[box] == label)
        for label, box in enumerate(ndimage.find_objects(labels), start=1)
        if box is not None
    ]


def paint(regions: Sequence[Region], labels: NDArray[np.int32]) -> None:
    """Draw the regions into a label image."""
    for region in regions:
        np.copyto(labels[region.box], region.label, where=region.mask)


def enlarge(
    labels: NDArray[np.int32],
    shape: tuple[int, int],
    offset: tuple[int, int],
    least: float,
) -> list[Region]:
    """Return labels at the size of the photograph, with smooth outlines, from 1.

    Parameters
    ----------
    labels : ndarray of shape (height, width), int32
    shape : tuple of int
        Height and width of the enlarged labels.
    offset : tuple of int
        Row and column of the photograph at which the labels begin.
    least : float
        Minimum number of pixels of a region in `labels`.
    """
    areas = np.bincount(labels.ravel())
    down, across = (
        large / small for large, small in zip(shape, labels.shape, strict=True)
    )
    taken = np.zeros(shape, dtype=bool)
    regions: list[Region] = []
    for label, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None or areas[label] < least:
            continue
        y, x = (
            slice(max(side.start - 1, 0), min(side.stop + 1, size))
            for side, size in zip(box, labels.shape, strict=True)
        )
        top, bottom = round(y.start * down), round(y.stop * down)
        left, right = round(x.start * across), round(x.stop * across)
        small = (labels[y, x] == label).astype(np.uint8) * np.uint8(255)
        size = right - left, bottom - top
        mask = cv2.resize(small, size, interpolation=cv2.INTER_LINEAR) >= 128
        part = taken[top:bottom, left:right]
        mask &= ~part
        rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
        if not rows.size:
            continue
        part |= mask
        tight = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        regions.append(
            Region(
                len(regions) + 1,
                offset[1] + left + int(columns[0]),
                offset[0] + top + int(rows[0]),
                np.ascontiguousarray(mask[tight]),
            )
        )
    return regions
