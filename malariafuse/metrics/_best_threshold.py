"""Recall and specificity at the best threshold of scores."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from malariafuse._arrays import as_labels, check_length
from malariafuse._cells import check_sample_weight, check_scores, warn_of_decisions
from malariafuse._parameters import Reals, check_parameter
from malariafuse.metrics._rates import (
    ROUNDING,
    check_two_labels,
    no_sample_of,
)

Floats = NDArray[np.float64]


def recall_at_specificity_score(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    min_specificity: float = 0.95,
    pos_label: Any = 1,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Compute the best recall among thresholds of a minimum specificity.

    Also known as sensitivity at specificity: a point of the ROC curve.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels, two different ones.
    y_score : array-like of shape (n_samples,)
        Scores of the positive class, higher for more certain ones: probabilities or
        values of a decision function.
    min_specificity : float, default=0.95
        Lowest admissible specificity, 0 to 1.
    pos_label : int, float, bool or str, default=1
        Label of the positive (parasitized) class.
    sample_weight : array-like of shape (n_samples,), default=None
        Sample weights, at least 0.

    Returns
    -------
    float
        The recall, 0 to 1.

    Raises
    ------
    ValueError
        If an argument is not as described, the labels are not binary, `pos_label` is
        not one of them, or `y_true` lacks a class.

    See Also
    --------
    specificity_at_recall_score : The same with the two exchanged.
    constrained_recall_score : The recall of decisions, at one threshold.
    make_recall_at_specificity_scorer : The same as a scorer.
    malariafuse.model_selection.choose_threshold : The threshold itself.

    Notes
    -----
    A threshold calls all samples positive whose score is at least as high; scores in
    between are not interpolated. A threshold above all scores reaches every
    specificity, with a recall of 0. The threshold is chosen on the same samples, so the
    value is too high for one that is chosen beforehand.

    Examples
    --------
    >>> from malariafuse.metrics import recall_at_specificity_score
    >>> y_true = [0, 0, 0, 0, 1, 1, 1, 1]
    >>> y_score = [0.1, 0.2, 0.3, 0.6, 0.4, 0.7, 0.8, 0.9]
    >>> recall_at_specificity_score(y_true, y_score, min_specificity=0.75)
    1.0
    >>> recall_at_specificity_score(y_true, y_score, min_specificity=0.95)
    0.75
    """
    check_parameter("min_specificity", min_specificity, [Reals(0, 1)])
    recall, specificity = _curves(y_true, y_score, pos_label, sample_weight)
    return float(recall[specificity >= min_specificity - ROUNDING].max())


def specificity_at_recall_score(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    min_recall: float = 0.95,
    pos_label: Any = 1,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Compute the best specificity among thresholds of a minimum recall.

    Also known as specificity at sensitivity: a point of the ROC curve.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels, two different ones.
    y_score : array-like of shape (n_samples,)
        Scores of the positive class, higher for more certain ones: probabilities or
        values of a decision function.
    min_recall : float, default=0.95
        Lowest admissible recall, 0 to 1.
    pos_label : int, float, bool or str, default=1
        Label of the positive (parasitized) class.
    sample_weight : array-like of shape (n_samples,), default=None
        Sample weights, at least 0.

    Returns
    -------
    float
        The specificity, 0 to 1.

    Raises
    ------
    ValueError
        If an argument is not as described, the labels are not binary, `pos_label` is
        not one of them, or `y_true` lacks a class.

    See Also
    --------
    recall_at_specificity_score : The same with the two exchanged; its notes hold here
        too.
    constrained_specificity_score : The specificity of decisions, at one threshold.
    make_specificity_at_recall_scorer : The same as a scorer.

    Examples
    --------
    >>> from malariafuse.metrics import specificity_at_recall_score
    >>> y_true = [0, 0, 0, 0, 1, 1, 1, 1]
    >>> y_score = [0.1, 0.2, 0.3, 0.6, 0.4, 0.7, 0.8, 0.9]
    >>> specificity_at_recall_score(y_true, y_score, min_recall=0.75)
    1.0
    >>> specificity_at_recall_score(y_true, y_score, min_recall=0.95)
    0.75
    """
    check_parameter("min_recall", min_recall, [Reals(0, 1)])
    recall, specificity = _curves(y_true, y_score, pos_label, sample_weight)
    return float(specificity[recall >= min_recall - ROUNDING].max())


def _curves(
    y_true: ArrayLike,
    y_score: ArrayLike,
    pos_label: Any,
    sample_weight: ArrayLike | None,
) -> tuple[Floats, Floats]:
    """Return recall and specificity at all thresholds, the highest first."""
    truth, score = as_labels(y_true, "y_true"), check_scores(y_score)
    warn_of_decisions(score, name="y_score")
    check_length(score, len(truth), name="y_score")
    check_two_labels(pos_label, y_true=truth)
    weight = check_sample_weight(sample_weight, len(truth))
    values, place = np.unique(-score, return_inverse=True)
    of_kind = []
    for kind, chosen in (
        ("positive", truth == pos_label),
        ("negative", truth != pos_label),
    ):
        called = np.r_[
            0, np.bincount(place, weights=weight * chosen, minlength=len(values))
        ].cumsum()
        if not called[-1]:
            raise no_sample_of(kind, pos_label)
        of_kind.append(called)
    found, alarms = of_kind
    return found / found[-1], (alarms[-1] - alarms) / alarms[-1]
