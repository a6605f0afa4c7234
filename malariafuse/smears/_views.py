"""One photograph at many sizes."""

from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from malariafuse.smears._field import field_of, thumbnail_size, window_of

Bytes = NDArray[np.uint8]

_SMALLEST_SIDE = 8


class Views:
    """Photograph with cached resized versions.

    Area averages are computed from the smallest sufficient half-size version, which is
    necessary for photographs of 16 million pixels.

    Parameters
    ----------
    photo : ndarray of shape (height, width, 3), uint8
    """

    def __init__(self, photo: Bytes) -> None:
        self.photo = photo
        self._halves = [photo]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the photograph."""
        return self.photo.shape[:2]

    def at(self, scale: float) -> Bytes:
        """Return the photograph at `scale` times its size."""
        height, width = self.shape
        return self.sized(
            max(_SMALLEST_SIDE, round(width * scale)),
            max(_SMALLEST_SIDE, round(height * scale)),
        )

    def sized(self, width: int, height: int) -> Bytes:
        """Return the photograph at a size."""
        base, level = self.photo, 1
        while base.shape[0] >= 2 * height and base.shape[1] >= 2 * width:
            base, level = self._half(level), level + 1
        how = cv2.INTER_AREA if height < base.shape[0] else cv2.INTER_LINEAR
        return cv2.resize(base, (width, height), interpolation=how)  # type: ignore[return-value]

    @cached_property
    def thumbnail(self) -> Bytes:
        """Thumbnail mask of the field."""
        return field_of(self.sized(*thumbnail_size(self.shape)))

    @cached_property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the field, as slices."""
        return window_of(self.thumbnail, self.shape)

    @cached_property
    def inner(self) -> "Views":
        """Views of the photograph, cropped to the field."""
        part = self.photo[self.window]
        if part.shape == self.photo.shape:
            return self
        return Views(part)

    def _half(self, level: int) -> Bytes:
        if len(self._halves) == level:
            last = self._halves[-1]
            size = last.shape[1] // 2, last.shape[0] // 2
            half = cv2.resize(last, size, interpolation=cv2.INTER_AREA)
            self._halves.append(half)  # type: ignore[arg-type]
        return self._halves[level]
