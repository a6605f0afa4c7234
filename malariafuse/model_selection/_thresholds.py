"""Thresholds chosen on labeled cells."""

from fractions import Fraction
from math import lcm
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from malariafuse._cells import check_cells, warn_of_suspicious
from malariafuse._parameters import Nothing, OneOf, Reals, Rule, check_parameter
from malariafuse._patients import check_patients
from malariafuse._shown import short_repr
from malariafuse.model_selection._leakage import check_no_leakage

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

Criterion = Literal["youden", "f1"]


def choose_threshold(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    min_recall: float | None = None,
    min_specificity: float | None = None,
    criterion: Criterion | None = None,
    costs: tuple[float, float] | None = None,
    pos_label: Any = None,
) -> float:
    """Choose the threshold on probabilities that suits an aim best.

    Pass one of `min_recall`, `min_specificity`, `criterion` and `costs`.

    Parameters
    ----------
    y_true : array-like of shape (n_cells,)
        Labels: 1 for a parasitized cell, 0 for an uninfected one, or others with
        `pos_label`.
    y_prob : array-like of shape (n_cells,)
        Probability of the positive class, 0 to 1, out of fold.
    min_recall : float, default=None
        Recall to reach, 0 to 1, 0 excluded. Of the thresholds that reach it, the
        highest is returned, whose specificity is best.
    min_specificity : float, default=None
        Specificity to reach, 0 to 1, 0 excluded. Of the thresholds that reach it,
        the lowest is returned, whose recall is best.
    criterion : {"youden", "f1"}, default=None
        Score to maximize: "youden" is Youden's index [1]_, recall + specificity
        - 1, and "f1" the harmonic mean of recall and precision. Of thresholds that are
        equally good, the lowest is returned.
    costs : tuple of (float, float), default=None
        Costs of a missed parasitized cell and of a false alarm, at least 0 and not
        both 0; only their ratio matters. The sum of the costs of all cells is
        minimized. Of thresholds that cost the same, the lowest is returned.
    pos_label : int, float, bool or str, default=None
        Label of the positive (parasitized) class. None takes the labels 0 and 1, or
        booleans; other labels need it.

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

    Warns
    -----
    UserWarning
        If `y_prob` holds two values only, or the ROC AUC is below 0.5.

    See Also
    --------
    thresholds_out_of_fold : Choose on some folds, decide in another.
    malariafuse.evaluation.threshold_table : All thresholds, with intervals.
    malariafuse.metrics.make_constrained_recall_scorer : A similar aim in a search.

    Notes
    -----
    The aim is reached on these cells, and on other patients only nearly: choose on some
    patients, report on others. The F1 score and
    the sum of costs depend on how many of the cells are parasitized, Youden's index,
    recall and specificity do not.

    References
    ----------
    .. [1] W. J. Youden, "Index for rating diagnostic tests", Cancer 3(1), 1950, pages
       32 to 35.

    Examples
    --------
    >>> from malariafuse.model_selection import choose_threshold
    >>> y_true = [0, 0, 0, 0, 1, 1, 1, 1]
    >>> y_prob = [0.1, 0.2, 0.3, 0.6, 0.4, 0.7, 0.8, 0.9]
    >>> round(choose_threshold(y_true, y_prob, min_recall=0.75), 3)
    0.65
    >>> round(choose_threshold(y_true, y_prob, min_specificity=0.75), 3)
    0.35
    >>> round(choose_threshold(y_true, y_prob, costs=(1, 5)), 3)
    0.65
    """
    aim = _Aim(min_recall, min_specificity, criterion, costs)
    cells = check_cells(y_true, y_prob, None, groups_optional=True, pos_label=pos_label)
    warn_of_suspicious(cells)
    return aim.threshold(cells.target, cells.probability)


def thresholds_out_of_fold(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    fold: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    min_recall: float | None = None,
    min_specificity: float | None = None,
    criterion: Criterion | None = None,
    costs: tuple[float, float] | None = None,
    pos_label: Any = None,
) -> Floats:
    """Choose a threshold for the cells of each fold on those of the other folds.

    Pass one of `min_recall`, `min_specificity`, `criterion` and `costs`.

    Parameters
    ----------
    y_true : array-like of shape (n_cells,)
        Labels: 1 for a parasitized cell, 0 for an uninfected one, or others with
        `pos_label`.
    y_prob : array-like of shape (n_cells,)
        Probability of the positive class, 0 to 1, out of fold.
    fold : array-like of shape (n_cells,)
        Fold of each cell; at least two.
    groups : array-like of shape (n_cells,), default=None
        Patient of each cell, none of whom may be in two folds. None checks nothing.
    min_recall : float, default=None
        Recall to reach, as in :func:`choose_threshold`.
    min_specificity : float, default=None
        Specificity to reach, as there.
    criterion : {"youden", "f1"}, default=None
        Score to maximize, as there.
    costs : tuple of (float, float), default=None
        Costs of a missed parasitized cell and of a false alarm, as there.
    pos_label : int, float, bool or str, default=None
        Label of the positive (parasitized) class. None takes the labels 0 and 1, or
        booleans; other labels need it.

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

    Warns
    -----
    UserWarning
        If `y_prob` holds two values only, or the ROC AUC is below 0.5.

    See Also
    --------
    choose_threshold : The threshold that is chosen each time.
    malariafuse.evaluation.cross_validate_patients : Folds by patient, and out-of-fold
        probabilities.

    Examples
    --------
    >>> import numpy as np
    >>> from malariafuse.model_selection import thresholds_out_of_fold
    >>> y_true = np.array([0, 0, 1, 1, 0, 0, 1, 1])
    >>> y_prob = np.array([0.1, 0.4, 0.6, 0.9, 0.2, 0.3, 0.5, 0.8])
    >>> fold = np.array([1, 1, 1, 1, 2, 2, 2, 2])
    >>> thresholds_out_of_fold(y_true, y_prob, fold, min_specificity=1.0)
    array([0.4, 0.4, 0.4, 0.4, 0.5, 0.5, 0.5, 0.5])
    """
    aim = _Aim(min_recall, min_specificity, criterion, costs)
    cells = check_cells(
        y_true, y_prob, groups, groups_optional=True, pos_label=pos_label
    )
    of_cell, folds = check_patients(fold, len(cells.target), name="fold", unit="fold")
    if len(folds) < 2:
        raise ValueError(
            f"fold has one value only, {folds.tolist()[0]!r}: expected at least two "
            "folds, to choose on one and decide in the other."
        )
    thresholds = np.empty(len(of_cell))
    for number, name in enumerate(folds.tolist()):
        inside = of_cell == number
        if cells.by_patient:
            patients = cells.names[cells.cluster]
            check_no_leakage(patients[~inside], patients[inside])
        target = cells.target[~inside]
        if len(np.unique(target)) < 2:
            raise ValueError(
                f"fold={name!r}: the cells of the other folds have one class only, "
                "expected both to choose a threshold on."
            )
        thresholds[inside] = aim.threshold(target, cells.probability[~inside])
    warn_of_suspicious(cells)
    return thresholds


class _Aim:
    """Aim of a threshold, checked."""

    def __init__(
        self,
        min_recall: float | None,
        min_specificity: float | None,
        criterion: Criterion | None,
        costs: tuple[float, float] | None,
    ) -> None:
        given = {
            "min_recall": min_recall,
            "min_specificity": min_specificity,
            "criterion": criterion,
            "costs": costs,
        }
        if sum(value is not None for value in given.values()) != 1:
            pairs = [f"{name}={short_repr(value)}" for name, value in given.items()]
            raise ValueError(f"{', '.join(pairs)}: expected exactly one of them.")
        for name in ("min_recall", "min_specificity"):
            if given[name] is not None:
                check_parameter(name, given[name], [Reals(0, 1, open_at="low")])
        criteria: list[Rule] = [Nothing(), OneOf(*get_args(Criterion))]
        check_parameter("criterion", criterion, criteria)
        if costs is not None:
            _check_costs(costs)
        self.min_recall = min_recall
        self.min_specificity = min_specificity
        self.criterion = criterion
        self.costs = costs

    def threshold(self, target: Ints, probability: Floats) -> float:
        """Return the best threshold for cells of both classes."""
        # A threshold lies in a gap: below the first distinct probability, between two
        # of them, or above the last, where no cell is called.
        values, place = np.unique(probability, return_inverse=True)
        found, alarms = (
            np.r_[np.bincount(place[target == label], minlength=len(values)), 0][
                ::-1
            ].cumsum()[::-1]
            for label in (1, 0)
        )
        n_gaps = len(values) + (values[-1] < 1)
        gap = self._gap(found[:n_gaps], alarms[:n_gaps])
        edges = np.r_[0.0, values, 1.0]
        return _between(edges[gap], edges[gap + 1])

    def _gap(self, found: Ints, alarms: Ints) -> int:
        """Return the best gap, by the parasitized and uninfected cells called there."""
        positives, negatives = found[0], alarms[0]
        if self.min_recall is not None:
            needed = _how_many(self.min_recall, positives)
            return int(np.flatnonzero(found >= needed)[-1])
        if self.min_specificity is not None:
            needed = _how_many(self.min_specificity, negatives)
            reached = negatives - alarms >= needed
            if not reached.any():
                raise ValueError(
                    f"min_specificity={self.min_specificity!r} is reached by no "
                    f"threshold: {alarms[-1]} of {negatives} uninfected cells have "
                    "probability 1."
                )
            return int(reached.argmax())
        if self.costs is not None:
            cost = _exact_costs(self.costs, positives - found, alarms)
            return int(cost.argmin())
        if self.criterion == "youden":
            # Whole numbers: rounding would decide between equals.
            return int((found * negatives - alarms * positives).argmax())
        return int((2 * found / (found + alarms + positives)).argmax())


def _check_costs(costs: Any) -> None:
    if not (
        isinstance(costs, (tuple, list))
        and len(costs) == 2
        and all(map(Reals(0).allows, costs))
        and any(costs)
    ):
        raise ValueError(
            f"costs={short_repr(costs)}: expected two numbers of at least 0, not both "
            "0, the costs of a missed cell and of a false alarm, as in (10, 1)."
        )


def _exact_costs(costs: tuple[float, float], missed: Ints, alarms: Ints) -> Any:
    """Return the sums of costs as whole numbers: rounding would decide between equals.

    The costs are those that were written, 1 / 10 for 0.1 and not the float next to it.
    """
    miss, alarm = (Fraction(repr(float(cost))) for cost in costs)
    whole = lcm(miss.denominator, alarm.denominator)
    of_miss, of_alarm = int(miss * whole), int(alarm * whole)
    return of_miss * missed.astype(object) + of_alarm * alarms.astype(object)


def _how_many(share: float, n: int) -> int:
    """Return how many of `n` make at least this share, rounding errors aside."""
    return max(1, int(np.ceil(share * n - 1e-9)))


def _between(lower: float, upper: float) -> float:
    """Return the middle, or `upper` where there is no number between the two."""
    middle = float((lower + upper) / 2)
    return middle if middle > lower else float(upper)
