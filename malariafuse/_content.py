"""Digest of the content of an estimator."""

import functools
import hashlib
import types
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

# Parallelism, verbosity and the storing version, which do not affect results.
_NO_CONTENT = ("n_jobs", "verbose", "_sklearn_version")


def content_digest(value: Any) -> str:
    """Return a SHA-256 that is the same for equal content, in any process.

    The digest does not change if an estimator is stored and loaded. For an object with
    a method ``_content``, the return value of the method is used.
    """
    digest = hashlib.sha256()
    for part in _parts(value, ()):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def _parts(value: Any, inside: tuple[int, ...]) -> Iterator[bytes | memoryview]:
    """Yield the parts of `value`. `inside` has the identities of its containers."""
    if id(value) in inside:
        yield f"<above {inside[::-1].index(id(value))}>".encode()
        return
    inside = (*inside, id(value))
    if isinstance(value, np.ndarray | np.generic):
        yield from _parts_of_array(np.asarray(value), inside)
    elif value is None or isinstance(value, bool | int | float | complex | str | bytes):
        yield repr(value).encode(errors="surrogatepass")
    elif isinstance(value, Mapping):
        # Sorted by name. Names may have several types.
        for key, item in sorted(value.items(), key=lambda pair: repr(pair[0])):
            if key not in _NO_CONTENT:
                yield from _parts(key, inside)
                yield from _parts(item, inside)
        yield b"<end of mapping>"
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _parts(item, inside)
        yield b"<end of sequence>"
    elif isinstance(value, set | frozenset):
        yield repr(sorted(map(repr, value))).encode()
    elif isinstance(value, functools.partial):
        yield from _parts((value.func, value.args, value.keywords), inside)
    elif isinstance(value, type | types.FunctionType | types.BuiltinFunctionType):
        yield f"{value.__module__}.{value.__qualname__}".encode()
    elif hasattr(value, "_content"):
        yield type(value).__qualname__.encode()
        yield from _parts(value._content(), inside)
    else:
        yield from _parts_of_object(value, inside)


def _parts_of_array(
    array: np.ndarray, inside: tuple[int, ...]
) -> Iterator[bytes | memoryview]:
    if array.dtype.hasobject or array.dtype.kind == "T":
        yield from _parts(array.tolist(), inside)
    elif array.dtype.names is not None:
        # Field by field, because padding between fields is undefined.
        for name in array.dtype.names:
            yield from _parts((name, np.ascontiguousarray(array[name])), inside)
    else:
        # After loading, an array may have the byte order of the machine.
        little_endian = array.dtype.newbyteorder("<")
        array = np.ascontiguousarray(array.astype(little_endian, copy=False))
        yield f"{array.dtype.str}{array.shape}".encode()
        yield array.reshape(-1).view(np.uint8).data


def _parts_of_object(
    value: Any, inside: tuple[int, ...]
) -> Iterator[bytes | memoryview]:
    yield type(value).__qualname__.encode()
    state = getattr(value, "__dict__", None)
    if state is None:
        # Object of a compiled class.
        try:
            _, arguments, *rest = value.__reduce_ex__(2)
        except TypeError:
            return
        state = arguments, rest[0] if rest else None
    yield from _parts(state, inside)
