"""Many image files to arrays of images, in parallel threads."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from malariafuse._files._decode import MAX_BYTES, RefusedImageError, decode_image
from malariafuse._files._resize import resize_image

# Small enough for a smooth progress bar and little memory in flight, large enough for
# the overhead of a task (about 0.2 ms) to vanish.
_BLOCK = 64
_SHOWN = 20

Block = tuple[NDArray[np.uint8], dict[str, str]]


class ImageReadError(ValueError):
    """Some image files could not be read as images of cells.

    Raised once for all files of a call.

    Parameters
    ----------
    refused : dict of str to str
        The names of the files, each with the reason why it was refused.

    Attributes
    ----------
    refused : dict of str to str
        As given; the message counts all files and shows the first 20.

    See Also
    --------
    load_cell_images : Raises this error unless ``on_error="skip"``.

    Examples
    --------
    >>> from malariafuse.datasets import ImageReadError
    >>> error = ImageReadError({"cell_1.png": "truncated PNG: its end is missing"})
    >>> print(error)
    1 image file(s) cannot be read:
      cell_1.png: truncated PNG: its end is missing
    >>> list(error.refused)
    ['cell_1.png']
    """

    def __init__(self, refused: dict[str, str]) -> None:
        # All arguments go to the base class: that is what makes an exception pickle.
        super().__init__(refused)
        self.refused = refused

    def __str__(self) -> str:
        return describe_refused(self.refused)


def describe_refused(refused: dict[str, str]) -> str:
    """Count the refused files and name the first ones, with reasons."""
    shown = [f"  {name}: {why}" for name, why in list(refused.items())[:_SHOWN]]
    if len(refused) > _SHOWN:
        shown.append(f"  ... and {len(refused) - _SHOWN} more, in `refused`")
    return "\n".join([f"{len(refused)} image file(s) cannot be read:", *shown])


@dataclass
class CellIndex:
    """The name of each image of an array, the files that are not in, and duplicates.

    Attributes
    ----------
    filenames : list of str
        The files of the images, in their order.
    refused : dict of str to str
        The files that could not be read, with reasons.
    same_file, same_pixels : list of list of int
        The positions of images whose files, or whose pixels, are equal, in sets.
    """

    filenames: list[str]
    refused: dict[str, str]
    same_file: list[list[int]]
    same_pixels: list[list[int]]


def read_file(path: str) -> bytes:
    """Return the content of a file that is small enough to be an image of a cell."""
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise RefusedImageError(error.strerror or str(error)) from error
    if len(data) > MAX_BYTES:
        raise RefusedImageError(f"is larger than {MAX_BYTES:,} bytes")
    return data


def read_images(
    names: Sequence[str],
    read: Callable[[str], bytes],
    *,
    image_size: tuple[int, int],
    keep_aspect: bool,
    n_jobs: int | None,
) -> Iterator[Block]:
    """Yield the images of `names` in order, block by block.

    `read` gives the content of one file. A block is the images that could be read,
    (n, height, width, 3), and the others' names with the reasons.
    """

    def read_block(start: int) -> Block:
        block = names[start : start + _BLOCK]
        images, refused = [], {}
        for name in block:
            try:
                image = decode_image(read(name))
            except RefusedImageError as error:
                refused[name] = str(error)
            else:
                images.append(resize_image(image, image_size, keep_aspect=keep_aspect))
        return np.array(images, np.uint8).reshape(-1, *image_size, 3), refused

    # Threads, whatever backend is in force: decoding and resizing release the
    # interpreter's lock, and processes would have to send the images back.
    parallel = Parallel(n_jobs=n_jobs, require="sharedmem", return_as="generator")
    blocks: Iterator[Block] = parallel(
        delayed(read_block)(start) for start in range(0, len(names), _BLOCK)
    )
    return blocks
