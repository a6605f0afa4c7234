"""Results on disk, each under a key, in the folder of a `joblib.Memory`.

joblib itself returns what it finds, whoever has put it there; keeps what a killed
process was writing; and hides why a result could not be kept.
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
# Named as joblib names them, so that `Memory.reduce_size` deletes entries, too.
_FILE = "output.pkl"
_DIGEST_SIZE = 32


def as_memory(memory: str | Path | Memory | None) -> Memory:
    """Return `memory` as a `joblib.Memory`, which stores nothing if it is None."""
    if memory is None or isinstance(memory, str | Path):
        try:
            # joblib takes a Path for another folder than the same text.
            return Memory(None if memory is None else str(memory), verbose=0)
        except OSError as error:
            raise _no_folder(memory, error) from error
    if not isinstance(memory, Memory):
        raise TypeError(f"memory={memory!r}: expected None, a path or a joblib.Memory.")
    return memory


class KeptResults:
    """Results of one kind in a `joblib.Memory`.

    Parameters
    ----------
    memory : joblib.Memory
        Where they are kept. ``Memory.clear`` deletes them, too.
    kind : str
        Name of the kind, as in "trainings", which is that of their folder.
    """

    def __init__(self, memory: Memory, kind: str) -> None:
        self._memory = memory.location
        self._folder = None
        self._kind = kind
        if memory.location is not None:
            self._folder = Path(memory.store_backend.location) / _FOLDER
            # Here, since what is found is not written again.
            remove_abandoned(self._folder)
            remove_free_locks(self._folder, "*.lock")

    @property
    def keeps(self) -> bool:
        """Whether anything is kept."""
        return self._folder is not None

    def find_or_make(self, key: str, make: Callable[[], Any]) -> Any:
        """Return what is kept under `key`, or make and keep it.

        What cannot be read is made again, and what cannot be kept is returned all the
        same, both with a warning.

        Parameters
        ----------
        key : str
            Digest of all that the result depends on, in hexadecimal digits.
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
        """Do the same, while other processes that want the same result wait for it.

        Raises
        ------
        OSError
            If the folder cannot be written to.
        """
        if self._folder is None:
            return make()
        # A folder that cannot be written to may hold the result.
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
        """Return the result under a key, in a list that is empty if there is none."""
        file = self._entry(key)
        try:
            content = memoryview(file.read_bytes())
            digest, pickled = content[:_DIGEST_SIZE], content[_DIGEST_SIZE:]
            if digest != _digest(key, pickled):
                raise ValueError("it does not have the SHA-256 that belongs to it")
            return [pickle.loads(pickled)]
        except FileNotFoundError:
            return []
        # A whole entry may have been written by another version of any library.
        except Exception as error:
            if warns:
                warn(
                    f"memory={str(self._memory)!r}: {str(file)!r} cannot be read: "
                    f"{error}. It is made again."
                )
            return []

    def _keep(self, key: str, result: Any) -> None:
        assert self._folder is not None
        try:
            pickled = pickle.dumps(result, protocol=5)
            self._folder.mkdir(parents=True, exist_ok=True)
            # In one folder for all, where the next process finds what this one leaves
            # if it is killed.
            with whole_file(self._entry(key), scratch_in=self._folder) as file:
                file.write(_digest(key, pickled))
                file.write(pickled)
        # Pickling fails with whatever error the objects raise.
        except Exception as error:
            warn(
                f"memory={str(self._memory)!r}: a result could not be kept, and will "
                f"be made again: {error}"
            )


def _digest(key: str, pickled: bytes | memoryview) -> bytes:
    """Return a digest of an entry that no other key shares."""
    digest = hashlib.sha256(key.encode())
    digest.update(pickled)
    return digest.digest()


def _no_folder(memory: Any, error: OSError) -> OSError:
    return OSError(
        f"memory={str(memory)!r} is no folder that can be written to: {error} "
        "Pass another path."
    )
