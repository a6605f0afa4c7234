"""Metrics of several classifiers on the same cells."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from numpy.random import RandomState
from numpy.typing import ArrayLike

from malariafuse.evaluation._bootstrap import check_resampling
from malariafuse.evaluation._classifiers import check_classifiers, check_thresholds
from malariafuse.evaluation._measures import check_metrics
from malariafuse.evaluation._summary import metrics_with_intervals


def comparison_table(
    y_true: ArrayLike,
    probabilities: Mapping[str, ArrayLike],
    groups: ArrayLike,
    *,
    threshold: float | Mapping[str, float] = 0.5,
    pos_label: Any = None,
    metrics: Sequence[str] = (
        "precision",
        "recall",
        "f1",
        "accuracy",
        "specificity",
        "roc_auc",
    ),
    n_resamples: int = 2000,
    confidence_level: float = 0.95,
    random_state: int | RandomState | None = None,
) -> pd.DataFrame:
    """Tabulate the metrics of several classifiers, with confidence intervals.

    Parameters
    ----------
    y_true : array-like of shape (n_cells,)
        True labels: 1 for a parasitized cell, 0 for an uninfected cell. Other labels
        require `pos_label`.
    probabilities : mapping of str to array-like of shape (n_cells,)
        Out-of-fold probabilities of the positive class, in [0, 1], by name of the
        classifier.
    groups : array-like of shape (n_cells,)
        Patient of each cell. At least two patients are required.
    threshold : float or mapping of str to float, default=0.5
        Decision threshold, in [0, 1]. A cell is called parasitized if its probability
        is at least the threshold. A mapping has one threshold for each classifier.
    pos_label : int, float, bool or str, default=None
        Label of the positive (parasitized) class. None requires the labels 0 and 1, or
        booleans.
    metrics : sequence of str, default=("precision", "recall", "f1", "accuracy", \
            "specificity", "roc_auc")
        Names of the metrics, without repetition. See :func:`summarize` for the
        available metrics.
    n_resamples : int, default=2000
        Number of bootstrap resamples of the patients, at least 100.
    confidence_level : float, default=0.95
        Confidence level of the intervals, in (0, 1).
    random_state : int, RandomState instance or None, default=None
        Random seed or generator of the bootstrap. Pass an int for reproducible
        intervals.

    Returns
    -------
    DataFrame of shape (n_classifiers, 3 * n_metrics), float64
        One row for each classifier. The columns have two levels: the metric, and
        "value", "low" or "high" as in :func:`summarize`.

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
    compare : Test the differences between classifiers.

    Notes
    -----
    The intervals of two classifiers may overlap although one classifier is
    significantly better, because the same patients are difficult for both. Use
    :func:`compare` to judge differences.

    Examples
    --------
    >>> import numpy as np
    >>> from malariafuse.evaluation import comparison_table
    >>> rng = np.random.default_rng(0)
    >>> patient = np.repeat(np.arange(30), 20)
    >>> y_true = rng.integers(0, 2, 600)
    >>> signal = 0.2 + 0.6 * y_true + rng.normal(0, 0.1, 30)[patient]
    >>> sharp = np.clip(signal + rng.normal(0, 0.2, 600), 0, 1)
    >>> blunt = np.clip(signal + rng.normal(0, 0.4, 600), 0, 1)
    >>> table = comparison_table(
    ...     y_true, {"sharp": sharp, "blunt": blunt}, patient, random_state=0
    ... )
    >>> table["recall"].round(3)
                value    low   high
    classifier
    sharp       0.919  0.820  0.966
    blunt       0.764  0.712  0.809
    """
    check_resampling(n_resamples, confidence_level)
    metrics = check_metrics(metrics)
    cells = check_classifiers(y_true, probabilities, groups, pos_label)
    thresholds = check_thresholds(threshold, cells)
    tables = {
        name: metrics_with_intervals(
            cells[name],
            metrics,
            threshold=thresholds[name],
            n_resamples=n_resamples,
            confidence_level=confidence_level,
            random_state=random_state,
        )
        for name in cells
    }
    table = pd.DataFrame.from_dict(
        {name: of_one.T.unstack() for name, of_one in tables.items()}, orient="index"
    )
    return table.rename_axis("classifier")
