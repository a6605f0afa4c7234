"""Error messages show values short, and never the content of a file."""

import numpy as np
import pytest

from malariafuse._shown import short_repr, short_text

CONTENT = b"\x89PNG" + bytes(range(256)) * 100


@pytest.mark.parametrize(
    "value", [CONTENT, bytearray(CONTENT), memoryview(CONTENT), np.bytes_(CONTENT)]
)
def test_binary_data_are_counted(value):
    assert short_repr(value) == "<25,604 bytes>"
    assert short_repr([["a.png", value]]) == "[['a.png', <25,604 bytes>]]"


def test_arrays_are_described():
    assert short_repr(np.array([CONTENT])) == "<array of shape (1,), dtype |S25604>"


def test_long_values_lose_their_middle():
    shown = short_repr("begin" + "x" * 10_000 + "end")

    assert len(shown) <= 200
    assert shown.startswith("'begin")
    assert shown.endswith("end'")


def test_long_text_loses_its_middle():
    assert short_text("short") == "short"
    assert short_text("a" * 300 + "b" * 300) == "a" * 100 + "..." + "b" * 100


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two\nlines", r"'two\nlines'"),
        ("lone \udcff surrogate", r"'lone \udcff surrogate'"),
        ("\x1b[31mred", r"'\x1b[31mred'"),
        ("Plasmodium № 3 ü", "Plasmodium № 3 ü"),
    ],
)
def test_what_cannot_be_printed_is_quoted(text, shown):
    assert short_text(text) == shown
