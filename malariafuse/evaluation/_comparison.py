"""Differences between classifiers on the same cells."""

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
    """Compare classifiers with a reference classifier on the same cells.

    Parameters
    ----------
    y_true : array-like of shape (n_cells,)
        True labels: 1 for a parasitized cell, 0 for an uninfected cell. Other labels
        require `pos_label`.
    probabilities : mapping of str to array-like of shape (n_cells,)
        Out-of-fold probabilities of the positive class, in [0, 1], by name of the
        classifier. At least two classifiers are required.
    groups : array-like of shape (n_cells,)
        Patient of each cell. At least two patients are required.
    reference : str, default=None
        Name of the classifier with which the others are compared. None uses the first.
    threshold : float or mapping of str to float, default=0.5
        Decision threshold, in [0, 1]. A cell is called parasitized if its probability
        is at least the threshold. A mapping has one threshold for each classifier.
    pos_label : int, float, bool or str, default=None
        Label of the positive (parasitized) class. None requires the labels 0 and 1, or
        booleans.
    metrics : sequence of str, default=("recall", "specificity", "accuracy", "roc_auc")
        Names of the metrics to compare, without repetition. See :func:`summarize` for
        the available metrics.
    n_resamples : int, default=2000
        Number of bootstrap resamples of the patients, at least 100.
    confidence_level : float, default=0.95
        Confidence level of the intervals, in (0, 1).
    random_state : int, RandomState instance or None, default=None
        Random seed or generator of the bootstrap. Pass an int for reproducible
        intervals.

    Returns
    -------
    DataFrame of shape ((n_classifiers - 1) * n_metrics, 7), float64
        One row for each "classifier" and "metric". The columns are the "value" of the
        classifier, the value of the "reference", their "difference", the bounds "low"
        and "high" of the difference, the "p_value", and "p_holm", the p-value corrected
        for all rows. The difference is positive if the classifier has the larger value.

    Raises
    ------
    TypeError
        If `probabilities` is not a mapping, or `metrics` is not a sequence.
    ValueError
        If an argument is invalid, or `y_true` has only one class.

    Warns
    -----
    UserWarning
        If the probabilities of a classifier have only two distinct values, or its ROC
        AUC is below 0.5.

    See Also
    --------
    comparison_table : Compute the metrics of each classifier.

    Notes
    -----
    The differences are paired: both classifiers are evaluated on the same bootstrap
    resamples of the patients, so difficulties that they share cancel out. As in
    :func:`summarize`, standard errors are computed on the logit scale, with quantiles
    of Student's t. The interval contains 0 if and only if the p-value exceeds
    ``1 - confidence_level``. Holm's correction [1]_ controls the family-wise error rate
    over all rows. Intervals are not corrected.

    **Metrics without errors.** If the metric of one classifier does not vary between
    resamples, such as a recall of 1, its interval allows for unseen patients as in
    :func:`summarize`. The two intervals are combined by adding the squares of their
    widths [2]_. The correlation of cells within patients is taken from the other
    classifier, so that the effective sample size exceeds the number of patients if
    errors are scattered [3]_. If the difference itself does not vary, the interval
    allows for unseen patients in whom one classifier is always right and the other
    always wrong. Only a classifier and its exact copy have a difference of 0 with
    certainty.

    Intervals and p-values are NaN if a value is undefined, or if a value that varies is
    undefined in more than 3 % of the resamples.

    The differences are between fitted classifiers. Two fits of the same classifier with
    different random seeds also differ.

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
    # One call for all classifiers, so that they share the resamples.
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
    """Return whether two classifiers agree on every cell."""
    own, others = cells[one].probability, cells[other].probability
    return np.array_equal(own, others) and np.array_equal(
        own >= thresholds[one], others >= thresholds[other]
    )


def _holm(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Apply Holm's correction to p-values. NaN stays NaN and is not counted."""
    corrected = np.full(len(p_values), np.nan)
    order = np.argsort(p_values)[: np.isfinite(p_values).sum()]
    factors = np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(1, np.maximum.accumulate(factors * p_values[order]))
    return corrected
