"""Locks between processes, whose files are gone with those who hold them."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock


@contextmanager
def locked(file: Path, *, timeout: float = -1) -> Iterator[None]:
    """Hold the lock `file` in this block, as no other process and thread does.

    The system frees the lock of a process that is killed.

    Parameters
    ----------
    file : pathlib.Path
        File that stands for the lock, in a folder that exists. It is there only while
        somebody holds the lock.
    timeout : float, default=-1
        Seconds to wait for others; a negative number is for ever.

    Raises
    ------
    TimeoutError
        If others hold the lock for longer.
    OSError
        If the file cannot be written.
    """
    with FileLock(file, timeout=timeout):
        try:
            yield
        finally:
            # Whoever waits sees that its file is gone, and makes another one. Windows
            # deletes no file that somebody waits for; the last one deletes it.
            with suppress(OSError):
                file.unlink()


def remove_free_locks(folder: Path, pattern: str) -> None:
    """Delete the files of locks that processes left behind when they were killed."""
    for file in folder.glob(pattern):
        with suppress(OSError), locked(file, timeout=0):
            pass
