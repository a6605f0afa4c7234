"""Cache of results on disk with joblib."""

from pathlib import Path

from joblib import Memory


def as_memory(memory: str | Path | Memory | None) -> Memory:
    """Return `memory` as a `joblib.Memory`, which stores nothing if it is None."""
    if memory is None or isinstance(memory, str | Path):
        try:
            return Memory(memory, verbose=0)
        except OSError as error:
            raise OSError(
                f"memory={str(memory)!r} is not a writable folder: {error} Pass "
                "another path."
            ) from error
    if not isinstance(memory, Memory):
        raise TypeError(f"memory={memory!r}: expected None, a path or a joblib.Memory.")
    return memory
