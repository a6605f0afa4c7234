"""What several displays ask of their arguments."""

from numbers import Integral
from typing import Any

import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import column_or_1d

from malariafuse._cells import check_plain


def check_count(value: int, name: str) -> None:
    """Raise ValueError unless `value` is a positive integer."""
    if not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name}={value!r}: expected a positive integer.")


def check_labels(y: ArrayLike) -> NDArray[Any]:
    """Return labels of any kind as an array, or raise ValueError that names `y`."""
    if y is None:
        raise ValueError("y is None: expected the label of each cell.")
    check_plain(y, "y")
    labels = column_or_1d(y)
    if not len(labels):
        raise ValueError("y is empty: expected the label of at least one cell.")
    if pd.isna(labels).any():
        raise ValueError(
            f"y has {pd.isna(labels).sum()} missing values: expected the label of "
            "every cell."
        )
    return labels
