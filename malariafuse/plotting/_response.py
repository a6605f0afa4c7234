"""Probabilities and decisions of a fitted classifier about labeled cells."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from malariafuse._arrays import check_length
from malariafuse._labels import decisions_and_probabilities, pos_label_of
from malariafuse._parameters import POS_LABEL, check_parameter
from malariafuse.plotting._checks import check_labels


def judge(
    estimator: Any, X: Any, y: ArrayLike, pos_label: Any = None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return labels as 0 and 1, and the probability that each cell is parasitized.

    `y` has the labels that `estimator` knows, of which `pos_label` means parasitized.
    """
    target, positive = _check(estimator, X, y, pos_label)
    column = np.asarray(estimator.classes_).tolist().index(positive)
    return target, np.asarray(estimator.predict_proba(X))[:, column]


def judge_and_decide(
    estimator: Any, X: Any, y: ArrayLike, pos_label: Any = None
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Return labels and probabilities as `judge` does, and decisions as 1 and 0."""
    target, positive = _check(estimator, X, y, pos_label)
    column = np.asarray(estimator.classes_).tolist().index(positive)
    decided, probabilities = decisions_and_probabilities(estimator, X)
    decisions = [label == positive for label in decided.tolist()]
    return target, probabilities[:, column], np.array(decisions, dtype=np.int64)


def _check(
    estimator: Any, X: Any, y: ArrayLike, pos_label: Any
) -> tuple[NDArray[np.int64], Any]:
    """Return labels as 0 and 1, and the positive one as it is."""
    if isinstance(estimator, type) or not hasattr(estimator, "predict_proba"):
        raise ValueError(
            f"estimator={estimator!r}: expected a classifier with predict_proba."
        )
    check_is_fitted(estimator)
    check_parameter("pos_label", pos_label, POS_LABEL)
    classes = np.asarray(estimator.classes_).tolist()
    positive = _positive_class(estimator, classes, pos_label)
    labels = check_labels(y).tolist()
    check_length(X, len(labels))
    # Compared one by one: NumPy would take the text "1" for the number 1.
    alien = [label for label in dict.fromkeys(labels) if label not in classes]
    if alien:
        raise ValueError(
            f"y has the labels {alien[:4]}: expected the classes that estimator knows, "
            f"{classes}."
        )
    return np.array([label == positive for label in labels], dtype=np.int64), positive


def _positive_class(estimator: Any, classes: list[Any], pos_label: Any) -> Any:
    if len(classes) != 2:
        raise ValueError(
            f"estimator knows the classes {classes}: expected two, parasitized and not."
        )
    if pos_label is None:
        pos_label = pos_label_of(estimator)
    if pos_label is None and set(classes) == {0, 1}:
        pos_label = 1
    # Nobody else knows: sorted, "Uninfected" comes last.
    if pos_label not in classes:
        raise ValueError(
            f"pos_label={pos_label!r}: expected one of the classes that estimator "
            f"knows, {classes}, the one of parasitized cells."
        )
    return pos_label
