"""Scores of binary decisions."""

import warnings
from numbers import Real
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.utils import check_array, check_consistent_length, column_or_1d
from sklearn.utils.multiclass import unique_labels


def specificity_score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    pos_label: Any = 1,
    sample_weight: ArrayLike | None = None,
    zero_division: Literal["warn"] | float = "warn",
) -> float:
    """Compute the specificity of binary decisions.

    Specificity, the true negative rate, is the share of the uninfected cells that are
    called uninfected: ``tn / (tn + fp)``. It is the recall of the negative class.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels, at most two different ones.
    y_pred : array-like of shape (n_samples,)
        Predicted labels.
    pos_label : int, float, bool or str, default=1
        The label of the positive (parasitized) class; the other one is negative.
    sample_weight : array-like of shape (n_samples,), default=None
        Sample weights.
    zero_division : {"warn"} or float, default="warn"
        What to return when there is no negative sample: "warn" returns NaN with an
        ``UndefinedMetricWarning``, a number (NaN included) is returned in silence.

    Returns
    -------
    float
        The specificity, 0 to 1, or what `zero_division` says.

    Raises
    ------
    ValueError
        If there is no sample, the labels are not binary or `pos_label` is not one of
        them.

    See Also
    --------
    sklearn.metrics.recall_score : Recall (sensitivity) of the positive class.
    recall_at_specificity_score : Recall, provided that specificity is high enough.

    Notes
    -----
    Unlike :func:`sklearn.metrics.recall_score`, an undefined score is NaN by default
    and not 0: a set without uninfected cells tells nothing about specificity.

    Examples
    --------
    >>> from malariafuse.metrics import specificity_score
    >>> specificity_score([0, 0, 0, 0, 1, 1], [0, 0, 0, 1, 1, 0])
    0.75
    """
    if zero_division != "warn" and not isinstance(zero_division, Real):
        raise ValueError(
            f"zero_division={zero_division!r}: expected 'warn' or a number."
        )
    _, specificity = _rates(y_true, y_pred, pos_label, sample_weight)
    if not np.isnan(specificity):
        return specificity
    if zero_division != "warn":
        return float(zero_division)
    warnings.warn(
        "Specificity is undefined and set to NaN: y_true has no sample of the negative "
        "class. Use the zero_division parameter to control this.",
        UndefinedMetricWarning,
        stacklevel=2,
    )
    return float("nan")


def recall_at_specificity_score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    floor: float = 0.95,
    pos_label: Any = 1,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Compute the recall of decisions that reach a floor of specificity.

    An objective for choosing a decision threshold. Recall alone is none: it is highest
    where every cell is called parasitized.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels, two different ones.
    y_pred : array-like of shape (n_samples,)
        Predicted labels: decisions, not probabilities.
    floor : float, default=0.95
        The lowest admissible specificity, 0 to 1.
    pos_label : int, float, bool or str, default=1
        The label of the positive (parasitized) class.
    sample_weight : array-like of shape (n_samples,), default=None
        Sample weights.

    Returns
    -------
    float
        The recall, 0 to 1, if the specificity is at least `floor`; otherwise
        ``specificity - floor``, which is negative, so that decisions that miss the
        floor rank below all that reach it, and the worse the more they miss it.

    Raises
    ------
    ValueError
        If `floor` is out of its range, the labels are not binary, `pos_label` is not
        one of them, or `y_true` lacks a class: recall or specificity is undefined then.

    See Also
    --------
    specificity_at_recall_score : The same with the two exchanged.
    make_recall_at_specificity_scorer : The same as a scorer.

    Examples
    --------
    >>> from malariafuse.metrics import recall_at_specificity_score
    >>> y_true = [0, 0, 0, 0, 1, 1, 1, 1]
    >>> recall_at_specificity_score(y_true, [0, 0, 0, 1, 1, 1, 1, 0], floor=0.75)
    0.75
    >>> recall_at_specificity_score(y_true, [0, 0, 1, 1, 1, 1, 1, 1], floor=0.75)
    -0.25
    """
    recall, specificity = _rates_of_two_classes(
        y_true, y_pred, floor, pos_label, sample_weight
    )
    return recall if specificity >= floor else specificity - floor


def specificity_at_recall_score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    floor: float = 0.95,
    pos_label: Any = 1,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Compute the specificity of decisions that reach a floor of recall.

    An objective for choosing a decision threshold where the share of missed infections
    is given and false alarms are to be few.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels, two different ones.
    y_pred : array-like of shape (n_samples,)
        Predicted labels: decisions, not probabilities.
    floor : float, default=0.95
        The lowest admissible recall, 0 to 1.
    pos_label : int, float, bool or str, default=1
        The label of the positive (parasitized) class.
    sample_weight : array-like of shape (n_samples,), default=None
        Sample weights.

    Returns
    -------
    float
        The specificity, 0 to 1, if the recall is at least `floor`; otherwise
        ``recall - floor``, which is negative, so that decisions that miss the floor
        rank below all that reach it, and the worse the more they miss it.

    Raises
    ------
    ValueError
        If `floor` is out of its range, the labels are not binary, `pos_label` is not
        one of them, or `y_true` lacks a class: recall or specificity is undefined then.

    See Also
    --------
    recall_at_specificity_score : The same with the two exchanged.
    make_specificity_at_recall_scorer : The same as a scorer.

    Examples
    --------
    >>> from malariafuse.metrics import specificity_at_recall_score
    >>> y_true = [0, 0, 0, 0, 1, 1, 1, 1]
    >>> specificity_at_recall_score(y_true, [0, 0, 1, 1, 1, 1, 1, 1], floor=0.9)
    0.5
    """
    recall, specificity = _rates_of_two_classes(
        y_true, y_pred, floor, pos_label, sample_weight
    )
    return specificity if recall >= floor else recall - floor


def check_floor(floor: float) -> None:
    """Raise ValueError unless `floor` is a share."""
    if not (isinstance(floor, Real) and 0 <= floor <= 1):
        raise ValueError(f"floor={floor!r}: expected a number between 0 and 1.")


def _rates_of_two_classes(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    floor: float,
    pos_label: Any,
    sample_weight: ArrayLike | None,
) -> tuple[float, float]:
    check_floor(floor)
    recall, specificity = _rates(y_true, y_pred, pos_label, sample_weight)
    # An error, where specificity_score gives NaN: TunedThresholdClassifierCV would take
    # NaN for the best score and choose a threshold without a word.
    for name, rate in (("positive", recall), ("negative", specificity)):
        if np.isnan(rate):
            raise ValueError(
                f"y_true has no sample of the {name} class (pos_label={pos_label!r}): "
                "recall or specificity is undefined. In cross-validation, use folds "
                "that hold both classes, as StratifiedGroupKFold makes."
            )
    return recall, specificity


def _rates(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    pos_label: Any,
    sample_weight: ArrayLike | None,
) -> tuple[float, float]:
    """Return recall and specificity; NaN where `y_true` lacks the class."""
    check_consistent_length(y_true, y_pred, sample_weight)
    truth, decision = column_or_1d(y_true), column_or_1d(y_pred)
    if not len(truth):
        raise ValueError(
            "y_true and y_pred are empty: expected the labels of at least one sample."
        )
    _check_labels(unique_labels(truth, decision), pos_label)
    weight = (
        np.ones(len(truth))
        if sample_weight is None
        else check_array(
            sample_weight, ensure_2d=False, dtype=float, input_name="sample_weight"
        )
    )
    positive, right = truth == pos_label, truth == decision
    return _share(weight, positive, right), _share(weight, ~positive, right)


def _share(weight: NDArray[Any], among: NDArray[Any], right: NDArray[Any]) -> float:
    total = weight[among].sum()
    return float(weight[among & right].sum() / total) if total else float("nan")


def _check_labels(labels: NDArray[Any], pos_label: Any) -> None:
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
