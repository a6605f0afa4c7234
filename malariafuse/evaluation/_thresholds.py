"""Recall and specificity as functions of the threshold."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray

from malariafuse._arrays import as_array, refuse_complex
from malariafuse._cells import Cells, check_cells, warn_of_suspicious
from malariafuse._parameters import Reals, check_parameter
from malariafuse._shown import short_repr
from malariafuse.evaluation._bootstrap import (
    check_resampling,
    replicate,
)
from malariafuse.evaluation._intervals import Interval, Scale
from malariafuse.evaluation._unseen import UnseenOfShares

Floats = NDArray[np.float64]


def threshold_table(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    thresholds: ArrayLike | None = None,
    pos_label: Any = None,
    n_resamples: int = 2000,
    confidence_level: float = 0.95,
    random_state: int | RandomState | None = None,
) -> pd.DataFrame:
    """Compute recall and specificity at many thresholds, with confidence intervals.

    Parameters
    ----------
    y_true : array-like of shape (n_cells,)
        True labels: 1 for a parasitized cell, 0 for an uninfected cell. Other labels
        require `pos_label`.
    y_prob : array-like of shape (n_cells,)
        Out-of-fold probability of the positive class, in [0, 1].
    groups : array-like of shape (n_cells,), default=None
        Patient of each cell. At least two patients are required. None treats every cell
        as a separate patient, which makes the intervals too narrow. See
        :func:`summarize`.
    thresholds : array-like of shape (n_thresholds,), default=None
        Decision thresholds, in [0, 1]. None uses 0, 0.01, ..., 1.
    pos_label : int, float, bool or str, default=None
        Label of the positive (parasitized) class. None requires the labels 0 and 1, or
        booleans.
    n_resamples : int, default=2000
        Number of bootstrap resamples of the patients, at least 100.
    confidence_level : float, default=0.95
        Confidence level of the intervals, in (0, 1). It holds for each threshold
        separately, not simultaneously for all.
    random_state : int, RandomState instance or None, default=None
        Random seed or generator of the bootstrap. Pass an int for reproducible
        intervals.

    Returns
    -------
    DataFrame of shape (n_thresholds, 6)
        One row for each "threshold". The columns are "recall", "recall_low",
        "recall_high", "specificity", "specificity_low" and "specificity_high". Bounds
        of values of 1 or 0 allow for unseen patients, as in :func:`summarize`.

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
    malariafuse.model_selection.choose_threshold : Choose a decision threshold.

    Examples
    --------
    >>> import numpy as np
    >>> from malariafuse.evaluation import threshold_table
    >>> rng = np.random.default_rng(0)
    >>> patient = np.repeat(np.arange(30), 20)
    >>> y_true = rng.integers(0, 2, 600)
    >>> y_prob = np.clip(0.2 + 0.6 * y_true + rng.normal(0, 0.3, 600), 0, 1)
    >>> table = threshold_table(
    ...     y_true, y_prob, patient, thresholds=[0.25, 0.5, 0.75], random_state=0
    ... )
    >>> table[["recall", "specificity"]].round(2)
               recall  specificity
    threshold
    0.25         0.98         0.63
    0.50         0.87         0.87
    0.75         0.60         0.98
    """
    check_resampling(n_resamples, confidence_level)
    cells = check_cells(
        y_true, y_prob, groups, groups_optional=True, pos_label=pos_label
    )
    warn_of_suspicious(cells)
    grid = np.linspace(0, 1, 101) if thresholds is None else _check_grid(thresholds)
    measure = _Rates(cells, grid)
    replicates = replicate(
        measure,
        n_clusters=cells.n_clusters,
        n_cells=len(cells.target),
        n_resamples=n_resamples,
        random_state=random_state,
    )
    rates = ("recall",) * len(grid) + ("specificity",) * len(grid)
    scale = Scale.of(rates, len(cells.target))
    unseen = UnseenOfShares(replicates.value, *measure.of_patients())
    interval = Interval(replicates, scale, unseen)
    bounds = interval.at(float(1 - confidence_level) / 2)
    # At the threshold 0, every cell is called parasitized, also in unseen patients.
    certain = np.tile(grid == 0, 2)
    low, high = (
        np.where(certain, replicates.value, bound)
        for bound in (bounds.low, bounds.high)
    )
    columns = {}
    for name, half in (
        ("recall", slice(len(grid))),
        ("specificity", slice(len(grid), None)),
    ):
        columns[name] = replicates.value[half]
        columns[f"{name}_low"] = low[half]
        columns[f"{name}_high"] = high[half]
    return pd.DataFrame(columns, index=pd.Index(grid, name="threshold"))


class _Rates:
    """Recall, then specificity, at each threshold, for rows of patient weights."""

    def __init__(self, cells: Cells, thresholds: Floats) -> None:
        # A cell is called parasitized at all thresholds up to its probability.
        order = np.argsort(thresholds, kind="stable")
        reached = np.searchsorted(thresholds[order], cells.probability, side="right")
        n = len(thresholds)
        self._called = []
        for label in (1, 0):
            counts = np.bincount(
                cells.cluster * (n + 1) + reached,
                weights=(cells.target == label).astype(float),
                minlength=cells.n_clusters * (n + 1),
            ).reshape(cells.n_clusters, n + 1)
            from_right = counts[:, ::-1].cumsum(axis=1)[:, ::-1]
            called = np.empty((cells.n_clusters, n + 1))
            called[:, 0] = from_right[:, 0]  # all cells
            called[:, 1 + order] = from_right[:, 1:]
            self._called.append(called)

    def of_patients(self) -> tuple[Floats, Floats]:
        """Return the numbers of right and wrong cells, with one row for each rate."""
        found, alarms = (called[:, 1:].T for called in self._called)
        missed, kept = (called[:, :1].T - called[:, 1:].T for called in self._called)
        return np.vstack([found, kept]), np.vstack([missed, alarms])

    def __call__(self, weights: Floats) -> Floats:
        found, alarms = (weights @ called for called in self._called)
        with np.errstate(invalid="ignore"):
            return np.hstack(
                [found[:, 1:] / found[:, :1], 1 - alarms[:, 1:] / alarms[:, :1]]
            )


def _check_grid(thresholds: ArrayLike) -> Floats:
    grid = as_array(thresholds, "thresholds")
    refuse_complex(grid, "thresholds")
    if grid.ndim != 1 or not len(grid) or grid.dtype.kind not in "iuf":
        raise ValueError(
            f"thresholds={short_repr(thresholds)}: expected a list of numbers in [0, "
            "1]."
        )
    for place, value in enumerate(grid):
        check_parameter(f"thresholds[{place}]", value, [Reals(0, 1)])
    return grid.astype(np.float64)
