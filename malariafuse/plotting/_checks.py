"""Validation of arguments shared by displays."""

from typing import Any

from sklearn.utils.validation import check_is_fitted

from malariafuse._parameters import Integers, check_parameter
from malariafuse._shown import short_repr


def check_count(value: int, name: str) -> None:
    """Raise ValueError unless `value` is a valid number of images of a figure."""
    check_parameter(name, value, [Integers(1, 1000)])


def check_own(estimator: Any, attribute: str, of_pipeline: str) -> None:
    """Raise if `estimator` is not a fitted classifier of malariafuse."""
    if isinstance(estimator, type) or not hasattr(estimator, "fit"):
        raise TypeError(
            f"estimator={short_repr(estimator)}: expected a fitted classifier of "
            "malariafuse."
        )
    check_is_fitted(estimator)
    if not hasattr(estimator, attribute):
        raise TypeError(
            f"estimator is a {type(estimator).__name__} without the attribute "
            f"{attribute}: expected a classifier of malariafuse. For a pipeline, pass "
            f"{of_pipeline}."
        )
