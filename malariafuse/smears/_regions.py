"""Regions of a label image: watershed, adjacency and convex hulls."""

from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int32]
Floats = NDArray[np.float32]

_NEIGHBORS = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)]


class Union:
    """Disjoint sets (union-find)."""

    def __init__(self, size: int) -> None:
        self._parents = list(range(size))

    def find(self, element: int) -> int:
        """Return the representative of the set of an element."""
        parents = self._parents
        while parents[element] != element:
            parents[element] = parents[parents[element]]
            element = parents[element]
        return element

    def join(self, kept: int, other: int) -> None:
        """Join two sets by their representatives. The first one remains."""
        self._parents[other] = kept


def find_hills(surface: Floats, mask: NDArray[np.bool_]) -> tuple[Labels, Floats]:
    """Assign each pixel of a mask to a summit by steepest ascent.

    Returns
    -------
    labels : ndarray of shape (height, width), int32
        Hill of each pixel, from 1, and 0 outside the mask.
    summits : ndarray of shape (n_hills + 1,), float32
        Height of each hill. The height of label 0 is 0.
    """
    height, width = surface.shape
    inside = np.where(mask, surface, np.float32(-1))
    framed = cv2.copyMakeBorder(inside, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=-2)
    best = inside.copy()
    step = np.zeros((height, width), dtype=np.int32)
    for y, x in _NEIGHBORS:
        neighbor = framed[1 + y : 1 + y + height, 1 + x : 1 + x + width]
        higher = neighbor > best
        np.copyto(best, neighbor, where=higher)
        step[higher] = y * width + x
    pixels = np.flatnonzero(mask)
    place = np.zeros(height * width, dtype=np.int32)
    place[pixels] = np.arange(len(pixels), dtype=np.int32)
    upward = place[pixels + step.ravel()[pixels]]
    while True:
        further = upward[upward]
        if (further == upward).all():
            break
        upward = further
    is_summit = np.zeros(len(pixels), dtype=bool)
    is_summit[upward] = True
    number = np.cumsum(is_summit, dtype=np.int32)
    labels = np.zeros(height * width, dtype=np.int32)
    labels[pixels] = number[upward]
    heights = inside.ravel()[pixels[is_summit]]
    return labels.reshape(height, width), np.concatenate([[0], heights])


def find_passes(labels: Labels, surface: Floats) -> tuple[Labels, Labels, Floats]:
    """Return pairs of touching labels, and the highest pass between each pair."""
    ones, others, heights = [], [], []
    for a, b in (
        (np.s_[:, :-1], np.s_[:, 1:]),
        (np.s_[:-1], np.s_[1:]),
        (np.s_[:-1, :-1], np.s_[1:, 1:]),
        (np.s_[:-1, 1:], np.s_[1:, :-1]),
    ):
        one, other = labels[a], labels[b]
        touch = (one != other) & (one > 0) & (other > 0)
        one, other = one[touch], other[touch]
        ones.append(np.minimum(one, other))
        others.append(np.maximum(one, other))
        heights.append(np.minimum(surface[a][touch], surface[b][touch]))
    one, other, height = map(np.concatenate, (ones, others, heights))
    size = int(labels.max()) + 1
    pairs, inverse = np.unique(one.astype(np.int64) * size + other, return_inverse=True)
    highest = np.full(len(pairs), -1, dtype=np.float32)
    np.maximum.at(highest, inverse, height)
    return (pairs // size).astype(np.int32), (pairs % size).astype(np.int32), highest


def grow(labels: Labels, mask: NDArray[np.bool_], steps: int) -> Labels:
    """Dilate labels by some pixels within a mask."""
    grown = labels.astype(np.float32)  # dtype that OpenCV can dilate
    free = mask & (labels == 0)
    for _ in range(steps):
        wider = cv2.dilate(grown, np.ones((3, 3)))
        grown = np.where(free & (grown == 0), wider, grown)
    return grown.astype(np.int32)


def find_hulls(labels: Labels) -> list[NDArray[Any]]:
    """Return the convex hull of each label. The hull of label 0 is empty."""
    framed = np.pad(labels, ((0, 0), (1, 1)))
    ends = (framed[:, 1:-1] != framed[:, :-2]) | (framed[:, 1:-1] != framed[:, 2:])
    y, x = np.nonzero(ends & (labels > 0))
    of = labels[y, x]
    order = np.argsort(of, kind="stable")
    points = np.stack([x[order], y[order]], axis=1).astype(np.int32)
    starts = np.searchsorted(of[order], np.arange(1, int(labels.max()) + 2))
    hulls: list[NDArray[Any]] = [np.zeros((0, 2), dtype=np.int32)]
    for start, end in pairwise(starts):
        if start == end:
            hulls.append(hulls[0])
        else:
            hulls.append(cv2.convexHull(points[start:end])[:, 0])
    return hulls


def mask_hull(mask: NDArray[np.bool_]) -> NDArray[Any]:
    """Return the convex hull of a non-empty mask."""
    outlines, _ = cv2.findContours(
        mask.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    return cv2.convexHull(np.concatenate(outlines))[:, 0]


def hull_area(hull: NDArray[Any]) -> float:
    """Return the area of a hull whose corners are pixel centers."""
    return cv2.contourArea(hull) + cv2.arcLength(hull, True) / 2 + 1
