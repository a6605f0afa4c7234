"""Validation of parameters of estimators by tables of rules.

A class declares the valid values of its parameters in ``_parameter_rules``. A subclass
extends the table of its parent. `check_parameters` validates an estimator against its
table, so that all estimators have the same error messages.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Number, Real
from os import PathLike, fspath
from typing import Any, Literal, Protocol

import numpy as np
from sklearn.base import BaseEstimator

from malariafuse._shown import short_repr

_Truth = bool | np.bool_


class Rule(Protocol):
    """Rule for valid values of a parameter."""

    def allows(self, value: Any) -> bool:
        """Return whether `value` is valid."""

    def __str__(self) -> str:
        """Complete the sentence "expected ..."."""


Rules = Mapping[str, Sequence[Rule]]


@dataclass(frozen=True)
class Integers:
    """Integers from `low` to `high`, which may be None. Booleans are not valid."""

    low: int
    high: int | None = None

    def allows(self, value: Any) -> bool:
        """Return whether `value` is such an integer."""
        return (
            isinstance(value, Integral)
            and not isinstance(value, _Truth)
            and self.low <= int(value)
            and (self.high is None or int(value) <= self.high)
        )

    def __str__(self) -> str:
        if self.high is not None:
            return f"an integer in [{self.low}, {self.high}]"
        if self.low == 1:
            return "a positive integer"
        return f"an integer of at least {self.low}"


_MOST_JOBS = 1024  # maximum number of threads or processes
_LONGEST_SIDE = 4096  # of an image of a cell, in pixels


class NumbersOfJobs:
    """Integers except 0, up to a maximum. Booleans are not valid."""

    def allows(self, value: Any) -> bool:
        """Return whether `value` is such an integer."""
        return (
            isinstance(value, Integral)
            and not isinstance(value, _Truth)
            and int(value) != 0
            and int(value) <= _MOST_JOBS
        )

    def __str__(self) -> str:
        return f"an integer other than 0, at most {_MOST_JOBS}"


@dataclass(frozen=True)
class Reals:
    """Finite numbers in an interval. Booleans are not valid.

    Parameters
    ----------
    low, high : float
        Ends of the interval.
    open_at : {"", "low", "high", "both"}, default=""
        Ends that are excluded.
    """

    low: float
    high: float = np.inf
    open_at: Literal["", "low", "high", "both"] = ""

    def allows(self, value: Any) -> bool:
        """Return whether `value` is such a number."""
        if not isinstance(value, Real) or isinstance(value, _Truth):
            return False
        try:
            number = float(value)
        except OverflowError:  # an integer that is too large for a float
            return False
        above = number > self.low if self._opens("low") else number >= self.low
        below = number < self.high if self._opens("high") else number <= self.high
        return bool(above and below and np.isfinite(number))

    def _opens(self, end: str) -> bool:
        return self.open_at in (end, "both")

    def __str__(self) -> str:
        if self.high == np.inf:
            if self._opens("low"):
                return f"a number above {self.low:g}"
            return f"a number of at least {self.low:g}"
        left = "(" if self._opens("low") else "["
        right = ")" if self._opens("high") else "]"
        return f"a number in {left}{self.low:g}, {self.high:g}{right}"


class OneOf:
    """Enumerated strings, numbers or booleans. True is not equal to 1."""

    def __init__(self, *values: Any) -> None:
        self.values = values

    def allows(self, value: Any) -> bool:
        """Return whether `value` is one of the values."""
        # Types are compared first, because the comparison of an array is not a bool.
        return any(
            _kind(value) == _kind(known) and value == known for known in self.values
        )

    def __str__(self) -> str:
        if len(self.values) == 1:
            return repr(self.values[0])
        return f"one of {', '.join(map(repr, self.values))}"


def _kind(value: Any) -> Any:
    kinds: tuple[Any, ...] = (str, _Truth, Number)
    return next((kind for kind in kinds if isinstance(value, kind)), type(value))


class Nothing:
    """None."""

    def allows(self, value: Any) -> bool:
        """Return whether `value` is None."""
        return value is None

    def __str__(self) -> str:
        return "None"


class Booleans:
    """True and False."""

    def allows(self, value: Any) -> bool:
        """Return whether `value` is a boolean."""
        return isinstance(value, _Truth)

    def __str__(self) -> str:
        return "True or False"


@dataclass(frozen=True)
class Instances:
    """Instances of some types, described by `text`."""

    types: Any
    text: str

    def allows(self, value: Any) -> bool:
        """Return whether `value` is of one of the types."""
        return isinstance(value, self.types)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Functions:
    """Callables, described by `text`.

    Networks and estimator classes are callable, but are not valid: they are passed by
    mistake.
    """

    text: str = "a function"

    def allows(self, value: Any) -> bool:
        """Return whether `value` is a valid callable."""
        if isinstance(value, type):
            return not issubclass(value, BaseEstimator)
        return callable(value) and not hasattr(type(value), "fit")

    def __str__(self) -> str:
        return self.text


class Classifiers:
    """Classifiers with ``predict_proba``."""

    def allows(self, value: Any) -> bool:
        """Return whether `value` is a classifier instance."""
        return (
            not isinstance(value, type)
            and hasattr(value, "fit")
            and hasattr(value, "predict_proba")
        )

    def __str__(self) -> str:
        return "a classifier with predict_proba"


class ImageSizes:
    """Height and width of images of cells, as a tuple or a list."""

    def allows(self, value: Any) -> bool:
        """Return whether `value` is two integers in the valid range."""
        return (
            isinstance(value, tuple | list)
            and len(value) == 2
            and all(Integers(1, _LONGEST_SIDE).allows(side) for side in value)
        )

    def __str__(self) -> str:
        return (
            f"two integers (height, width) from 1 to {_LONGEST_SIDE}, such as (64, 64)"
        )


@dataclass(frozen=True)
class SequencesOf:
    """Lists and tuples of values that satisfy one rule."""

    rule: Rule

    def allows(self, value: Any) -> bool:
        """Return whether `value` is such a sequence."""
        return isinstance(value, list | tuple) and all(map(self.rule.allows, value))

    def __str__(self) -> str:
        return f"a sequence, each of it {self.rule}"


class Paths:
    """Non-empty paths of files and folders."""

    def allows(self, value: Any) -> bool:
        """Return whether `value` is a path."""
        if not isinstance(value, str | PathLike):
            return False
        text = fspath(value)
        return isinstance(text, str) and bool(text) and "\0" not in text

    def __str__(self) -> str:
        return "a path"


class Anything:
    """Any value, validated where it is used."""

    def allows(self, value: Any) -> bool:
        """Return True."""
        return True

    def __str__(self) -> str:
        return "any value"


RANDOM_STATE: Sequence[Rule] = (
    Nothing(),
    Integers(0, 2**32 - 1),
    Instances(np.random.RandomState, "a numpy.random.RandomState"),
)
POS_LABEL: Sequence[Rule] = (
    Nothing(),
    Instances((str, bytes, Real, np.bool_), "a label, which is a number or a string"),
)
VERBOSE: Sequence[Rule] = (Booleans(), Integers(0))
N_JOBS: Sequence[Rule] = (Nothing(), NumbersOfJobs())
COMPUTE_DTYPE: Sequence[Rule] = (OneOf("auto", "bfloat16", "float32"),)
ENGINE: Sequence[Rule] = (OneOf("auto", "keras", "openvino"),)


class InvalidParameterError(ValueError, TypeError):
    """Error for an invalid value of a parameter.

    It is a ValueError and a TypeError, like the same error of scikit-learn.
    """


def check_parameter(name: str, value: Any, rules: Sequence[Rule]) -> None:
    """Raise if `value` does not satisfy any of `rules`.

    Raises
    ------
    ValueError
        If `value` is invalid. The message has the parameter and the valid values.
    """
    if not any(rule.allows(value) for rule in rules):
        *others, last = map(str, rules)
        if others:
            # With a comma if a rule contains "or".
            comma = "," if any(" or " in text for text in others) else ""
            last = f"{', '.join(others)}{comma} or {last}"
        raise InvalidParameterError(f"{name}={short_repr(value)}: expected {last}.")


def check_parameters(estimator: Any) -> None:
    """Validate the parameters of `estimator` by the table of its class.

    Parameters of the parent that a subclass sets itself are also validated.

    Raises
    ------
    ValueError
        If a parameter is invalid.
    """
    for name, rules in type(estimator)._parameter_rules.items():
        check_parameter(name, getattr(estimator, name), rules)
