"""What several displays ask of their arguments."""

from typing import Any

from numpy.typing import ArrayLike, NDArray

from malariafuse._arrays import as_labels
from malariafuse._parameters import Integers, check_parameter


def check_count(value: int, name: str) -> None:
    """Raise ValueError unless `value` is a number of images that a figure holds."""
    check_parameter(name, value, [Integers(1, 1000)])


def check_labels(y: ArrayLike) -> NDArray[Any]:
    """Return labels of any kind as an array, or raise ValueError that names `y`."""
    return as_labels(y, "y")
