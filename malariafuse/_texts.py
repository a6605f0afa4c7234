"""Text that may not be Unicode, such as names of files."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from numpy.typing import NDArray


def is_unicode(text: str) -> bool:
    """Return whether `text` can be encoded. Names that are not UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def text_column(values: Sequence[Any] | NDArray[Any]) -> Any:
    """Return `values`, or a column of Python objects if any is no Unicode.

    pandas 3 keeps text in Arrow where pyarrow is installed, and Arrow refuses it.
    """
    if all(is_unicode(value) for value in values if isinstance(value, str)):
        return values
    return pd.Series(list(values), dtype=object)
