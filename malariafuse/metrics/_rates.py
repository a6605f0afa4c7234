"""Recall and specificity of decisions, and what scores check."""

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.multiclass import unique_labels

from malariafuse._cells import check_plain, check_sample_weight

# By how much sums of weights may miss a limit that they reach.
ROUNDING = 1e-12


def rates(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    pos_label: Any,
    sample_weight: ArrayLike | None,
) -> tuple[float, float]:
    """Return recall and specificity; NaN where `y_true` lacks the class."""
    check_plain(y_true, "y_true")
    check_plain(y_pred, "y_pred")
    check_consistent_length(y_true, y_pred)
    truth, decision = column_or_1d(y_true), column_or_1d(y_pred)
    if not len(truth):
        raise ValueError(
            "y_true and y_pred are empty: expected the labels of at least one sample."
        )
    check_labels(unique_labels(truth, decision), pos_label)
    weight = check_sample_weight(sample_weight, len(truth))
    positive, right = truth == pos_label, truth == decision
    return _share(weight, positive, right), _share(weight, ~positive, right)


def _share(weight: NDArray[Any], among: NDArray[Any], right: NDArray[Any]) -> float:
    total = weight[among].sum()
    return float(weight[among & right].sum() / total) if total else float("nan")


def check_labels(labels: NDArray[Any], pos_label: Any) -> None:
    """Raise ValueError unless `labels` are two at most, and one is positive."""
    if len(labels) > 2:
        raise ValueError(
            f"Recall and specificity are for two classes; found the labels "
            f"{labels.tolist()}."
        )
    # One label that is not pos_label may be the negative class, but not if it is a
    # string and pos_label was left at 1: nobody said which class is positive then.
    alien = isinstance(pos_label, str) != isinstance(labels[0], str)
    if alien or (len(labels) == 2 and pos_label not in labels):
        raise ValueError(
            f"pos_label={pos_label!r} is not a valid label: it should be one of "
            f"{labels.tolist()}, the one that means parasitized."
        )


def check_minimum(value: float, name: str) -> None:
    """Raise ValueError unless `value` is a share."""
    if (
        not isinstance(value, Real)
        or isinstance(value, (bool, np.bool_))
        or not 0 <= value <= 1
    ):
        raise ValueError(f"{name}={value!r}: expected a number between 0 and 1.")


def no_sample_of(kind: str, pos_label: Any) -> ValueError:
    """Return the error for labels of one class only."""
    return ValueError(
        f"y_true has no sample of the {kind} class (pos_label={pos_label!r}), or none "
        "of a weight above 0: recall or specificity is undefined. In cross-validation, "
        "use folds that hold both classes, as PatientKFold makes."
    )
