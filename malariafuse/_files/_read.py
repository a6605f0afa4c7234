"""Reading of many image files in parallel threads."""

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from malariafuse._files._damage import RefusedImageError, UnopenedImageError
from malariafuse._files._decode import MAX_BYTES
from malariafuse._files._resize import resize_image
from malariafuse._shown import short_text

# Small enough for a smooth progress bar and little memory in flight, large enough for
# the overhead of a task (about 0.2 ms) to vanish.
_BLOCK = 64
_SHOWN = 20
_PIECE = 2**20
_OPEN_FLAGS = (
    os.O_RDONLY
    # A pipe that takes the file's place after it was looked at must not hang the call.
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_BINARY", 0)
)
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}

Key = TypeVar("Key", str, int)


class ImageReadError(ValueError):
    """Error for images that cannot be read.

    It is raised once for all images of a call.

    Parameters
    ----------
    refused : dict of str to str
        Reason by name of each rejected image. The name is the path of a file, or the
        position of an image without a path, such as ``X[3]``.

    Attributes
    ----------
    refused : dict of str to str
        Reason by name of each rejected image. The error message counts all images and
        shows the first 20. It truncates long names and quotes unprintable names.

    See Also
    --------
    load_cell_images : Load images of cells.

    Examples
    --------
    >>> from malariafuse.datasets import ImageReadError
    >>> error = ImageReadError({"cell_1.png": "truncated PNG: its end is missing"})
    >>> print(error)
    1 image(s) cannot be read:
      cell_1.png: truncated PNG: its end is missing
    >>> list(error.refused)
    ['cell_1.png']
    """

    def __init__(self, refused: dict[str, str]) -> None:
        # All arguments are passed to the base class, so that the exception can be
        # pickled.
        super().__init__(refused)
        self.refused = refused

    def __str__(self) -> str:
        return describe_refused(self.refused)


def describe_refused(refused: dict[str, str]) -> str:
    """Return a message with the number of rejected images and the first names."""
    shown = [
        f"  {short_text(name)}: {short_text(why)}"
        for name, why in list(refused.items())[:_SHOWN]
    ]
    if len(refused) > _SHOWN:
        shown.append(f"  ... and {len(refused) - _SHOWN} more, in `refused`")
    return "\n".join([f"{len(refused)} image(s) cannot be read:", *shown])


@dataclass
class CellIndex:
    """Names of the images of an array, rejected files, and duplicates.

    Attributes
    ----------
    filenames : list of str
        Files of the images, in order.
    refused : dict of str to str
        Reason by name of each file that could not be read.
    same_file, same_pixels : list of list of int
        Sets of positions of images with equal files or equal pixels.
    unopened : list of str
        Rejected files that could not be read from disk, whose contents are unknown.
    """

    filenames: list[str]
    refused: dict[str, str]
    same_file: list[list[int]]
    same_pixels: list[list[int]]
    unopened: list[str] = field(default_factory=list)


def read_file(path: str) -> bytes:
    """Return the content of a regular file, small enough to be an image of a cell."""
    try:
        # Looked at before it is opened: opening a device may already change it.
        _check_regular(os.stat(path))
        descriptor = os.open(path, _OPEN_FLAGS)
        try:
            _check_regular(os.fstat(descriptor))
            return read_bounded(partial(os.read, descriptor))
        finally:
            os.close(descriptor)
    except RefusedImageError:
        raise
    except OSError as error:
        raise UnopenedImageError(error.strerror or str(error)) from error
    # NUL, or a surrogate that stands for no byte.
    except ValueError as error:
        raise RefusedImageError(f"is not a file name: {error}") from error


def _check_regular(status: os.stat_result) -> None:
    kind = stat.S_IFMT(status.st_mode)
    if kind != stat.S_IFREG:
        raise RefusedImageError(
            f"is {_KINDS.get(kind, 'not a file')}, expected a regular file"
        )


def read_bounded(read: Callable[[int], bytes]) -> bytes:
    """Return all bytes from `read`, or raise if there are too many.

    The size in the metadata of a file is not trusted.
    """
    pieces = []
    left = MAX_BYTES
    while piece := read(min(left + 1, _PIECE)):
        left -= len(piece)
        if left < 0:
            raise too_large()
        pieces.append(piece)
    return b"".join(pieces)


def too_large() -> RefusedImageError:
    """Return the reason for a file that is too large for an image of a cell."""
    return RefusedImageError(f"is larger than {MAX_BYTES:,} bytes")


def read_images(
    keys: Sequence[Key],
    load: Callable[[Key], NDArray[np.uint8]],
    *,
    image_size: tuple[int, int],
    keep_aspect: bool,
    n_jobs: int | None,
) -> Iterator[tuple[NDArray[np.uint8], dict[Key, str]]]:
    """Yield the images of `keys` in order, in blocks.

    `load` gives the pixels of one image. A block is the images that could be loaded,
    (n, height, width, 3), and the others' keys with the reasons.
    """

    def read_block(start: int) -> tuple[NDArray[np.uint8], dict[Key, str]]:
        images, refused = [], {}
        for key in keys[start : start + _BLOCK]:
            try:
                image = load(key)
            except RefusedImageError as error:
                refused[key] = str(error)
            else:
                images.append(resize_image(image, image_size, keep_aspect=keep_aspect))
        return np.array(images, np.uint8).reshape(-1, *image_size, 3), refused

    # Threads, whatever backend is in force: decoding and resizing release the
    # interpreter's lock, and processes would have to send the images back.
    parallel = Parallel(n_jobs=n_jobs, require="sharedmem", return_as="generator")
    return parallel(delayed(read_block)(start) for start in range(0, len(keys), _BLOCK))
