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

    Specificity, the true negative rate, is the proportion of uninfected cells that are
    predicted as uninfected: ``tn / (tn + fp)``. It is the recall of the negative class.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels of at most two classes.
    y_pred : array-like of shape (n_samples,)
        Predicted labels.
    pos_label : int, float, bool or str, default=1
        Label of the positive (parasitized) class. The other label is negative.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative sample weights.
    zero_division : {"warn"} or float, default="warn"
        Return value if there is no negative sample. "warn" returns NaN and emits an
        ``UndefinedMetricWarning``. A number, which may be NaN, is returned without a
        warning.

    Returns
    -------
    float
        Specificity, in [0, 1], or the value of `zero_division`.

    Raises
    ------
    ValueError
        If there are no samples, an argument is invalid, the labels are not binary, or
        `pos_label` is not one of them.

    See Also
    --------
    sklearn.metrics.recall_score : Recall (sensitivity) of the positive class.
    specificity_at_recall_score : Highest specificity that reaches a minimum recall.
    constrained_recall_score : Recall, subject to a minimum specificity.

    Notes
    -----
    Unlike in :func:`sklearn.metrics.recall_score`, an undefined score is NaN by
    default, not 0: without uninfected cells, the specificity is unknown.

    Use ``make_scorer(specificity_score)`` with :func:`sklearn.metrics.make_scorer` to
    get a scorer.

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
