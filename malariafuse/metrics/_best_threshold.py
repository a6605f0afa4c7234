"""Best recall or specificity over all thresholds of the scores."""

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
    """Compute the highest recall that reaches a minimum specificity.

    The maximum is taken over all decision thresholds. Also known as sensitivity at
    specificity. It is a point on the ROC curve.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels of exactly two classes.
    y_score : array-like of shape (n_samples,)
        Scores of the positive class: probabilities or values of a decision function. A
        higher score means that the sample is more likely positive.
    min_specificity : float, default=0.95
        Minimum specificity, in [0, 1].
    pos_label : int, float, bool or str, default=1
        Label of the positive (parasitized) class.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative sample weights.

    Returns
    -------
    float
        Recall, in [0, 1].

    Raises
    ------
    ValueError
        If an argument is invalid, the labels are not binary, `pos_label` is not one of
        them, or `y_true` lacks a class.

    See Also
    --------
    specificity_at_recall_score : Highest specificity that reaches a minimum recall.
    constrained_recall_score : Recall of decisions made at one threshold.
    make_recall_at_specificity_scorer : This metric as a scorer.
    malariafuse.model_selection.choose_threshold : Choose the threshold itself.

    Notes
    -----
    A sample is called positive if its score is at least the threshold. The ROC curve is
    not interpolated between scores. A threshold above all scores has a specificity of 1
    and a recall of 0.

    The threshold is chosen on the same samples that are scored. The result is therefore
    optimistic compared with a threshold that was chosen beforehand.

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
    """Compute the highest specificity that reaches a minimum recall.

    The maximum is taken over all decision thresholds. Also known as specificity at
    sensitivity. It is a point on the ROC curve.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels of exactly two classes.
    y_score : array-like of shape (n_samples,)
        Scores of the positive class: probabilities or values of a decision function. A
        higher score means that the sample is more likely positive.
    min_recall : float, default=0.95
        Minimum recall, in [0, 1].
    pos_label : int, float, bool or str, default=1
        Label of the positive (parasitized) class.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative sample weights.

    Returns
    -------
    float
        Specificity, in [0, 1].

    Raises
    ------
    ValueError
        If an argument is invalid, the labels are not binary, `pos_label` is not one of
        them, or `y_true` lacks a class.

    See Also
    --------
    recall_at_specificity_score : Highest recall that reaches a minimum specificity. Its
        notes also apply here.
    constrained_specificity_score : Specificity of decisions made at one threshold.
    make_specificity_at_recall_scorer : This metric as a scorer.

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
    """Return recall and specificity at all thresholds, in descending order."""
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
