"""Differences of several classifiers on the same cells."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray

from malariafuse._cells import (
    Cells,
)
from malariafuse._parameters import Nothing, OneOf, check_parameter
from malariafuse.evaluation._bootstrap import (
    check_resampling,
    replicate,
)
from malariafuse.evaluation._classifiers import check_classifiers, check_thresholds
from malariafuse.evaluation._difference import Difference
from malariafuse.evaluation._intervals import Interval, Scale
from malariafuse.evaluation._measures import Measures, check_metrics
from malariafuse.evaluation._unseen import UnseenOfMetrics


def compare(
    y_true: ArrayLike,
    probabilities: Mapping[str, ArrayLike],
    groups: ArrayLike,
    *,
    reference: str | None = None,
    threshold: float | Mapping[str, float] = 0.5,
    pos_label: Any = None,
    metrics: Sequence[str] = ("recall", "specificity", "accuracy", "roc_auc"),
    n_resamples: int = 2000,
    confidence_level: float = 0.95,
    random_state: int | RandomState | None = None,
) -> pd.DataFrame:
    """Compare classifiers with one of them, on the same cells and patients.

    Parameters
    ----------
    y_true : array-like of shape (n_cells,)
        Labels: 1 for a parasitized cell, 0 for an uninfected one, or others with
        `pos_label`.
    probabilities : mapping of str to array-like of shape (n_cells,)
        Name of each classifier, at least two, and its probabilities of the positive
        class, 0 to 1, out of fold.
    groups : array-like of shape (n_cells,)
        Patient of each cell; at least two.
    reference : str, default=None
        Name of the classifier that the others are compared with. None is the first.
    threshold : float or mapping of str to float, default=0.5
        Probability from which on a cell is called parasitized, 0 to 1. A mapping has
        one for each classifier.
    pos_label : int, float, bool or str, default=None
        Label of the positive (parasitized) class. None takes the labels 0 and 1, or
        booleans; other labels need it.
    metrics : sequence of str, default=("recall", "specificity", "accuracy", "roc_auc")
        Names of the metrics to compare, each once, among those of :func:`summarize`.
    n_resamples : int, default=2000
        Number of times that the patients are drawn, at least 100.
    confidence_level : float, default=0.95
        Confidence level of each interval, 0 to 1, both excluded.
    random_state : int, RandomState instance or None, default=None
        Random seed of the draws. Pass an int for the same intervals in every call.

    Returns
    -------
    DataFrame of shape ((n_classifiers - 1) * n_metrics, 7), float64
        Rows by "classifier" and "metric". The columns are the "value" of the
        classifier, that of the "reference", the "difference" of the two, positive where
        the classifier has the larger value, the bounds "low" and "high" of the
        difference, "p_value" and "p_holm", which is corrected for all rows.

    Raises
    ------
    TypeError
        If `probabilities` is no mapping, or `metrics` no sequence.
    ValueError
        If an argument is not as described, or `y_true` has one class only.

    Warns
    -----
    UserWarning
        If probabilities of a classifier have two values only, or its ROC AUC is below
        0.5.

    See Also
    --------
    comparison_table : The metrics themselves.

    Notes
    -----
    The differences are paired: every draw of patients serves both classifiers, so what
    is hard in a patient for both of them cancels out. As in :func:`summarize`, errors
    are those of the draws on the scale of logits, with quantiles of Student's t.
    Interval and p-value agree: the interval at `confidence_level` holds 0 where the
    p-value is larger than ``1 - confidence_level``. Holm's correction [1]_ keeps the
    chance of one false finding among all rows below the level that `p_holm` is compared
    with; intervals are not corrected.

    **Without an error.** Where a metric of one of the two does not vary, as with a
    recall of 1, its interval allows for unseen patients as in :func:`summarize`, and is
    combined with that of the other classifier: the squares of their widths add up [2]_.
    The cells of the one are taken to be as alike within patients as those of the other,
    so that more than the number of patients counts where errors are scattered [3]_.
    Where the difference itself does not vary, the interval allows for unseen patients
    in whom one classifier is always right and the other always wrong. Only a classifier
    and its copy differ by 0 for certain.

    Intervals and p-values are NaN where a value is undefined, or where more than 3 % of
    the draws leave one undefined that varies.

    Two fits of one classifier differ as well, by their random numbers alone. A
    difference found here is one between the fitted classifiers.

    References
    ----------
    .. [1] S. Holm, "A simple sequentially rejective multiple test procedure",
       Scandinavian Journal of Statistics 6(2), 1979, pages 65 to 70.
    .. [2] G. Y. Zou, A. Donner, "Construction of confidence limits about effect
       measures: a general approach", Statistics in Medicine 27(10), 2008, pages 1693 to
       1702.
    .. [3] E. L. Korn, B. I. Graubard, "Confidence intervals for proportions with small
       expected number of positive counts estimated from survey data", Survey
       Methodology 24(2), 1998, pages 193 to 201.

    Examples
    --------
    >>> import numpy as np
    >>> from malariafuse.evaluation import compare
    >>> rng = np.random.default_rng(0)
    >>> patient = np.repeat(np.arange(30), 20)
    >>> y_true = rng.integers(0, 2, 600)
    >>> signal = 0.2 + 0.6 * y_true + rng.normal(0, 0.1, 30)[patient]
    >>> sharp = np.clip(signal + rng.normal(0, 0.2, 600), 0, 1)
    >>> blunt = np.clip(signal + rng.normal(0, 0.4, 600), 0, 1)
    >>> compare(
    ...     y_true, {"sharp": sharp, "blunt": blunt}, patient, random_state=0
    ... ).loc["blunt", ["difference", "low", "high"]].round(3)
                 difference    low   high
    metric
    recall           -0.155 -0.238 -0.076
    specificity      -0.165 -0.240 -0.095
    accuracy         -0.160 -0.215 -0.107
    roc_auc          -0.133 -0.186 -0.091
    """
    check_resampling(n_resamples, confidence_level)
    metrics = check_metrics(metrics)
    cells = check_classifiers(y_true, probabilities, groups, pos_label)
    thresholds = check_thresholds(threshold, cells)
    if len(cells) < 2:
        raise ValueError(
            f"probabilities has the classifiers {list(cells)}: expected at least two."
        )
    check_parameter("reference", reference, [Nothing(), OneOf(*cells)])
    base = next(iter(cells)) if reference is None else reference

    measures = [Measures(cells[name], thresholds[name], metrics) for name in cells]
    # One call for all of them: every draw of patients serves every classifier.
    replicates = replicate(
        lambda weights: np.hstack([measure(weights) for measure in measures]),
        n_clusters=cells[base].n_clusters,
        n_cells=len(cells[base].target),
        n_resamples=n_resamples,
        random_state=random_state,
    )
    intervals = {
        name: Interval(
            replicates.of(slice(number * len(metrics), (number + 1) * len(metrics))),
            Scale.of(metrics, len(cells[base].target)),
            UnseenOfMetrics(cells[name], thresholds[name], metrics),
        )
        for number, name in enumerate(cells)
    }
    rows = {}
    for name in cells:
        if name == base:
            continue
        difference = Difference(
            intervals[name],
            intervals[base],
            same=_same(cells, thresholds, name, base),
        )
        bounds = difference.interval(confidence_level)
        rows[name] = pd.DataFrame(
            {
                "value": intervals[name].value,
                "reference": intervals[base].value,
                "difference": difference.value,
                "low": bounds.low,
                "high": bounds.high,
                "p_value": difference.p_values(),
            },
            index=pd.Index(metrics, name="metric"),
        )
    table = pd.concat(rows, names=["classifier"])
    table["p_holm"] = _holm(table["p_value"].to_numpy())
    return table


def _same(
    cells: dict[str, Cells], thresholds: dict[str, float], one: str, other: str
) -> bool:
    """Return whether two classifiers say the same of every cell."""
    own, others = cells[one].probability, cells[other].probability
    return np.array_equal(own, others) and np.array_equal(
        own >= thresholds[one], others >= thresholds[other]
    )


def _holm(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correct p-values for their number; NaN stays NaN and does not count."""
    corrected = np.full(len(p_values), np.nan)
    order = np.argsort(p_values)[: np.isfinite(p_values).sum()]
    factors = np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(1, np.maximum.accumulate(factors * p_values[order]))
    return corrected
