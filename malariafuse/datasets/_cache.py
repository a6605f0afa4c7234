"""Decoded images on disk, to be memory-mapped by the next call."""

import errno
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from hashlib import file_digest
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from malariafuse._files._lock import locked, remove_free_locks
from malariafuse._files._read import CellIndex
from malariafuse._files._scratch import remove_abandoned, scratch_folder
from malariafuse._warn import warn

CELLS = "cells-"
"""What the names of entries begin with."""

_IMAGES = "images.npy"
_INDEX = "index.json"
_ATTEMPTS = 3
_LOCK_TIMEOUT = 600  # seconds; it is held while one entry is hashed

Cells = tuple[NDArray[np.uint8], CellIndex]


class _DamagedEntryError(Exception):
    """Why an entry is not what was written."""


def through_cache(
    entry: Path,
    shape: tuple[int, ...],
    fill: Callable[[Callable[[NDArray[np.uint8]], None]], CellIndex],
) -> Cells:
    """Return the memory-mapped images of an entry and their index.

    An entry that is not there is written. One that is damaged is written again, with a
    warning. Nothing is kept where files could not be opened, since the next call may
    open them; the images are then in memory.

    Parameters
    ----------
    entry : pathlib.Path
        The folder of the entry.
    shape : tuple of int
        Shape of one image.
    fill : callable
        Function that is called with a function that takes the images in order, block
        by block, and returns their index. If it raises, nothing is kept.
    """
    # Here, since what is found is not written again.
    remove_abandoned(entry.parent)
    remove_free_locks(entry.parent, f"{CELLS}*.lock")
    cells = _find_entry(entry)
    # More than once only if the entry is removed between being written and being read.
    for _ in range(_ATTEMPTS):
        if cells is not None:
            return cells
        cells = _write_entry(entry, shape, fill) or _find_entry(entry)
    if cells is None:
        raise OSError(
            f"The cached images in {str(entry)!r} were removed {_ATTEMPTS} times "
            f"before they could be read. {_way_out()}"
        )
    return cells


def _find_entry(entry: Path) -> Cells | None:
    """Return what an entry holds; None if there is none, or no longer one."""
    try:
        return _read_entry(entry)
    except _DamagedEntryError as error:
        trouble = f"The cached images in {str(entry)!r} are damaged: {error}"
    with ExitStack() as stack:
        with _explained(f"{trouble}. They cannot be removed"):
            lock = entry.with_name(f"{entry.name}.lock")
            stack.enter_context(locked(lock, timeout=_LOCK_TIMEOUT))
        try:
            # Another process may have met the same damage, and its new entry must stay.
            return _read_entry(entry)
        except _DamagedEntryError as error:
            trouble = f"The cached images in {str(entry)!r} are damaged: {error}"
            with _explained(f"{trouble}. They cannot be removed"):
                _remove_entry(entry)
    warn(f"{trouble}. They are read again from their files.")
    return None


def _read_entry(entry: Path) -> Cells | None:
    if not os.path.lexists(entry):
        return None
    try:
        index = json.loads((entry / _INDEX).read_bytes())
        cells = CellIndex(**index["cells"])
        with open(entry / _IMAGES, "rb") as file:
            if _digest(file, cells) != index["sha256"]:
                raise _DamagedEntryError(f"they differ from the SHA-256 in {_INDEX}")
            return _map_images(file), cells
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        if not os.path.lexists(entry):
            return None
        raise _DamagedEntryError(str(error)) from error
    except OSError as error:
        trouble = f"Cannot read the cached images in {str(entry)!r}"
        raise _trouble(trouble, error) from error
    # RecursionError: JSON that is nested too deeply.
    except (
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        raise _DamagedEntryError(f"{_INDEX} cannot be read: {error}") from error


def _map_images(file: BinaryIO) -> NDArray[np.uint8]:
    file.seek(0)
    npy.read_magic(file)
    shape, _, dtype = npy.read_array_header_1_0(file)
    return np.memmap(file, dtype=dtype, mode="r", shape=shape, offset=file.tell())


def _digest(images: Any, cells: CellIndex) -> str:
    """Return the SHA-256 of a file of images followed by their index."""
    images.seek(0)
    digest = file_digest(images, "sha256")
    digest.update(json.dumps(asdict(cells)).encode())
    return digest.hexdigest()


def _remove_entry(entry: Path) -> None:
    """Remove an entry at once, so that no other process meets a part of it."""
    with (
        scratch_folder(entry.parent) as scratch,
        suppress(FileNotFoundError),  # somebody else has removed it
    ):
        entry.rename(scratch / entry.name)


def _write_entry(
    entry: Path,
    shape: tuple[int, ...],
    fill: Callable[[Callable[[NDArray[np.uint8]], None]], CellIndex],
) -> Cells | None:
    """Write an entry that appears at once and whole, or not at all.

    What is not to be kept is returned.
    """
    writing = f"Cannot write to the cache folder {str(entry.parent)!r}"
    with _explained(writing):
        entry.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        with _explained(writing):
            new = stack.enter_context(scratch_folder(entry.parent)) / entry.name
            new.mkdir()
            # Without a buffer, whose rest would be written once more, and fail once
            # more, when the file is closed.
            file = open(new / _IMAGES, "w+b", buffering=0)  # noqa: SIM115

        def take(images: NDArray[np.uint8]) -> None:
            with _explained(writing):
                _write_all(file, images)

        with file:
            with _explained(writing):
                _write_header(file, (0, *shape))
            # Errors of the image files are none of the cache.
            cells = fill(take)
            with _explained(writing):
                # numpy leaves room in a header for the first dimension to grow.
                file.seek(0)
                _write_header(file, (len(cells.filenames), *shape))
                if cells.unopened:
                    return np.array(_map_images(file)), cells
                os.fsync(file.fileno())
                digest = _digest(file, cells)
        with _explained(writing):
            index = {"cells": asdict(cells), "sha256": digest}
            (new / _INDEX).write_bytes(json.dumps(index).encode())
            try:
                new.rename(entry)
            except OSError:
                # Another process was faster, with the same content.
                if not os.path.lexists(entry):
                    raise
    return None


def _write_header(file: IO[bytes], shape: tuple[int, ...]) -> None:
    npy.write_array_header_1_0(
        file, {"descr": "|u1", "fortran_order": False, "shape": shape}
    )


def _write_all(file: Any, images: NDArray[np.uint8]) -> None:
    left = np.ascontiguousarray(images).reshape(-1).data
    while left:
        left = left[file.write(left) :]


@contextmanager
def _explained(trouble: str) -> Iterator[None]:
    """Say in an error of the disk which folder it concerns and what can be done."""
    try:
        yield
    except OSError as error:
        raise _trouble(trouble, error) from error


def _trouble(trouble: str, error: OSError) -> OSError:
    space = "Free space there. " if error.errno == errno.ENOSPC else ""
    return OSError(f"{trouble}: {error}. {space}{_way_out()}")


def _way_out() -> str:
    return (
        "Name another folder with `cache` (`data_home` in fetch_malaria_cells) or the "
        "environment variable MALARIAFUSE_DATA, or pass cache=False."
    )
