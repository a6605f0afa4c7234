"""Atomic writing of files and folders."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from malariafuse._files._scratch import scratch_folder


def write_whole(path: Path, data: bytes) -> None:
    """Write a file atomically."""
    with whole_file(path) as file:
        file.write(data)


@contextmanager
def whole_file(path: Path, *, scratch_in: Path | None = None) -> Iterator[IO[bytes]]:
    """Yield a temporary file, which replaces `path` at the end.

    If the block raises or its process ends before, `path` does not change.

    Parameters
    ----------
    path : pathlib.Path
        File, whose folder is created if it does not exist.
    scratch_in : pathlib.Path, default=None
        Folder of the temporary file, on the same disk. None uses that of `path`.
    """
    with naming(path), scratch_folder(scratch_in or path.parent) as folder:
        new = folder / path.name
        with new.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        path.parent.mkdir(parents=True, exist_ok=True)
        new.replace(path)


@contextmanager
def whole_files(folder: Path, *, last: str) -> Iterator[Path]:
    """Yield a temporary folder, whose files replace those of `folder` at the end.

    Files are replaced one by one, with the file `last` at the end. If the block raises
    or its process ends before, the files of `folder` do not change.
    """
    with naming(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with scratch_folder(folder) as scratch:
            yield scratch
            for file in sorted(scratch.iterdir(), key=lambda file: file.name == last):
                file.replace(folder / file.name)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder, which replaces `path` at the end.

    If the block raises or its process ends before, `path` does not change. Replacing an
    existing folder takes two steps: if the process is killed between them, `path` does
    not exist.
    """
    with scratch_folder(path.parent) as folder:
        new, old = folder / "new", folder / "old"
        new.mkdir()
        yield new
        if not path.exists():
            new.rename(path)
            return
        path.rename(old)
        try:
            new.rename(path)
        except BaseException:
            old.rename(path)
            raise


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Add the path that could not be written to a disk error."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        # Some disk errors have no file name, and others a temporary one.
        raise OSError(error.errno, error.strerror, str(path)) from error
