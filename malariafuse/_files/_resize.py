"""Resizing of images."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from malariafuse._parameters import ImageSizes, check_parameter


def check_image_size(image_size: Any) -> tuple[int, int]:
    """Return `image_size` as (height, width), or raise if it is invalid."""
    check_parameter("image_size", image_size, (ImageSizes(),))
    return int(image_size[0]), int(image_size[1])


def resize_image(
    image: NDArray[np.uint8], size: tuple[int, int], *, keep_aspect: bool
) -> NDArray[np.uint8]:
    """Resize to (height, width), with `keep_aspect` centered on black."""
    if not keep_aspect:
        return _stretch(image, size)
    scale = min(size[0] / image.shape[0], size[1] / image.shape[1])
    height = max(1, round(image.shape[0] * scale))
    width = max(1, round(image.shape[1] * scale))
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    canvas = np.zeros((*size, 3), dtype=np.uint8)
    canvas[top : top + height, left : left + width] = _stretch(image, (height, width))
    return canvas


def _stretch(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Downscale by area averaging, upscale by linear interpolation.

    Averaging uses every source pixel, so that a ring form of a few pixels cannot be
    lost. OpenCV averages only if no side is upscaled, so there are two steps.
    """
    smaller = min(size[0], image.shape[0]), min(size[1], image.shape[1])
    if smaller != image.shape[:2]:
        image = cv2.resize(image, smaller[::-1], interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    if smaller != size:
        image = cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR)  # type: ignore[assignment]
    return image
