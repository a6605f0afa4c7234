"""Positive class and decisions of classifiers."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline


def positive_column(pos_label: Any, classes: NDArray[Any]) -> int | None:
    """Return the index of the positive class in two `classes`, or None if unknown.

    The positive class of numbers and booleans is the last one. For strings it is
    unknown, because "Uninfected" sorts last.

    Raises
    ------
    ValueError
        If `pos_label` is not among `classes`.
    """
    if pos_label is not None:
        if pos_label not in classes.tolist():
            recoded = (
                " VotingClassifier, StackingClassifier and similar estimators encode "
                "labels as 0, 1, ... in sorted order: inside them, pos_label is such a "
                "code."
                if isinstance(pos_label, str) and classes.dtype.kind in "biu"
                else ""
            )
            raise ValueError(
                f"pos_label={pos_label!r}: expected None or one of the classes "
                f"{classes.tolist()}.{recoded}"
            )
        return int(np.flatnonzero(classes == pos_label)[0])
    return None if classes.dtype.kind in "OSTU" else 1


def pos_label_of(estimator: Any) -> Any:
    """Return the `pos_label` of a classifier, or of the last step of a pipeline."""
    last = estimator[-1] if isinstance(estimator, Pipeline) else estimator
    return getattr(last, "pos_label", None)


def positive_column_of(estimator: Any, pos_label: Any = None) -> int:
    """Return the index of the positive class in `classes_` of a fitted classifier.

    Without `pos_label`, it is that of the classifier or, by default, 1 of 0 and 1.

    Raises
    ------
    ValueError
        If there are not two classes, or `pos_label` is not one of them.
    """
    classes = np.asarray(estimator.classes_).tolist()
    if len(classes) != 2:
        raise ValueError(
            f"estimator has the classes {classes}: expected two, parasitized and "
            "uninfected."
        )
    if pos_label is None:
        pos_label = pos_label_of(estimator)
    if pos_label is None and set(classes) == {0, 1}:
        pos_label = 1
    # Otherwise unknown, because "Uninfected" sorts last.
    if pos_label not in classes:
        raise ValueError(
            f"pos_label={pos_label!r}: expected the class of parasitized cells, one of "
            f"{classes}."
        )
    return classes.index(pos_label)


def decisions_and_probabilities(
    estimator: Any, X: Any
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the results of ``predict`` and ``predict_proba`` of a classifier.

    A classifier of this package runs its network only once for both.
    """
    probabilities = np.asarray(estimator.predict_proba(X))
    last = estimator
    if type(estimator) is Pipeline:
        last = estimator[-1]
    # Unless a subclass overrides predict.
    home = _home(last, "_decide")
    if home is not None and home is _home(last, "predict"):
        return np.asarray(last._decide(probabilities)), probabilities
    return np.asarray(estimator.predict(X)), probabilities


def _home(estimator: Any, name: str) -> type | None:
    """Return the class that defines an attribute of `estimator`."""
    return next((kind for kind in type(estimator).__mro__ if name in vars(kind)), None)
