"""Separation of touching cells."""

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from malariafuse.smears._foreground import Foreground
from malariafuse.smears._regions import (
    Labels,
    Union,
    find_hills,
    find_hulls,
    find_passes,
    grow,
    hull_area,
)

# Lengths are in diameters, areas in areas of a disk of that diameter.
_SMOOTHING = 0.04
_ONE_HILL = 0.95  # of the lower summit: hills with a higher pass belong to one cell
_CLUMP = 1.7
_SOLID = 0.95
_LOWEST_SUMMIT = 0.2  # of a radius
_VALLEY = 0.08
_RIM = 0.1
# Ranges of size and shape of a single cell, and the decline of the score outside.
_SMALL, _LARGE = 0.6, 1.3
_SMALL_SPREAD, _LARGE_SPREAD = 0.35, 0.25  # of the logarithm
_CONVEX, _NOT_CONVEX = 0.95, 0.8
_NECK = 0.9


@dataclass
class _Node:
    """Candidate region of a cell: a hill, or two nodes merged over a pass.

    The score is that of the best cut. `is_whole` means that the best cut is the region
    itself.
    """

    area: float
    hull: NDArray[Any]
    radius: float
    neck: float = 1.0
    parts: "tuple[_Node, _Node] | None" = None
    leaf: int = 0
    score: float = 0.0
    is_whole: bool = True


def split_cells(foreground: Foreground, diameter: float) -> Labels:
    """Label the cells of the foreground, starting at 1.

    Hills of the distance from the plasma are merged in the order of the passes between
    them, which gives a tree of regions. The tree is cut into the regions that most
    resemble single cells, weighted by area.
    """
    area = math.pi / 4 * diameter**2
    cells, nodes = _cut(foreground.cells, foreground.cores, diameter)
    clump = np.array([False, *(_is_clump(node, area) for node in nodes)])
    if clump.any():
        within = clump[cells].astype(np.uint8)
        finer, _ = _cut(
            foreground.cells & within,
            foreground.fine_cores & within,
            diameter,
        )
        cells = np.where(finer > 0, finer + len(nodes), cells)
        # Pixels of a clump that are not in the finer cores belong to its parts.
        cells[(within > 0) & (finer == 0)] = 0
    return grow(cells, foreground.outer, round(_RIM * diameter))


def _cut(
    mask: NDArray[np.uint8], cores: NDArray[np.uint8], diameter: float
) -> tuple[Labels, list[_Node]]:
    """Label the best cut of a mask, and return its regions in order."""
    depth = cv2.distanceTransform(cores, cv2.DIST_L2, 5)
    surface = cv2.GaussianBlur(depth, (0, 0), _SMOOTHING * diameter) * (2 / diameter)
    hills, summits = find_hills(surface, cores > 0)
    hills, summits = _join_shallow(hills, summits, surface)
    hills = grow(hills, mask > 0, int(_VALLEY * diameter) + 1)
    depth = cv2.distanceTransform(mask, cv2.DIST_L2, 5)
    whole = cv2.GaussianBlur(depth, (0, 0), _SMOOTHING * diameter)
    area = math.pi / 4 * diameter**2
    roots = _join_by_passes(hills, summits, surface, whole, area)
    nodes = [node for root in roots for node in _best_cut(root)]
    number_of = np.zeros(len(summits), dtype=np.int32)
    for number, node in enumerate(nodes, start=1):
        number_of[_leaves(node)] = number
    return number_of[hills], nodes


def _is_clump(node: _Node, area: float) -> bool:
    return node.area > _CLUMP * area and node.area < _SOLID * hull_area(node.hull)


def _join_shallow(
    hills: Labels,
    summits: NDArray[np.float32],
    surface: NDArray[np.float32],
) -> tuple[Labels, NDArray[np.float32]]:
    """Merge hills whose pass is nearly as high as the lower summit, and low hills."""
    union = Union(len(summits))
    ones, others, passes = find_passes(hills, surface)
    for k in np.argsort(-passes):
        one, other = union.find(int(ones[k])), union.find(int(others[k]))
        if one == other:
            continue
        if summits[one] < summits[other]:
            one, other = other, one
        lower = summits[other]
        if passes[k] >= _ONE_HILL * lower or lower < _LOWEST_SUMMIT:
            union.join(one, other)
    kept, new = np.unique(
        [union.find(i) for i in range(len(summits))], return_inverse=True
    )
    return new.astype(np.int32)[hills], summits[kept]


def _join_by_passes(
    hills: Labels,
    summits: NDArray[np.float32],
    surface: NDArray[np.float32],
    whole: NDArray[Any],
    area: float,
) -> list[_Node]:
    """Return the roots of the tree of regions, merged over the highest passes.

    The order of passes is that of the surface. Necks are measured on `whole`, in which
    the texture of a parasite does not create necks.
    """
    areas = np.bincount(hills.ravel(), minlength=len(summits))
    hulls = find_hulls(hills)
    radii = np.zeros(len(summits), dtype=np.float32)
    np.maximum.at(radii, hills.ravel(), whole.ravel())
    top = [_Node(0, hulls[0], 0)]
    for leaf in range(1, len(summits)):
        node = _Node(float(areas[leaf]), hulls[leaf], float(radii[leaf]), leaf=leaf)
        node.score = _likeness(node, area) * node.area
        top.append(node)
    union = Union(len(summits))
    ones, others, passes = find_passes(hills, surface)
    widths = find_passes(hills, whole)[2]
    relative = passes / np.minimum(summits[ones], summits[others])
    for k in np.argsort(-relative):
        one, other = union.find(int(ones[k])), union.find(int(others[k]))
        if one == other:
            continue
        union.join(one, other)
        a, b = top[one], top[other]
        top[one] = _join(a, b, float(widths[k]), area)
    return [top[i] for i in range(1, len(summits)) if union.find(i) == i]


def _join(a: _Node, b: _Node, width: float, area: float) -> _Node:
    node = _Node(
        a.area + b.area,
        cv2.convexHull(np.concatenate([a.hull, b.hull]))[:, 0],
        max(a.radius, b.radius),
        min(a.neck, b.neck, width / max(min(a.radius, b.radius), 1e-6)),
        (a, b),
    )
    own, apart = _likeness(node, area) * node.area, a.score + b.score
    node.score, node.is_whole = max(own, apart), own >= apart
    return node


def _likeness(node: _Node, area: float) -> float:
    """Return the similarity of a region to a single cell, in [0, 1]."""
    size = math.log(max(node.area, 1) / area)
    below, above = math.log(_SMALL) - size, size - math.log(_LARGE)
    off = max(below / _SMALL_SPREAD, above / _LARGE_SPREAD, 0)
    solidity = node.area / hull_area(node.hull)
    convex = (solidity - _NOT_CONVEX) / (_CONVEX - _NOT_CONVEX)
    neck = min(1, node.neck / _NECK)
    return math.exp(-(off**2) / 2) * min(1, max(0, convex)) * neck


def _best_cut(root: _Node) -> list[_Node]:
    """Return the regions of the best cut of a tree."""
    cells, left = [], [root]
    while left:
        node = left.pop()
        if node.is_whole or node.parts is None:
            cells.append(node)
        else:
            left += node.parts
    return cells


def _leaves(root: _Node) -> list[int]:
    leaves, left = [], [root]
    while left:
        node = left.pop()
        if node.parts is None:
            leaves.append(node.leaf)
        else:
            left += node.parts
    return leaves
