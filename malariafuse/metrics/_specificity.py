"""Specificity of binary decisions."""

import warnings
from numbers import Real
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from sklearn.exceptions import UndefinedMetricWarning

from malariafuse._shown import short_repr
from malariafuse.metrics._rates import rates


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
        Label of the positive (parasitized) class; the other one is negative.
    sample_weight : array-like of shape (n_samples,), default=None
        Sample weights, at least 0.
    zero_division : {"warn"} or float, default="warn"
        Value where there is no negative sample: "warn" returns NaN with an
        ``UndefinedMetricWarning``, a number (NaN included) is returned in silence.

    Returns
    -------
    float
        The specificity, 0 to 1, or the value of `zero_division`.

    Raises
    ------
    ValueError
        If there is no sample, an argument is not as described, the labels are not
        binary or `pos_label` is not one of them.

    See Also
    --------
    sklearn.metrics.recall_score : Recall (sensitivity) of the positive class.
    specificity_at_recall_score : The best specificity of scores whose recall is high
        enough.
    constrained_recall_score : Recall, if specificity is high enough.

    Notes
    -----
    Unlike :func:`sklearn.metrics.recall_score`, an undefined score is NaN by default
    and not 0: a set without uninfected cells says nothing about specificity.

    As a scorer it is ``make_scorer(specificity_score)``, with
    :func:`sklearn.metrics.make_scorer`.

    Examples
    --------
    >>> from malariafuse.metrics import specificity_score
    >>> specificity_score([0, 0, 0, 0, 1, 1], [0, 0, 0, 1, 1, 0])
    0.75
    """
    if not isinstance(zero_division, Real) and not (
        isinstance(zero_division, str) and zero_division == "warn"
    ):
        raise ValueError(
            f"zero_division={short_repr(zero_division)}: expected 'warn' or a number."
        )
    _, specificity = rates(y_true, y_pred, pos_label, sample_weight)
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
