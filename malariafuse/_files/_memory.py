"""Decoding of an image in memory or of an open file to an RGB array."""

from threading import Lock
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from malariafuse._files._damage import RefusedImageError, UnopenedImageError
from malariafuse._files._decode import MAX_BYTES, convert_image, decode_image
from malariafuse._files._read import read_bounded, too_large

_TEXT = "is open in text mode, expected mode='rb'"

Encoded = bytes | bytearray | memoryview


class OpenFile(Protocol):
    """Protocol of open binary files."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes, and none at the end."""


def decode_bytes(data: Encoded) -> NDArray[np.uint8]:
    """Decode the contents of a file."""
    return decode_image(read_bytes(data))


def read_bytes(data: Encoded) -> bytes:
    """Return the contents of a file in memory, if it is not too large."""
    try:
        size = memoryview(data).nbytes
    except ValueError as error:
        raise RefusedImageError(f"cannot be read: {error}") from error
    if size > MAX_BYTES:
        raise too_large()
    return bytes(data)


def decode_open_file(file: OpenFile, lock: Lock) -> NDArray[np.uint8]:
    """Decode a file from its beginning, and leave it at the position where it was.

    A file that is not seekable is read from its current position. `lock` guards against
    other threads that read the same file.
    """
    return decode_image(read_open_file(file, lock))


def read_open_file(file: OpenFile, lock: Lock) -> bytes:
    """Return the content of a file, and leave it at the position where it was."""
    with lock:
        return _content(file)


def convert_open_image(image: Image.Image, lock: Lock) -> NDArray[np.uint8]:
    """Convert an image of Pillow, which may still have to read its file."""
    with lock:
        return convert_image(image)


def _content(file: Any) -> bytes:
    def read(size: int) -> bytes:
        piece = file.read(size)
        if isinstance(piece, str):
            raise RefusedImageError(_TEXT)
        if not isinstance(piece, Encoded):
            raise RefusedImageError(
                f"returns {type(piece).__name__}, not bytes, when it is read"
            )
        return bytes(piece)

    try:
        if getattr(file, "closed", False) is True:
            raise RefusedImageError("is a closed file")
        if not (hasattr(file, "seekable") and file.seekable()):
            return read_bounded(read)
        position = file.tell()
        file.seek(0)
        try:
            return read_bounded(read)
        finally:
            file.seek(position)
    except RefusedImageError:
        raise
    except UnicodeDecodeError:
        raise RefusedImageError(_TEXT) from None
    # Files of other packages promise no set of exceptions.
    except Exception as error:
        raise UnopenedImageError(f"cannot be read: {error}") from error
