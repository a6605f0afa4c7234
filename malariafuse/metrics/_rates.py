"""Recall and specificity of decisions, and checks shared by all metrics."""

from typing import Any

import pandas as pd
from numpy.typing import ArrayLike, NDArray

from malariafuse._arrays import as_labels, check_length
from malariafuse._cells import check_sample_weight
from malariafuse._parameters import POS_LABEL, check_parameter

# Tolerance for rounding errors in sums of weights.
ROUNDING = 1e-12


def rates(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    pos_label: Any,
    sample_weight: ArrayLike | None,
) -> tuple[float, float]:
    """Return recall and specificity; NaN where `y_true` lacks the class."""
    truth, decision = as_labels(y_true, "y_true"), as_labels(y_pred, "y_pred")
    check_length(decision, len(truth), name="y_pred")
    check_two_labels(pos_label, y_true=truth, y_pred=decision)
    weight = check_sample_weight(sample_weight, len(truth))
    positive, right = truth == pos_label, truth == decision
    return _share(weight, positive, right), _share(weight, ~positive, right)


def _share(weight: NDArray[Any], among: NDArray[Any], right: NDArray[Any]) -> float:
    total = weight[among].sum()
    return float(weight[among & right].sum() / total) if total else float("nan")


def check_two_labels(pos_label: Any, **arrays: NDArray[Any]) -> None:
    """Raise ValueError unless there are at most two labels, one of them positive."""
    check_parameter("pos_label", pos_label, POS_LABEL)
    # Arrays are read one by one: concatenation would turn numbers into strings.
    labels = list(
        dict.fromkeys(
            label for array in arrays.values() for label in pd.unique(array).tolist()
        )
    )
    if len(labels) > 2:
        raise ValueError(
            f"{' and '.join(arrays)}: found the labels {labels[:4]}, expected two "
            "classes."
        )
    # A single label other than pos_label may be the negative class. If it is a string
    # and pos_label is still 1, the positive class is unknown.
    alien = isinstance(pos_label, str) != isinstance(labels[0], str)
    if alien or (len(labels) == 2 and pos_label not in labels):
        raise ValueError(
            f"pos_label={pos_label!r} is not a valid label: expected one of {labels}, "
            "the label of parasitized cells."
        )


def no_sample_of(kind: str, pos_label: Any) -> ValueError:
    """Return the error for labels of one class only."""
    return ValueError(
        f"y_true has no sample of the {kind} class (pos_label={pos_label!r}) with a "
        "weight above 0: recall or specificity is undefined. In cross-validation, use "
        "folds that contain both classes, such as those of PatientKFold."
    )
