"""Metrics of one classifier, with confidence intervals."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.random import RandomState
from numpy.typing import ArrayLike

from malariafuse._cells import Cells, check_cells, warn_of_suspicious
from malariafuse._parameters import Reals, check_parameter
from malariafuse.evaluation._bootstrap import (
    check_resampling,
    replicate,
)
from malariafuse.evaluation._intervals import Interval, Scale
from malariafuse.evaluation._measures import EXCESS, METRICS, Measures
from malariafuse.evaluation._unseen import UnseenOfMetrics


def summarize(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    threshold: float = 0.5,
    pos_label: Any = None,
    n_resamples: int = 2000,
    confidence_level: float = 0.95,
    random_state: int | RandomState | None = None,
) -> pd.DataFrame:
    """Compute metrics of a classifier with bootstrap intervals over patients.

    Parameters
    ----------
    y_true : array-like of shape (n_cells,)
        True labels: 1 for a parasitized cell, 0 for an uninfected cell. Other labels
        require `pos_label`.
    y_prob : array-like of shape (n_cells,)
        Probability of the positive class, in [0, 1]. The classifier must not be fitted
        on the patients of these cells.
    groups : array-like of shape (n_cells,), default=None
        Patient of each cell. At least two patients are required. None treats every cell
        as a separate patient, see the warning below.
    threshold : float, default=0.5
        Decision threshold, in [0, 1]. A cell is called parasitized if its probability
        is at least the threshold.
    pos_label : int, float, bool or str, default=None
        Label of the positive (parasitized) class. None requires the labels 0 and 1, or
        booleans.
    n_resamples : int, default=2000
        Number of bootstrap resamples of the patients, at least 100.
    confidence_level : float, default=0.95
        Confidence level of the intervals, in (0, 1).
    random_state : int, RandomState instance or None, default=None
        Random seed or generator of the bootstrap. Pass an int for reproducible
        intervals.

    Returns
    -------
    DataFrame of shape (11, 3), float64
        One row for each metric, with the columns "value", "low" and "high". The rows
        are:

        - "recall", "specificity", "precision", "f1" and "accuracy" at `threshold`, in
          [0, 1];
        - "mcc": Matthews correlation coefficient at `threshold`, in [-1, 1];
        - "roc_auc" and "average_precision", over all thresholds, in [0, 1];
        - "brier_score": mean squared difference between probability and label;
        - "calibration_error": expected calibration error, the mean absolute difference
          between mean probability and proportion of parasitized cells in ten bins of
          equal width, weighted by their cells;
        - "patient_averaged_recall": unweighted mean of the recalls of infected
          patients.

    Raises
    ------
    ValueError
        If an argument is invalid, or `y_true` has only one class.

    Warns
    -----
    UserWarning
        If `y_prob` has only two distinct values, or the ROC AUC is below 0.5.

    See Also
    --------
    patient_table : Tabulate cells and decisions by patient.
    comparison_table : Tabulate the metrics of several classifiers.

    Notes
    -----
    .. warning::
        Cells of one patient are correlated. Without `groups`, cells are resampled
        independently, and the intervals are too narrow. In a simulation of 100
        patients, 95 % intervals of recall contained the true value in less than half of
        the cases.

    Patients are resampled with replacement, together with all of their cells. An
    interval is the value plus and minus the bootstrap standard error times a quantile
    of Student's t, on the logit scale. Resamples more than ten times as close to 1 as
    the value are clipped. The degrees of freedom account for the unequal influence of
    patients on the metric. Percentile intervals, the usual choice [1]_, had lower
    coverage in simulations of few, strongly clustered patients, as measured by
    `benchmarks/interval_coverage.py`.

    **Metrics without errors.** Resamples do not vary if all patients agree, for example
    if the recall is 1. The bounds then allow for unseen patients of a different kind.
    If a proportion q of all patients were of this kind, none would be among n patients
    with probability ``(1 - q) ** n``. At the confidence level 0.95, the largest
    possible q is ``1 - 0.025 ** (1 / n)``, Clopper and Pearson's bound [2]_. All cells
    of such patients are assumed to be wrong, so the lower bound of a recall of 1 is
    ``0.025 ** (1 / n)``: 0.91 with 40 infected patients. If patients have different
    numbers of cells, n is Kish's effective sample size,
    ``sum(cells) ** 2 / sum(cells ** 2)``, over the cells that enter the metric. These
    bounds are conservative. The Brier score and the calibration error are sensitive to
    gross errors, even rare ones. If no probability differs from the label by 0.5 or
    more, their upper bounds allow for unseen patients in the same way.

    **Few errors.** If at most 5 patients, or n / 8 of fewer than 40, have an error, the
    resamples carry little information on the size of errors. The bound on the side of
    the errors is then the tighter of two: the bound of Clopper and Pearson, as if all
    cells of patients with an error were wrong, and the geometric mean of the patients'
    values times the bound without errors. It is never tighter than with fewer such
    patients. With three times as many such patients, the bootstrap is used alone. In
    between, the two are combined with weights. The average precision and the upper
    bound of the ROC AUC always use the bootstrap alone.

    The calibration error is biased upward in small samples, because noise of either
    sign increases it. Its interval is the value plus and minus the effect of noise, as
    estimated from the resamples.

    Undefined values are NaN: precision if no cell is called parasitized, the Matthews
    correlation coefficient if no cell or every cell is called parasitized, and the
    patient-averaged recall without `groups`. The bounds of an undefined value are NaN.
    They are also NaN if a metric that varies is undefined in more than 3 % of the
    resamples, such as the recall of two or three infected patients among many.

    References
    ----------
    .. [1] B. Efron, R. J. Tibshirani, "An Introduction to the Bootstrap", Chapman and
       Hall, 1993, chapter 13.
    .. [2] C. J. Clopper, E. S. Pearson, "The use of confidence or fiducial limits
       illustrated in the case of the binomial", Biometrika 26(4), 1934, pages 404 to
       413.

    Examples
    --------
    >>> import numpy as np
    >>> from malariafuse.evaluation import summarize
    >>> rng = np.random.default_rng(0)
    >>> patient = np.repeat(np.arange(30), 20)
    >>> y_true = rng.integers(0, 2, 600)
    >>> patients_own = rng.normal(0, 0.1, 30)[patient]
    >>> noise = rng.normal(0, 0.2, 600)
    >>> y_prob = np.clip(0.2 + 0.6 * y_true + patients_own + noise, 0, 1)
    >>> table = summarize(y_true, y_prob, patient, random_state=0)
    >>> table.loc[["recall", "roc_auc"]].round(3)
             value    low   high
    metric
    recall   0.919  0.820  0.966
    roc_auc  0.981  0.951  0.993
    """
    check_parameter("threshold", threshold, [Reals(0, 1)])
    check_resampling(n_resamples, confidence_level)
    cells = check_cells(
        y_true, y_prob, groups, pos_label=pos_label, groups_optional=True
    )
    warn_of_suspicious(cells)
    return metrics_with_intervals(
        cells,
        METRICS,
        threshold=threshold,
        n_resamples=n_resamples,
        confidence_level=confidence_level,
        random_state=random_state,
    )


def metrics_with_intervals(
    cells: Cells,
    metrics: tuple[str, ...],
    *,
    threshold: float,
    n_resamples: int,
    confidence_level: float,
    random_state: int | RandomState | None,
) -> pd.DataFrame:
    """Return the columns "value", "low" and "high" for each metric."""
    calibrated = "calibration_error" in metrics
    replicates = replicate(
        Measures(cells, threshold, metrics + EXCESS if calibrated else metrics),
        n_clusters=cells.n_clusters,
        n_cells=len(cells.target),
        n_resamples=n_resamples,
        random_state=random_state,
    )
    n = len(metrics)
    interval = Interval(
        replicates.of(slice(n)),
        Scale.of(metrics, len(cells.target)),
        UnseenOfMetrics(cells, threshold, metrics),
    )
    tail = float(1 - confidence_level) / 2
    bounds = interval.at(tail)
    value, low, high = interval.value, bounds.low, bounds.high
    if calibrated:
        # Noise in the errors of the bins changes the sum of their absolute values by at
        # most the sum of the absolute noise.
        noise = np.abs(replicates.resampled - replicates.value)[:, n:].sum(axis=1)
        reach = np.quantile(noise, 1 - tail)
        here = metrics.index("calibration_error")
        low[here] = max(0.0, value[here] - reach)
        high[here] = min(1.0, value[here] + reach)
        unseen_low, unseen_high = interval.unseen.bounds(np.full(n, tail), np.ones(n))
        weight = interval.unseen.weights_of_draws[1][here]
        if interval.at_limit[here]:
            low[here] = min(low[here], unseen_low[here])
            weight = 0
        with_unseen = weight * high[here] + (1 - weight) * unseen_high[here]
        high[here] = max(high[here], with_unseen)
    return pd.DataFrame(
        {"value": value, "low": low, "high": high},
        index=pd.Index(metrics, name="metric"),
    )
