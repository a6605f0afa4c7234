"""Recall and specificity as functions of the threshold."""

import numpy as np
import pandas as pd
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import column_or_1d

from malariafuse._cells import Cells, check_cells, check_share
from malariafuse.evaluation._bootstrap import (
    check_resampling,
    replicate,
)
from malariafuse.evaluation._folds import check_no_leakage
from malariafuse.evaluation._intervals import Interval, Scale
from malariafuse.evaluation._unseen import UnseenOfShares

Floats = NDArray[np.float64]


def threshold_table(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    thresholds: ArrayLike | None = None,
    n_resamples: int = 2000,
    confidence_level: float = 0.95,
    random_state: int | RandomState | None = None,
) -> pd.DataFrame:
    """Compute recall and specificity at many thresholds, with intervals.

    Parameters
    ----------
    y_true : array-like of shape (n_cells,)
        Labels: 1 for a parasitized cell, 0 for an uninfected one.
    y_prob : array-like of shape (n_cells,)
        Probability of the positive class, 0 to 1, out of fold.
    groups : array-like of shape (n_cells,), default=None
        The patient of each cell; at least two. None takes every cell for a patient of
        its own, which makes the intervals too narrow: see :func:`summarize`.
    thresholds : array-like of shape (n_thresholds,), default=None
        The thresholds, 0 to 1; None is 0, 0.01, ..., 1.
    n_resamples : int, default=2000
        How many times the patients are drawn, at least 100.
    confidence_level : float, default=0.95
        How often an interval is to hold the truth, 0 to 1, both excluded. It holds for
        each threshold on its own, not for all of them together.
    random_state : int, RandomState instance or None, default=None
        Draws the patients. Pass an int for the same intervals in every call.

    Returns
    -------
    DataFrame of shape (n_thresholds, 6)
        Rows by "threshold"; the columns are "recall", "recall_low", "recall_high",
        "specificity", "specificity_low" and "specificity_high". Bounds of 1 or 0 allow
        for patients that were not seen, as in :func:`summarize`.

    Raises
    ------
    ValueError
        If an argument is not as described, or `y_true` has one class only.

    See Also
    --------
    choose_threshold : The threshold for a wished recall or specificity.

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
    cells = check_cells(y_true, y_prob, groups, groups_optional=True)
    grid = np.linspace(0, 1, 101) if thresholds is None else _check_grid(thresholds)
    replicates = replicate(
        _Rates(cells, grid),
        n_clusters=cells.n_clusters,
        n_cells=len(cells.target),
        n_resamples=n_resamples,
        random_state=random_state,
    )
    rates = ("recall",) * len(grid) + ("specificity",) * len(grid)
    scale = Scale.of(rates, len(cells.target))
    of_patients = [cells.sums(cells.target == label) for label in (1, 0)]
    unseen = UnseenOfShares(replicates.value, np.repeat(of_patients, len(grid), axis=0))
    interval = Interval(replicates, scale, unseen)
    bounds = interval.at((1 - confidence_level) / 2)
    # At the threshold 0 every cell is called, of unseen patients, too.
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


def choose_threshold(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    recall: float | None = None,
    specificity: float | None = None,
) -> float:
    """Choose the threshold that reaches a wished recall or specificity.

    Parameters
    ----------
    y_true : array-like of shape (n_cells,)
        Labels: 1 for a parasitized cell, 0 for an uninfected one.
    y_prob : array-like of shape (n_cells,)
        Probability of the positive class, 0 to 1, out of fold.
    recall : float, default=None
        The recall to reach, 0 to 1, 0 excluded. Of the thresholds that reach it, the
        highest is returned, whose specificity is best.
    specificity : float, default=None
        The specificity to reach, 0 to 1, 0 excluded. Of the thresholds that reach it,
        the lowest is returned, whose recall is best. Pass this or `recall`, not both.

    Returns
    -------
    float
        The threshold, 0 to 1, from which on a cell is called parasitized. It lies
        midway between two probabilities in `y_prob`.

    Raises
    ------
    ValueError
        If an argument is not as described, `y_true` has one class only, or no threshold
        reaches the specificity, because too many uninfected cells have probability 1.

    See Also
    --------
    threshold_table : All thresholds, with intervals.
    thresholds_out_of_fold : Choose on some folds, decide in another.
    malariafuse.metrics.make_recall_at_specificity_scorer : The same aim in a search.

    Notes
    -----
    The wish is reached on these cells. What the threshold does on other patients has to
    be measured on other patients: choose on some, report on others.

    Examples
    --------
    >>> from malariafuse.evaluation import choose_threshold
    >>> y_true = [0, 0, 0, 0, 1, 1, 1, 1]
    >>> y_prob = [0.1, 0.2, 0.3, 0.6, 0.4, 0.7, 0.8, 0.9]
    >>> round(choose_threshold(y_true, y_prob, recall=0.75), 3)
    0.65
    >>> round(choose_threshold(y_true, y_prob, specificity=0.75), 3)
    0.35
    """
    cells = check_cells(y_true, y_prob, None, groups_optional=True)
    if (recall is None) == (specificity is None):
        raise ValueError(
            f"recall={recall!r} and specificity={specificity!r}: expected one of them."
        )
    # The last threshold that keeps enough positives, the first that drops enough
    # negatives: each is a gap between two neighboring probabilities.
    gaps = np.unique(np.r_[0.0, cells.probability, 1.0])
    if recall is not None:
        check_share(recall, "recall", zero=False)
        positives = np.sort(cells.probability[cells.target == 1])[::-1]
        upper = positives[_how_many(recall, len(positives)) - 1]
        lower = gaps[max(0, np.searchsorted(gaps, upper) - 1)]
        return _between(lower, upper)
    assert specificity is not None
    check_share(specificity, "specificity", zero=False)
    negatives = np.sort(cells.probability[cells.target == 0])
    lower = negatives[_how_many(specificity, len(negatives)) - 1]
    if lower == 1:
        raise ValueError(
            f"specificity={specificity!r} is reached by no threshold: "
            f"{(negatives == 1).sum()} of {len(negatives)} uninfected cells have "
            "probability 1."
        )
    return _between(lower, gaps[np.searchsorted(gaps, lower, side="right")])


def thresholds_out_of_fold(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    fold: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    recall: float | None = None,
    specificity: float | None = None,
) -> Floats:
    """Choose a threshold for the cells of each fold on those of the other folds.

    Parameters
    ----------
    y_true : array-like of shape (n_cells,)
        Labels: 1 for a parasitized cell, 0 for an uninfected one.
    y_prob : array-like of shape (n_cells,)
        Probability of the positive class, 0 to 1, out of fold.
    fold : array-like of shape (n_cells,)
        The fold of each cell; at least two.
    groups : array-like of shape (n_cells,), default=None
        The patient of each cell, none of whom may be in two folds. None checks nothing.
    recall : float, default=None
        The recall to reach, as in :func:`choose_threshold`.
    specificity : float, default=None
        The specificity to reach, as there. Pass this or `recall`, not both.

    Returns
    -------
    ndarray of shape (n_cells,), float64
        The threshold for each cell, the same within a fold. From it on the cell is
        called parasitized: ``y_prob >= thresholds``.

    Raises
    ------
    LeakageError
        If a patient is in two folds.
    ValueError
        If an argument is not as described, there is one fold only, or the other folds
        of one have one class only.

    See Also
    --------
    choose_threshold : The threshold that is chosen each time.
    cross_validate_patients : Folds by patient, and out-of-fold probabilities.

    Examples
    --------
    >>> import numpy as np
    >>> from malariafuse.evaluation import thresholds_out_of_fold
    >>> y_true = np.array([0, 0, 1, 1, 0, 0, 1, 1])
    >>> y_prob = np.array([0.1, 0.4, 0.6, 0.9, 0.2, 0.3, 0.5, 0.8])
    >>> fold = np.array([1, 1, 1, 1, 2, 2, 2, 2])
    >>> thresholds_out_of_fold(y_true, y_prob, fold, specificity=1.0)
    array([0.4, 0.4, 0.4, 0.4, 0.5, 0.5, 0.5, 0.5])
    """
    cells = check_cells(y_true, y_prob, groups, groups_optional=True)
    folds = column_or_1d(fold)
    if len(folds) != len(cells.target):
        raise ValueError(
            f"fold has {len(folds)} values for {len(cells.target)} cells: expected one "
            "for each."
        )
    numbers = np.unique(folds)
    if len(numbers) < 2:
        raise ValueError(
            f"fold has one value only, {numbers[0]!r}: expected at least two folds, to "
            "choose on one and decide in the other."
        )
    thresholds = np.empty(len(folds))
    for number in numbers:
        inside = folds == number
        if groups is not None:
            patients = column_or_1d(groups)
            check_no_leakage(patients[~inside], patients[inside])
        thresholds[inside] = choose_threshold(
            cells.target[~inside],
            cells.probability[~inside],
            recall=recall,
            specificity=specificity,
        )
    return thresholds


class _Rates:
    """Recall, then specificity, at each threshold, for rows of weights."""

    def __init__(self, cells: Cells, thresholds: Floats) -> None:
        # Cells are called at as many of the lowest thresholds as they reach.
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

    def __call__(self, weights: Floats) -> Floats:
        found, alarms = (weights @ called for called in self._called)
        with np.errstate(invalid="ignore"):
            return np.hstack(
                [found[:, 1:] / found[:, :1], 1 - alarms[:, 1:] / alarms[:, :1]]
            )


def _check_grid(thresholds: ArrayLike) -> Floats:
    grid = np.asarray(thresholds)
    if grid.ndim != 1 or not len(grid) or grid.dtype.kind not in "iuf":
        raise ValueError(
            f"thresholds={thresholds!r}: expected numbers between 0 and 1, in a list."
        )
    for value in grid:
        check_share(value, "thresholds: one of them")
    return grid.astype(np.float64)


def _how_many(share: float, n: int) -> int:
    """Return how many of `n` make at least this share, rounding errors aside."""
    return max(1, int(np.ceil(share * n - 1e-9)))


def _between(lower: float, upper: float) -> float:
    """Return the middle, or `upper` where there is no number between the two."""
    middle = float((lower + upper) / 2)
    return middle if middle > lower else float(upper)
