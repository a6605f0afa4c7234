"""Recall or specificity of decisions, subject to a minimum of the other."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from malariafuse._parameters import Reals, check_parameter
from malariafuse.metrics._rates import ROUNDING, no_sample_of, rates


def constrained_recall_score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    min_specificity: float = 0.95,
    pos_label: Any = 1,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Compute the recall, subject to a minimum specificity.

    Use it as the objective when you tune a decision threshold. Recall alone is not a
    useful objective: it is highest if every cell is called parasitized.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels of exactly two classes.
    y_pred : array-like of shape (n_samples,)
        Predicted labels: decisions, not probabilities.
    min_specificity : float, default=0.95
        Minimum specificity, in [0, 1].
    pos_label : int, float, bool or str, default=1
        Label of the positive (parasitized) class.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative sample weights.

    Returns
    -------
    float
        Recall, in [0, 1], if the specificity is at least `min_specificity`. Otherwise
        the shortfall ``specificity - min_specificity``, in [-1, 0).

    Raises
    ------
    ValueError
        If an argument is invalid, the labels are not binary, `pos_label` is not one of
        them, or `y_true` lacks a class. Recall or specificity is undefined without
        samples of both classes.

    See Also
    --------
    constrained_specificity_score : Specificity, subject to a minimum recall.
    make_constrained_recall_scorer : This metric as a scorer.
    recall_at_specificity_score : Highest recall over all thresholds of the scores.

    Notes
    -----
    A negative value is not a recall but the shortfall of the specificity: -0.02 for a
    specificity of 0.93 and a minimum of 0.95. Decisions that miss the minimum therefore
    rank below all decisions that reach it. A search in which every candidate misses the
    minimum returns the closest one.

    Examples
    --------
    >>> from malariafuse.metrics import constrained_recall_score
    >>> y_true = [0, 0, 0, 0, 1, 1, 1, 1]
    >>> y_pred = [0, 0, 0, 1, 1, 1, 1, 0]  # specificity 3/4, recall 3/4
    >>> constrained_recall_score(y_true, y_pred, min_specificity=0.75)
    0.75
    >>> constrained_recall_score(y_true, y_pred, min_specificity=1.0)
    -0.25
    """
    check_parameter("min_specificity", min_specificity, [Reals(0, 1)])
    recall, specificity = _rates_of_two_classes(
        y_true, y_pred, pos_label, sample_weight
    )
    return _constrained(recall, specificity, min_specificity)


def constrained_specificity_score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    min_recall: float = 0.95,
    pos_label: Any = 1,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Compute the specificity, subject to a minimum recall.

    Use it as the objective when you tune a decision threshold for few false alarms and
    the recall is fixed in advance.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels of exactly two classes.
    y_pred : array-like of shape (n_samples,)
        Predicted labels: decisions, not probabilities.
    min_recall : float, default=0.95
        Minimum recall, in [0, 1].
    pos_label : int, float, bool or str, default=1
        Label of the positive (parasitized) class.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative sample weights.

    Returns
    -------
    float
        Specificity, in [0, 1], if the recall is at least `min_recall`. Otherwise the
        shortfall ``recall - min_recall``, in [-1, 0).

    Raises
    ------
    ValueError
        If an argument is invalid, the labels are not binary, `pos_label` is not one of
        them, or `y_true` lacks a class. Recall or specificity is undefined without
        samples of both classes.

    See Also
    --------
    constrained_recall_score : Recall, subject to a minimum specificity. Its notes
        explain negative values.
    make_constrained_specificity_scorer : This metric as a scorer.
    specificity_at_recall_score : Highest specificity over all thresholds of the scores.

    Examples
    --------
    >>> from malariafuse.metrics import constrained_specificity_score
    >>> y_true = [0, 0, 0, 0, 1, 1, 1, 1]
    >>> y_pred = [0, 0, 1, 1, 1, 1, 1, 1]  # specificity 1/2, recall 1
    >>> constrained_specificity_score(y_true, y_pred, min_recall=0.9)
    0.5
    """
    check_parameter("min_recall", min_recall, [Reals(0, 1)])
    recall, specificity = _rates_of_two_classes(
        y_true, y_pred, pos_label, sample_weight
    )
    return _constrained(specificity, recall, min_recall)


def _constrained(rate: float, limited: float, minimum: float) -> float:
    return rate if limited >= minimum - ROUNDING else limited - minimum


def _rates_of_two_classes(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    pos_label: Any,
    sample_weight: ArrayLike | None,
) -> tuple[float, float]:
    recall, specificity = rates(y_true, y_pred, pos_label, sample_weight)
    # An error, where specificity_score gives NaN: TunedThresholdClassifierCV would take
    # NaN for the best score and choose a threshold without a word.
    for kind, rate in (("positive", recall), ("negative", specificity)):
        if np.isnan(rate):
            raise no_sample_of(kind, pos_label)
    return recall, specificity
