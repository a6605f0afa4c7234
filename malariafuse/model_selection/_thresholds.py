"""Decision thresholds chosen on labeled cells."""

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
    """Choose the decision threshold that is best for a criterion.

    Pass exactly one of `min_recall`, `min_specificity`, `criterion` and `costs`.

    Parameters
    ----------
    y_true : array-like of shape (n_cells,)
        True labels: 1 for a parasitized cell, 0 for an uninfected cell. Other labels
        require `pos_label`.
    y_prob : array-like of shape (n_cells,)
        Out-of-fold probability of the positive class, in [0, 1].
    min_recall : float, default=None
        Minimum recall, in (0, 1]. Among the thresholds that reach it, the highest is
        returned: it has the best specificity.
    min_specificity : float, default=None
        Minimum specificity, in (0, 1]. Among the thresholds that reach it, the lowest
        is returned: it has the best recall.
    criterion : {"youden", "f1"}, default=None
        Score to maximize. "youden" is Youden's index [1]_, recall + specificity - 1.
        "f1" is the harmonic mean of recall and precision. Among equally good
        thresholds, the lowest is returned.
    costs : tuple of (float, float), default=None
        Costs of a missed parasitized cell and of a false alarm. Both are non-negative,
        and at least one is positive. Only their ratio matters. The sum of the costs
        over all cells is minimized. Among equally good thresholds, the lowest is
        returned.
    pos_label : int, float, bool or str, default=None
        Label of the positive (parasitized) class. None requires the labels 0 and 1, or
        booleans.

    Returns
    -------
    float
        Decision threshold, in [0, 1]. A cell is called parasitized if its probability
        is at least the threshold. The threshold is midway between two probabilities in
        `y_prob`.

    Raises
    ------
    ValueError
        If an argument is invalid, `y_true` has only one class, or no threshold reaches
        the specificity because too many uninfected cells have probability 1.

    Warns
    -----
    UserWarning
        If `y_prob` has only two distinct values, or the ROC AUC is below 0.5.

    See Also
    --------
    thresholds_out_of_fold : Choose the threshold of each fold on the other folds.
    malariafuse.evaluation.threshold_table : Recall and specificity at many thresholds,
        with intervals.
    malariafuse.metrics.make_constrained_recall_scorer : Scorer for tuning a threshold
        in a search.

    Notes
    -----
    The criterion is met on these cells, and only approximately on other patients.
    Choose the threshold on some patients and report metrics on others. The F1 score and
    the sum of costs depend on the proportion of parasitized cells. Youden's index,
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
    """Choose the threshold of each fold on the cells of the other folds.

    Pass exactly one of `min_recall`, `min_specificity`, `criterion` and `costs`.

    Parameters
    ----------
    y_true : array-like of shape (n_cells,)
        True labels: 1 for a parasitized cell, 0 for an uninfected cell. Other labels
        require `pos_label`.
    y_prob : array-like of shape (n_cells,)
        Out-of-fold probability of the positive class, in [0, 1].
    fold : array-like of shape (n_cells,)
        Fold of each cell. At least two folds are required.
    groups : array-like of shape (n_cells,), default=None
        Patient of each cell, used to check that no patient is in two folds. None skips
        the check.
    min_recall : float, default=None
        Minimum recall, as in :func:`choose_threshold`.
    min_specificity : float, default=None
        Minimum specificity, as in :func:`choose_threshold`.
    criterion : {"youden", "f1"}, default=None
        Score to maximize, as in :func:`choose_threshold`.
    costs : tuple of (float, float), default=None
        Costs of a missed parasitized cell and of a false alarm, as in
        :func:`choose_threshold`.
    pos_label : int, float, bool or str, default=None
        Label of the positive (parasitized) class. None requires the labels 0 and 1, or
        booleans.

    Returns
    -------
    ndarray of shape (n_cells,), float64
        Threshold for each cell, the same for all cells of a fold. A cell is called
        parasitized if ``y_prob >= thresholds``.

    Raises
    ------
    LeakageError
        If a patient is in two folds.
    ValueError
        If an argument is invalid, there is only one fold, or the cells of the other
        folds have only one class.

    Warns
    -----
    UserWarning
        If `y_prob` has only two distinct values, or the ROC AUC is below 0.5.

    See Also
    --------
    choose_threshold : Choose one threshold.
    malariafuse.evaluation.cross_validate_patients : Compute out-of-fold probabilities
        by patient.

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
            f"fold has only one value, {folds.tolist()[0]!r}: expected at least two "
            "folds."
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
                f"fold={name!r}: the cells of the other folds have only one class, "
                "expected both."
            )
        thresholds[inside] = aim.threshold(target, cells.probability[~inside])
    warn_of_suspicious(cells)
    return thresholds


class _Aim:
    """Validated criterion for a threshold."""

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
        # of them, or above the last. Above the last, no cell is called parasitized.
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
        """Return the best gap, given the cells called parasitized in each gap."""
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
            # Integers, because rounding errors would break ties.
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
            "0, the costs of a missed parasitized cell and of a false alarm, such as "
            "(10, 1)."
        )


def _exact_costs(costs: tuple[float, float], missed: Ints, alarms: Ints) -> Any:
    """Return the sums of costs as integers, because rounding errors would break ties.

    Each cost is the decimal that was written: 1 / 10 for 0.1, not the nearest float.
    """
    miss, alarm = (Fraction(repr(float(cost))) for cost in costs)
    whole = lcm(miss.denominator, alarm.denominator)
    of_miss, of_alarm = int(miss * whole), int(alarm * whole)
    return of_miss * missed.astype(object) + of_alarm * alarms.astype(object)


def _how_many(share: float, n: int) -> int:
    """Return the smallest count out of `n` that is at least this share."""
    return max(1, int(np.ceil(share * n - 1e-9)))


def _between(lower: float, upper: float) -> float:
    """Return the midpoint, or `upper` if no float lies between the two."""
    middle = float((lower + upper) / 2)
    return middle if middle > lower else float(upper)
