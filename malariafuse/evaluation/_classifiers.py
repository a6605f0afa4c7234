"""Validation of probabilities and thresholds of several classifiers."""

from collections.abc import Mapping
from typing import Any

from numpy.typing import ArrayLike

from malariafuse._cells import (
    Cells,
    check_cells,
    check_target,
    warn_of_suspicious,
)
from malariafuse._parameters import Reals, check_parameter
from malariafuse._patients import check_patients


def check_classifiers(
    y_true: ArrayLike,
    probabilities: Mapping[str, ArrayLike],
    groups: ArrayLike,
    pos_label: Any,
) -> dict[str, Cells]:
    """Return the validated cells with the probabilities of each classifier."""
    expected = "expected a dict that maps names of classifiers to their probabilities"
    if not isinstance(probabilities, Mapping):
        raise TypeError(
            f"probabilities is a {type(probabilities).__name__}: {expected}."
        )
    if not probabilities:
        raise ValueError(f"probabilities is empty: {expected}.")
    # Errors in these arguments do not name a classifier.
    target = check_target(y_true, pos_label=pos_label)
    check_patients(groups, len(target), at_least=2)
    cells = {}
    for name, y_prob in probabilities.items():
        try:
            cells[name] = check_cells(y_true, y_prob, groups, pos_label=pos_label)
        except (TypeError, ValueError) as error:
            raise type(error)(f"probabilities[{name!r}]: {error}") from error
        warn_of_suspicious(cells[name], name=f"probabilities[{name!r}]")
    return cells


def check_thresholds(
    threshold: float | Mapping[str, float], cells: dict[str, Cells]
) -> dict[str, float]:
    """Return the threshold of each classifier."""
    if not isinstance(threshold, Mapping):
        check_parameter("threshold", threshold, [Reals(0, 1)])
        return dict.fromkeys(cells, threshold)
    if set(threshold) != set(cells):
        raise ValueError(
            f"threshold has the classifiers {list(threshold)}: expected {list(cells)}, "
            "one threshold for each."
        )
    for name, value in threshold.items():
        check_parameter(f"threshold[{name!r}]", value, [Reals(0, 1)])
    return dict(threshold)
