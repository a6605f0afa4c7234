"""Folders for files in the making, which nobody finds half-written or left behind."""

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
_TIMEOUT = 5  # seconds that somebody may take to see that a folder is in use


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """Give a new folder within `parent`, and delete it after the block.

    A process that is killed cannot delete its folder. The next call with the same
    `parent`, in any process, does it then.

    Parameters
    ----------
    parent : pathlib.Path
        Folder that exists. What is made can be moved to it at once, since it is on the
        same disk.

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
    """Delete the scratch folders within `parent` whose processes are dead."""
    for folder in parent.glob(f"{_PREFIX}*"):
        # Folders of other users and what is no folder may bear such a name, too.
        with suppress(OSError):
            if not (folder / _LOCK).exists():
                # A folder is deleted only as long as it is empty: another process may
                # have made it just now.
                folder.rmdir()
                continue
            # Held by the process that uses the folder, for as long as that lives.
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
            # Taken for an abandoned one, between the two lines, by somebody else.
            if isinstance(error, FileNotFoundError | FileExistsError | TimeoutError):
                continue
            raise
        if (folder / _LOCK).exists():
            return folder, lock
        lock.release()
    raise OSError(f"No folder could be made in {str(parent)!r}: others delete it.")


def _delete(folder: Path, lock: FileLock) -> None:
    """Delete a scratch folder, the lock last, so that what is left is never unclear."""
    shutil.rmtree(folder / _CONTENT, ignore_errors=True)
    # POSIX deletes files that are open, so that nobody takes the lock in between.
    # Windows deletes no such file.
    if os.name == "nt":
        lock.release()
    with suppress(OSError):
        (folder / _LOCK).unlink()
    lock.release()
    with suppress(OSError):
        folder.rmdir()
