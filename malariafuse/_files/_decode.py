"""Decoding of an image file to an RGB array."""

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from malariafuse._files._damage import (
    PNG_SIGNATURE,
    RefusedImageError,
    check_bmp,
    check_jpeg,
    check_png,
    check_tiff,
)

MAX_BYTES = 2**26
"""The largest file that is read: a cell crop has some 10 KB."""

_MAX_PIXELS = 4096 * 4096
_MIN_SIDE = 4
FORMATS = ("BMP", "JPEG", "PNG", "TIFF")
# With any other chunk (transparency, animation, orientation, ...) the pixels may need
# more than decoding, which Pillow tells apart and OpenCV does not.
_PLAIN_CHUNKS = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tIME", b"pHYs"}
_PLAIN_COLOR_TYPES = {0, 2, 3}  # gray, RGB, palette
_GREY_MODES = {"1", "L", "LA"}
_COLOR_MODES = {"P", "PA", "RGB", "RGBA"}
_TIFF_BITS_PER_SAMPLE = 258


def decode_image(data: bytes) -> NDArray[np.uint8]:
    """Decode a BMP, JPEG, PNG or TIFF file to an RGB array (height, width, 3).

    Plain PNG files, the usual format of cell images, are decoded by OpenCV, which is
    faster. Other files are decoded by Pillow, which has more metadata.
    """
    if not data:
        raise RefusedImageError("is empty")
    if data.startswith(PNG_SIGNATURE):
        kinds = check_png(data)
        width, height, depth, color_type = struct.unpack_from(">IIBB", data, 16)
        check_size(width, height)
        if depth == 16:
            raise _sixteen_bit()
        if depth == 8 and color_type in _PLAIN_COLOR_TYPES and kinds <= _PLAIN_CHUNKS:
            try:
                image = cv2.imdecode(
                    np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB
                )
            except cv2.error as error:
                raise RefusedImageError(f"cannot be decoded: {error.err}") from error
            if image is None:
                raise RefusedImageError("damaged PNG: its pixels cannot be decoded")
            return image  # type: ignore[return-value]
    with (
        refusing_what_pillow_refuses(),
        Image.open(io.BytesIO(data), formats=FORMATS) as opened,
    ):
        check_size(*opened.size)
        check_kind(opened)
        check_damage(opened, data)
        return _upright_rgb(opened)


def convert_image(image: Image.Image) -> NDArray[np.uint8]:
    """Convert an image that Pillow holds as one that is decoded from a file."""
    with refusing_what_pillow_refuses():
        check_size(*image.size)
        check_kind(image)
        return _upright_rgb(image)


def _upright_rgb(image: Image.Image) -> NDArray[np.uint8]:
    return to_rgb(ImageOps.exif_transpose(image))


def to_rgb(image: Image.Image) -> NDArray[np.uint8]:
    """Return the pixels in RGB, composited on black if transparent."""
    if image.has_transparency_data:
        return _on_black(np.asarray(image.convert("RGBA")))
    return np.array(image.convert("RGB"))


@contextmanager
def refusing_what_pillow_refuses() -> Iterator[None]:
    """Raise RefusedImageError in place of whatever Pillow raises."""
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        raise ValueError(
            "PIL.ImageFile.LOAD_TRUNCATED_IMAGES is True: Pillow would accept damaged "
            "files. Set it to False."
        )
    try:
        yield
    except RefusedImageError:
        raise
    except UnidentifiedImageError:
        raise RefusedImageError(f"not a {', '.join(FORMATS)} image") from None
    # Pillow promises no set of exceptions for damaged files: OSError, SyntaxError,
    # struct.error, DecompressionBombError and more have been seen.
    except Exception as error:
        raise RefusedImageError(f"cannot be decoded: {error}") from error


def check_damage(image: ImageFile.ImageFile, data: bytes) -> None:
    """Reject a file with detectable damage."""
    match image.format:
        case "JPEG":
            check_jpeg(data, image.tobytes, _decode_jpeg)
        case "BMP":
            check_bmp(data)
        case "TIFF":
            check_tiff(data, image.tag_v2)  # type: ignore[attr-defined]


def _decode_jpeg(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
        return image.tobytes()


def check_kind(image: Image.Image) -> None:
    """Reject multiple images, and modes without a unique conversion to 8-bit RGB."""
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        raise RefusedImageError(f"animated or multi-page: it has {frames} images")
    bits = getattr(image, "tag_v2", {}).get(_TIFF_BITS_PER_SAMPLE, (8,))
    if image.mode.startswith(("I", "F")) or max(bits) > 8:
        raise _sixteen_bit()
    if image.mode not in _GREY_MODES | _COLOR_MODES:
        raise RefusedImageError(
            f"has color mode {image.mode}, whose conversion to RGB depends on a color "
            "profile. Save it as RGB"
        )


def check_size(width: int, height: int) -> None:
    """Reject images with too few or too many pixels for a cell."""
    if min(width, height) < _MIN_SIDE:
        raise RefusedImageError(
            f"has {height} x {width} pixels, expected at least {_MIN_SIDE} x "
            f"{_MIN_SIDE}"
        )
    if width * height > _MAX_PIXELS:
        raise RefusedImageError(
            f"has {height} x {width} pixels, more than {_MAX_PIXELS:,}: a "
            "decompression bomb or a whole smear"
        )


def _sixteen_bit() -> RefusedImageError:
    return RefusedImageError(
        "has more than 8 bits per channel, and the value of white depends on the "
        "camera. Save it with 8 bits"
    )


def _on_black(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Composite RGBA on black, the background of NIH crops: round(RGB * A / 255)."""
    color, alpha = image[..., :3].astype(np.uint32), image[..., 3:]
    return ((color * alpha + 127) // 255).astype(np.uint8)
