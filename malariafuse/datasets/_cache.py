"""Decoded images on disk, to be memory-mapped by the next call."""

import json
import os
import shutil
import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from malariafuse._files._read import CellIndex

_IMAGES = "images.npy"
_INDEX = "index.json"


def read_entry(entry: Path) -> tuple[NDArray[np.uint8], CellIndex] | None:
    """Return the memory-mapped images and their index; None if there are none.

    An entry that is damaged is removed, with a warning.
    """
    if not entry.exists():
        return None
    try:
        index = json.loads((entry / _INDEX).read_text("utf-8"))
        if index.pop("stamp") != _stamp(entry / _IMAGES):
            raise ValueError(f"{_IMAGES} was changed after it had been written")
        images = np.load(entry / _IMAGES, mmap_mode="r")
        cells = CellIndex(**index)
        if len(images) != len(cells.filenames):
            raise ValueError("images and file names differ in number")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        warnings.warn(
            f"The cached images in {str(entry)!r} are damaged and are read again from "
            f"their files: {error}",
            UserWarning,
            stacklevel=4,
        )
        shutil.rmtree(entry)
        return None
    return images, cells


def write_entry(
    entry: Path,
    shape: tuple[int, ...],
    fill: Callable[[Callable[[NDArray[np.uint8]], None]], CellIndex],
) -> None:
    """Write an entry that appears at once and whole, or not at all.

    `fill` is called with a function that takes the images in order, block by block, and
    returns their index. If it raises, nothing is kept. `shape` is that of one image.
    """
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        scratch = TemporaryDirectory(dir=entry.parent, prefix="tmp-")
    except OSError as error:
        raise OSError(
            f"Cannot write to the cache folder {str(entry.parent)!r}: {error}. Name "
            "another one with `cache` or the environment variable MALARIAFUSE_DATA, or "
            "pass cache=False."
        ) from error
    with scratch as name:
        new = Path(name, entry.name)
        new.mkdir()
        with open(new / _IMAGES, "wb") as file:
            _write_header(file, (0, *shape))
            index = fill(lambda images: images.tofile(file))
            # numpy leaves room in a header for the first dimension to grow.
            file.seek(0)
            _write_header(file, (len(index.filenames), *shape))
            # Else a power cut may leave zeros under the right size and time.
            file.flush()
            os.fsync(file.fileno())
        stamp = _stamp(new / _IMAGES)
        (new / _INDEX).write_text(
            json.dumps({**asdict(index), "stamp": stamp}), "utf-8"
        )
        try:
            new.rename(entry)
        except OSError:
            # Another process was faster, with the same content.
            if not entry.is_dir():
                raise


def _write_header(file: IO[bytes], shape: tuple[int, ...]) -> None:
    npy.write_array_header_1_0(
        file, {"descr": "|u1", "fortran_order": False, "shape": shape}
    )


def _stamp(path: Path) -> list[int]:
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns]
