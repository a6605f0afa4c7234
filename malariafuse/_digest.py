"""A digest of what is stored, by which damage is seen when it is loaded."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

_DIGEST = "sha256"
# scikit-learn writes its own version, which a file outlives.
_NOT_COUNTED = "_sklearn_version"


class StoredWithDigest:
    """Store objects with a SHA-256 of their state, and check it where they are loaded.

    A checksum of single bits: compressed files have one, and uncompressed ones do not.
    """

    def __getstate__(self) -> dict[str, Any]:
        return with_digest(super().__getstate__())  # type: ignore[arg-type]

    def __setstate__(self, state: dict[str, Any]) -> None:
        rest = without_digest(state, type(self).__name__)
        if hasattr(super(), "__setstate__"):
            super().__setstate__(rest)  # type: ignore[misc]
        else:
            vars(self).update(rest)


def with_digest(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return `state` with its SHA-256."""
    return {**state, _DIGEST: _digest_of(state)}


def without_digest(state: Mapping[str, Any], what: str) -> dict[str, Any]:
    """Return `state` as `with_digest` took it.

    Parameters
    ----------
    state : mapping
        The return value of `with_digest`, stored and loaded.
    what : str
        Name of what is loaded, for the message.

    Raises
    ------
    ValueError
        If the state is not the one that was stored.
    """
    rest = {name: value for name, value in state.items() if name != _DIGEST}
    if state.get(_DIGEST) != _digest_of(rest):
        raise ValueError(
            f"This {what} is damaged: it does not have the SHA-256 that belongs to it. "
            "Copy the file again, or fit and store again."
        )
    return rest


def _digest_of(value: Any) -> str:
    digest = hashlib.sha256()
    for part in _parts(value):
        digest.update(part)
    return digest.hexdigest()


def _parts(value: Any) -> Iterator[bytes | memoryview]:
    """Yield what `value` consists of, as far as it is stored by value.

    Objects of other libraries count by their type, as two that are equal need not be
    stored alike. So do those that have a digest of their own.
    """
    kind = type(value)
    if isinstance(value, np.ndarray | np.generic):
        # Mapped from a file, an array has another type.
        yield f"<array {value.dtype.str}{value.shape}>".encode()
        if value.dtype.hasobject or value.dtype.kind == "T":
            yield from _parts(np.asarray(value).tolist())
        else:
            yield memoryview(np.ascontiguousarray(value).reshape(-1).view(np.uint8))
        return
    yield f"<{kind.__module__}.{kind.__qualname__}>".encode()
    if isinstance(value, bytes):
        yield value
    elif value is None or isinstance(value, bool | int | float | complex | str):
        yield repr(value).encode(errors="surrogatepass")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if key != _NOT_COUNTED:
                yield from _parts(key)
                yield from _parts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _parts(item)
    elif _is_transparent(value):
        yield from _parts(value.__getstate__())
    yield b"</>"


def _is_transparent(value: Any) -> bool:
    """Whether the state of `value` tells all that it is."""
    if isinstance(value, type | StoredWithDigest):
        return False
    own = type(value).__module__.partition(".")[0] == __name__.partition(".")[0]
    return own or isinstance(value, BaseEstimator)
