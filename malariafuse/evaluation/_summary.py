"""The metrics of one classifier, with intervals."""

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
    """Compute metrics of a classifier, with intervals from resampled patients.

    Parameters
    ----------
    y_true : array-like of shape (n_cells,)
        Labels: 1 for a parasitized cell, 0 for an uninfected one, or others with
        `pos_label`.
    y_prob : array-like of shape (n_cells,)
        Probabilities of the positive class, 0 to 1, for cells of patients that the
        classifier was not fitted on.
    groups : array-like of shape (n_cells,), default=None
        Patient of each cell; at least two. None takes every cell for a patient of its
        own, see the warning below.
    threshold : float, default=0.5
        Probability from which on a cell is called parasitized, 0 to 1.
    pos_label : int, float, bool or str, default=None
        Label of the positive (parasitized) class. None takes the labels 0 and 1, or
        booleans; other labels need it.
    n_resamples : int, default=2000
        Number of times that the patients are drawn, at least 100.
    confidence_level : float, default=0.95
        Confidence level of each interval, 0 to 1, both excluded.
    random_state : int, RandomState instance or None, default=None
        Random seed of the draws. Pass an int for the same intervals in every call.

    Returns
    -------
    DataFrame of shape (11, 3), float64
        The columns are "value", "low" and "high", the rows:

        - "recall", "specificity", "precision", "f1", "accuracy" and "mcc" (Matthews'
          correlation coefficient, -1 to 1; all others are 0 to 1), at `threshold`;
        - "roc_auc" and "average_precision", over all thresholds;
        - "brier_score", the mean squared difference of probability and label;
        - "calibration_error", the expected calibration error: the mean absolute
          difference of probability and share of parasitized cells in ten bins of equal
          width, weighted by their cells;
        - "patient_averaged_recall": the mean of the recalls of the infected patients,
          each of whom counts alike however many cells there are.

    Raises
    ------
    ValueError
        If an argument is not as described, or `y_true` has one class only.

    Warns
    -----
    UserWarning
        If `y_prob` holds two values only, or the ROC AUC is below 0.5.

    See Also
    --------
    patient_table : The same classifier, patient by patient.
    comparison_table : The metrics of several classifiers.

    Notes
    -----
    .. warning::
        Cells of one patient resemble each other. Without `groups`, cells are drawn one
        by one, as if each came from a patient of its own, and the intervals are too
        narrow: in a simulation of 100 patients, 95 % intervals of recall held the truth
        in less than half of the cases.

    Patients are drawn with replacement, all cells of a patient together. An interval is
    the value plus and minus the standard error that the draws give, times a quantile of
    Student's t, on the scale of logits, on which values near 1 spread evenly; no draw
    counts there as more than ten times as close to 1 as the value itself. The
    degrees of freedom follow from how unevenly the patients bear on the metric: few
    patients with many cells are few. Percentiles of the draws, the usual choice [1]_,
    held the truth less often in simulations of few, strongly clustered patients:
    `benchmarks/interval_coverage.py` measures it.

    **Without an error.** Draws do not vary where all patients agree, as with a recall
    of 1. The bounds then allow for patients unlike those that were seen. If a share q
    of all patients were of another kind, n patients would show none of it with
    probability ``(1 - q) ** n``; at the level 0.95, the largest q that this leaves
    possible is ``1 - 0.025 ** (1 / n)``, Clopper and Pearson's bound [2]_. All cells of
    such patients are taken to be wrong, so the lower bound of a recall of 1 is
    ``0.025 ** (1 / n)``: 0.91 with 40 infected patients. Where patients differ in
    the number of their cells, n is Kish's effective number of those that the metric
    counts, ``sum(cells) ** 2 / sum(cells ** 2)``. These bounds are conservative.

    The Brier score and the calibration error depend on gross errors, even on rare ones.
    Where no probability is off by 0.5 or more, their upper bounds allow for unseen
    patients in the same way.

    **Few errors.** Where at most 5 patients, or n / 8 of fewer than 40, have an error,
    the draws say little of how bad errors may be. The bound on the side of the errors
    is then the better of two, and never better than with fewer of these patients: the
    bound of Clopper and Pearson, as if all cells of patients with an error were wrong,
    and the geometric mean of what the patients have, times the bound without an error.
    With three times as many such patients, the draws alone count, and in between both
    do in part. The average precision has the bounds of the draws alone, and
    so has the upper end of the ROC AUC.

    The calibration error is too large in small samples, since noise adds to it whatever
    its sign. Its interval is the value plus and minus what the draws show to be within
    the reach of noise alone.

    Values are NaN where they are undefined: precision where no cell is called
    parasitized, Matthews' correlation coefficient there and where all are, and the
    patient-averaged recall without `groups`. Bounds are NaN there, and where more than
    3 % of the draws leave a metric undefined that varies, as the recall of two or three
    infected patients among many: so few do not show how much patients differ.

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
    """Return the columns "value", "low" and "high" for each of `metrics`."""
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
        # The errors of the bins are off by noise, and so is the sum of their sizes, by
        # at most the sum of the sizes of the noise.
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
