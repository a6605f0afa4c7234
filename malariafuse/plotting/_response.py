"""Probabilities and decisions of a fitted classifier for labeled cells."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from malariafuse._arrays import as_labels, check_length
from malariafuse._labels import decisions_and_probabilities, positive_column_of
from malariafuse._parameters import POS_LABEL, check_parameter
from malariafuse._shown import short_repr


def judge(
    estimator: Any, X: Any, y: ArrayLike, pos_label: Any = None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return labels as 0 and 1, and the probability that each cell is parasitized.

    `y` has classes of `estimator`. `pos_label` is the class of parasitized cells.
    """
    target, column = _check(estimator, X, y, pos_label)
    return target, np.asarray(estimator.predict_proba(X))[:, column]


def judge_and_decide(
    estimator: Any, X: Any, y: ArrayLike, pos_label: Any = None
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Return the result of `judge`, and decisions as 0 and 1."""
    target, column = _check(estimator, X, y, pos_label)
    positive = np.asarray(estimator.classes_).tolist()[column]
    decided, probabilities = decisions_and_probabilities(estimator, X)
    decisions = [label == positive for label in decided.tolist()]
    return target, probabilities[:, column], np.array(decisions, dtype=np.int64)


def _check(
    estimator: Any, X: Any, y: ArrayLike, pos_label: Any
) -> tuple[NDArray[np.int64], int]:
    """Return labels as 0 and 1, and the column of the positive class."""
    if isinstance(estimator, type) or not hasattr(estimator, "predict_proba"):
        raise ValueError(
            f"estimator={short_repr(estimator)}: expected a classifier with "
            "predict_proba."
        )
    check_is_fitted(estimator)
    check_parameter("pos_label", pos_label, POS_LABEL)
    classes = np.asarray(estimator.classes_).tolist()
    column = positive_column_of(estimator, pos_label)
    labels = as_labels(y, "y").tolist()
    check_length(X, len(labels))
    # Compared one by one, because NumPy would convert between "1" and 1.
    alien = [label for label in dict.fromkeys(labels) if label not in classes]
    if alien:
        raise ValueError(
            f"y has the labels {alien[:4]}: expected classes of estimator, {classes}."
        )
    positive = classes[column]
    if positive not in labels:
        raise ValueError(
            f"y has no parasitized cell (label {positive!r}): expected at least one."
        )
    return np.array([label == positive for label in labels], dtype=np.int64), column
