"""Disk cache of decoded images, memory-mapped by later calls."""

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
_LOCK_TIMEOUT = 600  # seconds, longer than it takes to hash one entry

Cells = tuple[NDArray[np.uint8], CellIndex]


class _DamagedEntryError(Exception):
    """Error for an entry that differs from what was written."""


def through_cache(
    entry: Path,
    shape: tuple[int, ...],
    fill: Callable[[Callable[[NDArray[np.uint8]], None]], CellIndex],
) -> Cells:
    """Return the memory-mapped images of a cache entry and their index.

    A missing entry is written. A damaged entry is written again, with a warning. If a
    file could not be opened, nothing is cached, because a later call may succeed. The
    images are then in memory.

    Parameters
    ----------
    entry : pathlib.Path
        Folder of the entry.
    shape : tuple of int
        Shape of one image.
    fill : callable
        Function ``fill(take)`` that passes the images to ``take`` in order, in blocks,
        and returns their index. If it raises, nothing is cached.
    """
    # Here, because a cached entry is not written again.
    remove_abandoned(entry.parent)
    remove_free_locks(entry.parent, f"{CELLS}*.lock")
    cells = _find_entry(entry)
    # Repeated only if the entry is removed between writing and reading.
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
    """Return the content of an entry, or None if it does not exist."""
    try:
        return _read_entry(entry)
    except _DamagedEntryError as error:
        trouble = f"The cached images in {str(entry)!r} are damaged: {error}"
    with ExitStack() as stack:
        with _explained(f"{trouble}. They cannot be removed"):
            lock = entry.with_name(f"{entry.name}.lock")
            stack.enter_context(locked(lock, timeout=_LOCK_TIMEOUT))
        try:
            # Another process may have found the same damage. Its new entry must be
            # kept.
            return _read_entry(entry)
        except _DamagedEntryError as error:
            trouble = f"The cached images in {str(entry)!r} are damaged: {error}"
            with _explained(f"{trouble}. They cannot be removed"):
                _remove_entry(entry)
    warn(f"{trouble}. The image files are read again.")
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
    # RecursionError: too deeply nested JSON.
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
    """Return the SHA-256 of an image file followed by its index."""
    images.seek(0)
    digest = file_digest(images, "sha256")
    digest.update(json.dumps(asdict(cells)).encode())
    return digest.hexdigest()


def _remove_entry(entry: Path) -> None:
    """Remove an entry atomically, so that no other process sees a part of it."""
    with (
        scratch_folder(entry.parent) as scratch,
        suppress(FileNotFoundError),  # another process has removed it
    ):
        entry.rename(scratch / entry.name)


def _write_entry(
    entry: Path,
    shape: tuple[int, ...],
    fill: Callable[[Callable[[NDArray[np.uint8]], None]], CellIndex],
) -> Cells | None:
    """Write an entry atomically.

    Images that must not be cached are returned instead.
    """
    writing = f"Cannot write to the cache folder {str(entry.parent)!r}"
    with _explained(writing):
        entry.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        with _explained(writing):
            new = stack.enter_context(scratch_folder(entry.parent)) / entry.name
            new.mkdir()
            # Unbuffered: a buffer would be written again, and fail again, when the file
            # is closed.
            file = open(new / _IMAGES, "w+b", buffering=0)  # noqa: SIM115

        def take(images: NDArray[np.uint8]) -> None:
            with _explained(writing):
                _write_all(file, images)

        with file:
            with _explained(writing):
                _write_header(file, (0, *shape))
            # Errors of image files are not errors of the cache.
            cells = fill(take)
            with _explained(writing):
                # numpy reserves space in the header for a larger first dimension.
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
                # Another process has already written the same content.
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
    """Add the folder and a remedy to a disk error."""
    try:
        yield
    except OSError as error:
        raise _trouble(trouble, error) from error


def _trouble(trouble: str, error: OSError) -> OSError:
    space = "Free space there. " if error.errno == errno.ENOSPC else ""
    return OSError(f"{trouble}: {error}. {space}{_way_out()}")


def _way_out() -> str:
    return (
        "Set another folder by `cache` (`data_home` in fetch_malaria_cells) or the "
        "environment variable MALARIAFUSE_DATA, or pass cache=False."
    )
