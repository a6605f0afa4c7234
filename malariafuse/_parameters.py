"""Tables of which values the parameters of an estimator may have.

A class states in ``_parameter_rules`` which values each of its parameters takes; a
subclass extends the table of its parent. `check_parameters` holds an estimator against
its table, so that all of them refuse a value in the same words.
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
    """One kind of value that a parameter takes."""

    def allows(self, value: Any) -> bool:
        """Return whether `value` is of this kind."""

    def __str__(self) -> str:
        """Complete the sentence "expected ..."."""


Rules = Mapping[str, Sequence[Rule]]


@dataclass(frozen=True)
class Integers:
    """Integers from `low` on, up to `high` if it is given; booleans are none."""

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


_MOST_JOBS = 1024  # threads or processes of one machine
_LONGEST_SIDE = 4096  # of an image of one cell, in pixels


class NumbersOfJobs:
    """Integers except 0, up to what a machine starts; booleans are none."""

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
    """Finite numbers in an interval; booleans are none.

    Parameters
    ----------
    low, high : float
        The ends of the interval.
    open_at : {"", "low", "high", "both"}, default=""
        The ends that do not belong to it.
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
        except OverflowError:  # an integer beyond all floats
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
    """A few strings, numbers or booleans; True is not 1."""

    def __init__(self, *values: Any) -> None:
        self.values = values

    def allows(self, value: Any) -> bool:
        """Return whether `value` is one of them."""
        # Of one kind first: an array has no single truth to compare by.
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
    """Objects of some types, in the words of `text`."""

    types: Any
    text: str

    def allows(self, value: Any) -> bool:
        """Return whether `value` is of one of the types."""
        return isinstance(value, self.types)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Functions:
    """Whatever can be called to make something, in the words of `text`.

    Networks can be called, too, but are passed by mistake, as are classes of
    estimators.
    """

    text: str = "a function"

    def allows(self, value: Any) -> bool:
        """Return whether `value` can be called."""
        if isinstance(value, type):
            return not issubclass(value, BaseEstimator)
        return callable(value) and not hasattr(type(value), "fit")

    def __str__(self) -> str:
        return self.text


class Classifiers:
    """Classifiers of scikit-learn's kind that give probabilities."""

    def allows(self, value: Any) -> bool:
        """Return whether `value` is such a classifier, and not its class."""
        return (
            not isinstance(value, type)
            and hasattr(value, "fit")
            and hasattr(value, "predict_proba")
        )

    def __str__(self) -> str:
        return "a classifier with predict_proba"


class ImageSizes:
    """Heights and widths of images of a cell, in a tuple or a list."""

    def allows(self, value: Any) -> bool:
        """Return whether `value` is two integers that memory has room for."""
        return (
            isinstance(value, tuple | list)
            and len(value) == 2
            and all(Integers(1, _LONGEST_SIDE).allows(side) for side in value)
        )

    def __str__(self) -> str:
        return (
            f"two integers (height, width) from 1 to {_LONGEST_SIDE}, for example "
            "(64, 64)"
        )


@dataclass(frozen=True)
class SequencesOf:
    """Lists and tuples of values that follow one rule."""

    rule: Rule

    def allows(self, value: Any) -> bool:
        """Return whether `value` is such a sequence."""
        return isinstance(value, list | tuple) and all(map(self.rule.allows, value))

    def __str__(self) -> str:
        return f"a sequence, each of it {self.rule}"


class Paths:
    """Paths of files and folders; an empty one would be the working directory."""

    def allows(self, value: Any) -> bool:
        """Return whether `value` may be a path."""
        if not isinstance(value, str | PathLike):
            return False
        text = fspath(value)
        return isinstance(text, str) and bool(text) and "\0" not in text

    def __str__(self) -> str:
        return "a path"


class Anything:
    """Any value: what it may be is decided where it is used."""

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
    Instances((str, bytes, Real, np.bool_), "a label, which is a number or text"),
)
VERBOSE: Sequence[Rule] = (Booleans(), Integers(0))
N_JOBS: Sequence[Rule] = (Nothing(), NumbersOfJobs())
COMPUTE_DTYPE: Sequence[Rule] = (OneOf("auto", "bfloat16", "float32"),)
ENGINE: Sequence[Rule] = (OneOf("auto", "keras", "openvino"),)


class InvalidParameterError(ValueError, TypeError):
    """A parameter has a value that it does not take, of a wrong type or not.

    It is a ValueError and a TypeError, as that of scikit-learn is.
    """


def check_parameter(name: str, value: Any, rules: Sequence[Rule]) -> None:
    """Raise unless `value` follows one of `rules`.

    Raises
    ------
    ValueError
        If it does not; the message names the parameter and what it takes.
    """
    if not any(rule.allows(value) for rule in rules):
        *others, last = map(str, rules)
        if others:
            # A comma before it, where a rule has an "or" of its own.
            comma = "," if any(" or " in text for text in others) else ""
            last = f"{', '.join(others)}{comma} or {last}"
        raise InvalidParameterError(f"{name}={short_repr(value)}: expected {last}.")


def check_parameters(estimator: Any) -> None:
    """Hold the parameters of `estimator` against the table of its class.

    A subclass that takes fewer parameters than its parent and sets the others itself
    is held against all of them.

    Raises
    ------
    ValueError
        If a parameter has none of the values that it takes.
    """
    for name, rules in type(estimator)._parameter_rules.items():
        check_parameter(name, getattr(estimator, name), rules)
