"""Which of two classes is the positive one, and what a classifier decides."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline


def positive_column(pos_label: Any, classes: NDArray[Any]) -> int | None:
    """Return the index in two `classes` of the positive one, or None if nobody knows.

    Numbers and booleans have a natural positive class, the last one. Strings have none:
    sorted, "Uninfected" comes last.

    Raises
    ------
    ValueError
        If `pos_label` is not among `classes`.
    """
    if pos_label is not None:
        if pos_label not in classes.tolist():
            recoded = (
                " VotingClassifier, StackingClassifier and their like code labels as "
                "0, 1, ... in sorted order before their members see them: inside them, "
                "pos_label is such a code."
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

    Without `pos_label` it is that of the classifier, and otherwise 1 of 0 and 1.

    Raises
    ------
    ValueError
        If there are not two classes, or `pos_label` is none of them.
    """
    classes = np.asarray(estimator.classes_).tolist()
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
    return classes.index(pos_label)


def decisions_and_probabilities(
    estimator: Any, X: Any
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return what ``predict`` and ``predict_proba`` of a classifier return.

    A classifier of this package computes its network once for both.
    """
    probabilities = np.asarray(estimator.predict_proba(X))
    last = estimator
    if type(estimator) is Pipeline:
        last = estimator[-1]
    # Unless a subclass decides otherwise.
    home = _home(last, "_decide")
    if home is not None and home is _home(last, "predict"):
        return np.asarray(last._decide(probabilities)), probabilities
    return np.asarray(estimator.predict(X)), probabilities


def _home(estimator: Any, name: str) -> type | None:
    """Return the class that defines an attribute of `estimator`."""
    return next((kind for kind in type(estimator).__mro__ if name in vars(kind)), None)
