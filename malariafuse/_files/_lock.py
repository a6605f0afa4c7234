"""Locks between processes, whose files are deleted on release."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock


@contextmanager
def locked(file: Path, *, timeout: float = -1) -> Iterator[None]:
    """Hold the exclusive lock `file` in this block.

    The operating system frees the lock of a killed process.

    Parameters
    ----------
    file : pathlib.Path
        File of the lock, in an existing folder. It exists only while the lock is held.
    timeout : float, default=-1
        Seconds to wait for the lock. A negative number waits without limit.

    Raises
    ------
    TimeoutError
        If the lock is held by others for longer.
    OSError
        If the file cannot be written.
    """
    with FileLock(file, timeout=timeout):
        try:
            yield
        finally:
            # A waiting process notices that the file was deleted, and creates a new
            # one. On Windows, an open file cannot be deleted, so the last process
            # deletes it.
            with suppress(OSError):
                file.unlink()


def remove_free_locks(folder: Path, pattern: str) -> None:
    """Delete the lock files of killed processes."""
    # If the path is invalid, writing to it raises an error that explains it.
    files: list[Path] = []
    with suppress(OSError):
        files = list(folder.glob(pattern))
    for file in files:
        with suppress(OSError), locked(file, timeout=0):
            pass
