"""Columns of text in tables."""

from collections.abc import Iterable
from typing import Any

import pandas as pd


def text_column(values: Iterable[Any]) -> Any:
    """Return `values`, or a column of Python objects if any cannot be encoded.

    Names of files that are not UTF-8 have lone surrogates. pandas 3 keeps text in Arrow
    where pyarrow is installed, and Arrow refuses them.
    """
    objects = list(values)
    try:
        for value in objects:
            if isinstance(value, str):
                value.encode()
    except UnicodeEncodeError:
        return pd.Series(objects, dtype=object)
    return values
