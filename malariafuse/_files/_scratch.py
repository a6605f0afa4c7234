"""Temporary folders for atomic writes, cleaned up after killed processes."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp

from filelock import FileLock

_PREFIX = ".malariafuse-"
_LOCK, _CONTENT = "lock", "content"
_ATTEMPTS = 10
_TIMEOUT = 5  # seconds within which another process detects that a folder is in use


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """Yield a new folder in `parent`, and delete it after the block.

    A killed process cannot delete its folder. It is deleted by the next call with the
    same `parent`, in any process.

    Parameters
    ----------
    parent : pathlib.Path
        Existing folder. Files can be moved to it atomically, because it is on the same
        disk.

    Raises
    ------
    OSError
        If `parent` cannot be written to.
    """
    remove_abandoned(parent)
    folder, lock = _new_folder(parent)
    try:
        content = folder / _CONTENT
        content.mkdir()
        yield content
    finally:
        _delete(folder, lock)


def remove_abandoned(parent: Path) -> None:
    """Delete the scratch folders in `parent` of terminated processes."""
    # If the path is invalid, writing to it raises an error that explains it.
    folders: list[Path] = []
    with suppress(OSError):
        folders = list(parent.glob(f"{_PREFIX}*"))
    for folder in folders:
        # Folders of other users and files may also have such a name.
        with suppress(OSError):
            if not (folder / _LOCK).exists():
                # Deleted only if empty, because another process may have just created
                # it.
                folder.rmdir()
                continue
            # Held by the process that uses the folder, until it terminates.
            lock = FileLock(folder / _LOCK, timeout=0)
            lock.acquire()
            _delete(folder, lock)


def _new_folder(parent: Path) -> tuple[Path, FileLock]:
    for _ in range(_ATTEMPTS):
        folder = Path(mkdtemp(dir=parent, prefix=_PREFIX))
        lock = FileLock(folder / _LOCK, timeout=_TIMEOUT)
        try:
            lock.acquire()
        except BaseException as error:
            shutil.rmtree(folder, ignore_errors=True)
            # Deleted between the two lines by another process, which saw no lock.
            if isinstance(error, FileNotFoundError | FileExistsError | TimeoutError):
                continue
            raise
        if (folder / _LOCK).exists():
            return folder, lock
        lock.release()
    raise OSError(
        f"No folder could be created in {str(parent)!r}: other processes delete it."
    )


def _delete(folder: Path, lock: FileLock) -> None:
    """Delete a scratch folder, with the lock last, so that its state is known."""
    shutil.rmtree(folder / _CONTENT, ignore_errors=True)
    # On POSIX, open files can be deleted, so that the lock cannot be acquired in
    # between. On Windows, they cannot be deleted.
    if os.name == "nt":
        lock.release()
    with suppress(OSError):
        (folder / _LOCK).unlink()
    lock.release()
    with suppress(OSError):
        folder.rmdir()
