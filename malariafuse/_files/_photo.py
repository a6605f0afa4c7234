"""Decoding of a photograph of a smear to an RGB array."""

import io

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from malariafuse._files._damage import RefusedImageError, check_jpeg
from malariafuse._files._decode import (
    FORMATS,
    check_damage,
    check_kind,
    refusing_what_pillow_refuses,
    to_rgb,
)

MAX_PIXELS = 80_000_000
"""The largest photograph that is read, in pixels."""

_MIN_SIDE = 64
_REDUCED = 8  # JPEG decodes an eighth of the size from the same data in less time


def decode_photo(data: bytes, *, upright: bool) -> NDArray[np.uint8]:
    """Decode a BMP, JPEG, PNG or TIFF file to an RGB array (height, width, 3).

    Parameters
    ----------
    data : bytes
        The file.
    upright : bool
        Whether to rotate the photograph by its EXIF orientation. If False, pixels are
        in the order of the file.
    """
    if not data:
        raise RefusedImageError("is empty")
    with (
        refusing_what_pillow_refuses(),
        Image.open(io.BytesIO(data), formats=FORMATS) as opened,
    ):
        _check_size(*opened.size)
        check_kind(opened)
        if opened.format == "JPEG":
            check_jpeg(data, lambda: _reduced(data), _reduced)
            pixels = _decode_jpeg(data)
        else:
            check_damage(opened, data)
            pixels = to_rgb(opened)
        if not upright:
            return pixels
        stored = Image.fromarray(pixels)
        stored.getexif().update(opened.getexif())
        return np.array(ImageOps.exif_transpose(stored))


def _decode_jpeg(data: bytes) -> NDArray[np.uint8]:
    """Decode with OpenCV, twice as fast as Pillow and with the same pixels."""
    pixels = cv2.imdecode(
        np.frombuffer(data, np.uint8),
        cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION,
    )
    if pixels is None:
        raise RefusedImageError("damaged JPEG: its pixels cannot be decoded")
    return pixels  # type: ignore[return-value]


def _reduced(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
        size = max(1, image.width // _REDUCED), max(1, image.height // _REDUCED)
        image.draft(image.mode, size)
        return image.tobytes()


def _check_size(width: int, height: int) -> None:
    if min(width, height) < _MIN_SIDE:
        raise RefusedImageError(
            f"has {height} x {width} pixels, expected at least {_MIN_SIDE} x "
            f"{_MIN_SIDE} for a photograph of a smear"
        )
    if width * height > MAX_PIXELS:
        raise RefusedImageError(
            f"has {height} x {width} pixels, expected at most {MAX_PIXELS:,}. Save it "
            "at half the size, or in parts"
        )
