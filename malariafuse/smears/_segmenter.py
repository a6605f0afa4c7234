"""From a photograph to a label image of its cells."""

from typing import Any, ClassVar, Self

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags

from malariafuse._parameters import Integers, Nothing, Reals, Rules, check_parameters
from malariafuse.smears._diameter import estimate_diameter
from malariafuse.smears._foreground import find_foreground
from malariafuse.smears._photo import check_photo
from malariafuse.smears._split import split_cells
from malariafuse.smears._stain import measure_stain
from malariafuse.smears._white import find_white_cells, join_white_cells

_SMALLEST_CELL = 0.04  # of the area of a disk of the diameter
_LARGEST_SCALE = 3.0


class CellSegmenter(TransformerMixin, BaseEstimator):
    """Find the cells in a photograph of a thin smear.
    """

    _parameter_rules: ClassVar[Rules] = {
        "diameter": (Nothing(), Reals(4, 4096)),
        "resolution": (Integers(16, 256),),
    }

    def __init__(
        self, diameter: float | None = None, *, resolution: int = 44
    ) -> None:
        self.diameter = diameter
        self.resolution = resolution

    def fit(self, X: Any = None, y: object = None) -> Self:
        check_parameters(self)
        return self

    def segment(self, photo: ArrayLike) -> NDArray[np.int32]:
        check_parameters(self)
        photo = check_photo(photo)
        shape = photo.shape[:2]
        diameter = self.diameter or estimate_diameter(photo)
        if diameter <= 0:
            return np.zeros(shape, dtype=np.int32)
        scale = min(self.resolution / diameter, _LARGEST_SCALE)
        stain = measure_stain(photo, scale)
        foreground = find_foreground(stain, diameter * scale)
        if foreground is None or not foreground.cores.any():
            return np.zeros(shape, dtype=np.int32)
        labels = split_cells(foreground, diameter * scale)
        zones = find_white_cells(stain, foreground.cells > 0, diameter * scale)
        labels = join_white_cells(labels, zones)
        least = _SMALLEST_CELL * np.pi / 4 * (diameter * scale) ** 2
        return _enlarge(labels, shape, least)

    def transform(self, X: Any) -> list[NDArray[np.int32]]:
        return [self.segment(photo) for photo in X]

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags


def _enlarge(
    labels: NDArray[np.int32], shape: tuple[int, ...], least: float
) -> NDArray[np.int32]:
    """Return labels at the size of the photograph, with smooth outlines, from 1 on."""
    areas = np.bincount(labels.ravel())
    down, across = (large / small for large, small in zip(shape, labels.shape))
    large = np.zeros(shape, dtype=np.int32)
    number = 0
    for label, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None or areas[label] < least:
            continue
        y, x = (
            slice(max(side.start - 1, 0), min(side.stop + 1, size))
            for side, size in zip(box, labels.shape)
        )
        top, bottom = round(y.start * down), round(y.stop * down)
        left, right = round(x.start * across), round(x.stop * across)
        mask = (labels[y, x] == label).astype(np.uint8) * np.uint8(255)
        mask = cv2.resize(
            mask, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR
        )
        number += 1
        part = large[top:bottom, left:right]
        part[(mask >= 128) & (part == 0)] = number
    return large
