"""Digests of stored objects, to detect damage on loading."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

_DIGESTS = "sha256"
_NAMES = ""
# The version that scikit-learn adds is not part of the digest.
_NOT_COUNTED = "_sklearn_version"


class StoredWithDigest:
    """Store objects with a SHA-256 of each attribute, verified on loading.

    Compressed files have a checksum, but uncompressed files do not.
    """

    def __getstate__(self) -> dict[str, Any]:
        return with_digests(super().__getstate__())  # type: ignore[arg-type]

    def __setstate__(self, state: dict[str, Any]) -> None:
        kind = type(self)
        untouched = (
            kind.__getstate__ is StoredWithDigest.__getstate__
            and kind.__setstate__ is StoredWithDigest.__setstate__
        )
        rest = without_digests(state, kind.__name__, same_names=untouched)
        if hasattr(super(), "__setstate__"):
            super().__setstate__(rest)  # type: ignore[misc]
        else:
            vars(self).update(rest)


def with_digests(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return `state` with a SHA-256 of each of its values."""
    digests = {name: _digest_of(value) for name, value in state.items()}
    # A pickle stores each name once, so damage to it changes both occurrences.
    return {**state, _DIGESTS: {**digests, _NAMES: _digest_of(list(state))}}


def without_digests(
    state: Mapping[str, Any], what: str, *, same_names: bool = True
) -> dict[str, Any]:
    """Return the argument of `with_digests`, after verification.

    Parameters
    ----------
    state : mapping
        Return value of `with_digests`, after storing and loading.
    what : str
        Name of the loaded object in error messages.
    same_names : bool, default=True
        Whether `state` must have the stored names. A subclass that customizes storage
        may remove names or add others.

    Raises
    ------
    ValueError
        If a value has changed.
    """
    digests = state.get(_DIGESTS)
    rest = {name: value for name, value in state.items() if name != _DIGESTS}
    if (
        digests is None
        or (same_names and digests.get(_NAMES) != _digest_of(list(rest)))
        or any(
            digests[name] != _digest_of(value)
            for name, value in rest.items()
            if name in digests
        )
    ):
        raise ValueError(
            f"This {what} is damaged: its SHA-256 has changed. Copy the file again, or "
            "fit and store again."
        )
    return rest


def _digest_of(value: Any) -> str:
    digest = hashlib.sha256()
    for part in _parts(value, ()):
        digest.update(part)
    return digest.hexdigest()


def _parts(value: Any, inside: tuple[int, ...]) -> Iterator[bytes | memoryview]:
    """Yield the parts of `value` that load exactly as they were stored.

    Other objects are skipped, including types, which may move to another module.
    `inside` has the identities of the containers of the value.
    """
    if id(value) in inside:
        return
    inside = (*inside, id(value))
    if isinstance(value, np.ndarray | np.generic):
        array = np.asarray(value)
        if array.dtype.hasobject or array.dtype.kind == "T":
            yield from _parts(array.tolist(), inside)
            return
        # After loading, an array may have the byte order of the machine.
        little_endian = array.dtype.newbyteorder("<")
        array = np.ascontiguousarray(array.astype(little_endian, copy=False))
        yield f"<array {array.dtype.str}{np.shape(value)}>".encode()
        yield array.reshape(-1).view(np.uint8).data
    elif value is None or isinstance(value, bool | int | float | complex | str):
        yield f"<{value!r}>".encode(errors="surrogatepass")
    elif isinstance(value, bytes):
        yield b"<bytes>" + value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if key != _NOT_COUNTED:
                yield from _parts(key, inside)
                yield from _parts(item, inside)
        yield b"</mapping>"
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _parts(item, inside)
        yield b"</sequence>"
    elif _is_transparent(value):
        yield from _parts(value.__getstate__(), inside)


def _is_transparent(value: Any) -> bool:
    """Return whether the state of `value` is stored and loaded unchanged."""
    kind = type(value)
    if isinstance(value, type | StoredWithDigest):
        return False
    if isinstance(value, BaseEstimator):
        return (
            kind.__getstate__ is BaseEstimator.__getstate__
            and kind.__setstate__ is BaseEstimator.__setstate__
        )
    own = kind.__module__.partition(".")[0] == __name__.partition(".")[0]
    return own and not hasattr(kind, "__setstate__")
