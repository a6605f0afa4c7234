"""The figures of one classifier, with intervals."""

import numpy as np
import pandas as pd
from numpy.random import RandomState
from numpy.typing import ArrayLike

from malariafuse._cells import Cells, check_cells, check_share
from malariafuse.evaluation._bootstrap import (
    check_resampling,
    replicate,
)
from malariafuse.evaluation._intervals import Scale, interval
from malariafuse.evaluation._measures import EXCESS, METRICS, Measures


def summarize(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    threshold: float = 0.5,
    n_resamples: int = 2000,
    confidence_level: float = 0.95,
    random_state: int | RandomState | None = None,
) -> pd.DataFrame:
    """Compute the figures of a classifier, with intervals from resampled patients.

    Parameters
    ----------
    y_true : array-like of shape (n_cells,)
        Labels: 1 for a parasitized cell, 0 for an uninfected one.
    y_prob : array-like of shape (n_cells,)
        Probability of the positive class, 0 to 1, of cells whose patients the
        classifier was not fitted on.
    groups : array-like of shape (n_cells,), default=None
        The patient of each cell; at least two. None takes every cell for a patient of
        its own, see the warning below.
    threshold : float, default=0.5
        From this probability on, a cell is called parasitized.
    n_resamples : int, default=2000
        How many times the patients are drawn, at least 100.
    confidence_level : float, default=0.95
        How often an interval is to hold the truth, 0 to 1, both excluded.
    random_state : int, RandomState instance or None, default=None
        Draws the patients. Pass an int for the same intervals in every call.

    Returns
    -------
    DataFrame of shape (11, 3)
        The columns are "value", "low" and "high", the rows:

        - "recall", "specificity", "precision", "F1", "accuracy" and "MCC" (the
          correlation of Matthews), at `threshold`;
        - "AUC" and "average precision", over all thresholds;
        - "Brier score", and "calibration error": the mean absolute difference of
          probability and share of parasitized cells in ten bins of equal width,
          weighted by their cells;
        - "patient-averaged recall": the mean of the recalls of the infected patients,
          each of whom counts alike however many cells there are.

    Raises
    ------
    ValueError
        If an argument is not as described, or `y_true` has one class only.

    See Also
    --------
    patient_table : The same classifier, patient by patient.
    comparison_table : The figures of several classifiers.

    Notes
    -----
    .. warning::
        Cells of one patient resemble each other. Without `groups`, cells are drawn one
        by one, as if each came from a patient of its own, and the intervals are too
        narrow: in a simulation of 100 patients, 95 % intervals of recall held the truth
        in less than half of the cases.

    Patients are drawn with replacement, all cells of a patient together. An interval is
    the value plus and minus the standard error that the draws give, times a quantile of
    Student's t, on the scale of logits, on which figures near 1 spread evenly; no draw
    counts there as more than ten times as close to 1 as the figure itself. The
    degrees of freedom follow from how unevenly the patients bear on the figure: few
    patients with many cells are few. Percentiles of the draws, the usual choice [1]_,
    held the truth less often in simulations of few, strongly clustered patients:
    `benchmarks/interval_coverage.py` measures it.

    The calibration error is too large in small samples, since noise adds to it whatever
    its sign. Its lower bound accounts for that: it is the value less what the draws
    show to be within the reach of noise alone.

    NaN means undefined: precision and MCC where no cell is called parasitized, MCC
    where all are, and the patient-averaged recall without `groups`. Bounds are NaN
    where the draws do not vary, as with a recall of 1, which says nothing about how far
    below 1 it may be, and where more than 3 % of the draws leave the figure undefined,
    as recall with up to three infected patients among many.

    References
    ----------
    .. [1] B. Efron, R. J. Tibshirani, "An Introduction to the Bootstrap", Chapman and
       Hall, 1993, chapter 13.

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
    >>> table.loc[["recall", "AUC"]].round(3)
            value    low   high
    metric
    recall  0.919  0.820  0.966
    AUC     0.981  0.951  0.993
    """
    check_share(threshold, "threshold")
    check_resampling(n_resamples, confidence_level)
    return figures_with_intervals(
        check_cells(y_true, y_prob, groups, groups_optional=True),
        METRICS,
        threshold=threshold,
        n_resamples=n_resamples,
        confidence_level=confidence_level,
        random_state=random_state,
    )


def figures_with_intervals(
    cells: Cells,
    metrics: tuple[str, ...],
    *,
    threshold: float,
    n_resamples: int,
    confidence_level: float,
    random_state: int | RandomState | None,
) -> pd.DataFrame:
    """Return the columns "value", "low" and "high" for each of `metrics`."""
    calibrated = "calibration error" in metrics
    replicates = replicate(
        Measures(cells, threshold, metrics + EXCESS if calibrated else metrics),
        n_clusters=cells.n_clusters,
        n_cells=len(cells.target),
        n_resamples=n_resamples,
        random_state=random_state,
    )
    n = len(metrics)
    low, high = interval(
        replicates.of(slice(n)),
        Scale.of(metrics, len(cells.target)),
        confidence_level,
    )
    if calibrated:
        # Noise makes this sum of absolute values larger, never smaller on average: what
        # is left of it without the noise that the draws show is certain.
        noise = np.abs(replicates.resampled - replicates.value)[:, n:].sum(axis=1)
        where = metrics.index("calibration error")
        certain = replicates.value[where] - np.quantile(
            noise, (1 + confidence_level) / 2
        )
        low[where] = max(0.0, certain)
    return pd.DataFrame(
        {"value": replicates.value[:n], "low": low, "high": high},
        index=pd.Index(metrics, name="metric"),
    )
