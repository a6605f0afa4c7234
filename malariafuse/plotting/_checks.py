"""What several displays ask of their arguments."""

from numbers import Integral
from typing import Any

from numpy.typing import ArrayLike, NDArray

from malariafuse._cells import check_labels as _check_labels


def check_count(value: int, name: str) -> None:
    """Raise ValueError unless `value` is a positive integer."""
    if not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name}={value!r}: expected a positive integer.")


def check_labels(y: ArrayLike) -> NDArray[Any]:
    """Return labels of any kind as an array, or raise ValueError that names `y`."""
    if y is None:
        raise ValueError("y is None: expected the label of each cell.")
    return _check_labels(y, "y")
