"""Cache of results by key, in the folder of a `joblib.Memory`.

Unlike joblib, the cache verifies entries, removes incomplete entries of killed
processes, and reports why a result cannot be cached.
"""

import hashlib
import pickle
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from joblib import Memory

from malariafuse._files._lock import locked, remove_free_locks
from malariafuse._files._scratch import remove_abandoned
from malariafuse._files._write import whole_file
from malariafuse._warn import warn

_FOLDER = "malariafuse"
# Named as in joblib, so that `Memory.reduce_size` also deletes entries.
_FILE = "output.pkl"
_DIGEST_SIZE = 32


def as_memory(memory: str | Path | Memory | None) -> Memory:
    """Return `memory` as a `joblib.Memory`, which stores nothing if it is None."""
    if memory is None or isinstance(memory, str | Path):
        try:
            # joblib treats a Path and the same str as different folders.
            return Memory(None if memory is None else str(memory), verbose=0)
        except OSError as error:
            raise _no_folder(memory, error) from error
    if not isinstance(memory, Memory):
        raise TypeError(f"memory={memory!r}: expected None, a path or a joblib.Memory.")
    return memory


class KeptResults:
    """Cache of results of one kind in a `joblib.Memory`.

    Parameters
    ----------
    memory : joblib.Memory
        Location of the cache. ``Memory.clear`` also deletes its entries.
    kind : str
        Name of the kind and of its folder, such as "trainings".
    """

    def __init__(self, memory: Memory, kind: str) -> None:
        self._memory = memory.location
        self._folder = None
        self._kind = kind
        if memory.location is not None:
            self._folder = Path(memory.store_backend.location) / _FOLDER
            # Here, because a cached result is not written again.
            remove_abandoned(self._folder)
            remove_free_locks(self._folder, "*.lock")

    @property
    def keeps(self) -> bool:
        """Whether the cache is enabled."""
        return self._folder is not None

    def find_or_make(self, key: str, make: Callable[[], Any]) -> Any:
        """Return the cached result for `key`, or compute and cache it.

        A result that cannot be read is computed again, and a result that cannot be
        cached is returned, both with a warning.

        Parameters
        ----------
        key : str
            Digest of everything on which the result depends, in hexadecimal digits.
        make : callable
            Function that returns the result.
        """
        if self._folder is None:
            return make()
        found = self._read(key, warns=True)
        if not found:
            found = [make()]
            self._keep(key, found[0])
        return found[0]

    def find_or_make_once(self, key: str, make: Callable[[], Any]) -> Any:
        """Like `find_or_make`, but other processes wait for the same result.

        Raises
        ------
        OSError
            If the folder cannot be written to.
        """
        if self._folder is None:
            return make()
        # A read-only folder may contain the result.
        if found := self._read(key, warns=False):
            return found[0]
        with self._locked(self._folder / f"{key}.lock"):
            return self.find_or_make(key, make)

    @contextmanager
    def _locked(self, file: Path) -> Iterator[None]:
        with ExitStack() as stack:
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                stack.enter_context(locked(file))
            except OSError as error:
                raise _no_folder(self._memory, error) from error
            yield

    def _entry(self, key: str) -> Path:
        assert self._folder is not None
        return self._folder / self._kind / key / _FILE

    def _read(self, key: str, *, warns: bool) -> list[Any]:
        """Return a list with the result for a key, or an empty list."""
        file = self._entry(key)
        try:
            content = memoryview(file.read_bytes())
            digest, pickled = content[:_DIGEST_SIZE], content[_DIGEST_SIZE:]
            if digest != _digest(key, pickled):
                raise ValueError("its SHA-256 has changed")
            return [pickle.loads(pickled)]
        except FileNotFoundError:
            return []
        # A complete entry may have been written by another version of any library.
        except Exception as error:
            if warns:
                warn(
                    f"memory={str(self._memory)!r}: {str(file)!r} cannot be read: "
                    f"{error}. It is computed again."
                )
            return []

    def _keep(self, key: str, result: Any) -> None:
        assert self._folder is not None
        try:
            pickled = pickle.dumps(result, protocol=5)
            self._folder.mkdir(parents=True, exist_ok=True)
            # In a common folder, where the next process finds the files of a killed
            # process.
            with whole_file(self._entry(key), scratch_in=self._folder) as file:
                file.write(_digest(key, pickled))
                file.write(pickled)
        # Pickling may raise any error of the objects.
        except Exception as error:
            warn(
                f"memory={str(self._memory)!r}: a result could not be cached and will "
                f"be computed again: {error}"
            )


def _digest(key: str, pickled: bytes | memoryview) -> bytes:
    """Return a digest of an entry that depends on its key."""
    digest = hashlib.sha256(key.encode())
    digest.update(pickled)
    return digest.digest()


def _no_folder(memory: Any, error: OSError) -> OSError:
    return OSError(
        f"memory={str(memory)!r} is not a writable folder: {error} Pass another path."
    )
