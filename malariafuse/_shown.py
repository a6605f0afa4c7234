"""Representation of values in error messages: short, and without file contents."""

import reprlib
from typing import Any

_MAX_CHARACTERS = 200


class _ShortRepr(reprlib.Repr):
    """Truncated `repr`, with the size of binary data instead of the data."""

    def repr_bytes(self, value: Any, level: int) -> str:
        return f"<{len(value):,} bytes>"

    repr_bytes_ = repr_bytearray = repr_bytes

    def repr_memoryview(self, value: memoryview, level: int) -> str:
        return f"<{value.nbytes:,} bytes>"

    def repr_ndarray(self, value: Any, level: int) -> str:
        return f"<array of shape {value.shape}, dtype {value.dtype}>"


_shortener = _ShortRepr()
_shortener.maxstring = _shortener.maxother = _MAX_CHARACTERS


def short_repr(value: Any) -> str:
    """Return a truncated `repr(value)`, with the size of binary data."""
    return _shortener.repr(value)


def short_text(text: str) -> str:
    """Return `text`, shortened in the middle if it is long.

    Text with line breaks, lone surrogates or other unprintable characters is quoted, so
    that it is on one line and can be encoded.
    """
    if not text.isprintable():
        text = repr(text)
    if len(text) <= _MAX_CHARACTERS:
        return text
    half = _MAX_CHARACTERS // 2
    return f"{text[:half]}...{text[-half:]}"
