"""Bounds that allow for unseen patients of a different kind.

Resamples of patients who all agree do not vary, which carries no information on unseen
patients. If a proportion q of all patients were of a different kind, none would be
among n patients with probability (1 - q)^n. The largest possible proportion is q = 1 -
tail^(1/n), the bound of Clopper and Pearson for no error in n trials. A bound on the
metric follows if all cells of these patients are assumed to be wrong, or right.

For a mean over patients of values in [0, 1], the bound needs no assumption about kinds
of patients. For independent values with the mean mu, the product of the ratios to mu
has the mean 1. By Markov's inequality, it exceeds 1 / tail with a probability of at
most `tail`. If all values are c, mu is therefore at least c * tail^(1/n).
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from malariafuse._cells import Cells
from malariafuse.evaluation._few import Few, few_of_metrics
from malariafuse.evaluation._measures import (
    COUNTED,
    RANGE_FROM,
    Floats,
    Measures,
    Ranking,
    Tally,
    matthews,
)

_SIZES_OF_ERRORS = ("brier_score", "calibration_error")


class Unseen(Protocol):
    """Bounds of several values, each at a separate level."""

    unseen_errors: NDArray[np.bool_]
    # Weights of the resamples, in [0, 1], for the lower and the upper bound.
    weights_of_draws: tuple[Floats, Floats]

    @property
    def units(self) -> Floats:
        """Number of independent patients behind each value."""
        ...

    def bounds(self, tail: Floats, gain: Floats) -> tuple[Floats, Floats]:
        """Return bounds with an error probability of at most `tail`.

        If cells within patients are weakly correlated, there are `gain` times as many
        independent units as patients.
        """
        ...

    def bounds_of_few(self, tail: Floats, gain: Floats) -> tuple[Floats, Floats]:
        """Return such bounds if only a few patients have an error."""
        ...


class UnseenOfShares:
    """Bounds for proportions of cells, such as the recall at many thresholds.

    `right` and `wrong` are numbers of cells by patient, one row for each proportion.
    """

    def __init__(self, value: Floats, right: Floats, wrong: Floats) -> None:
        of_patients = right + wrong
        self._value = value
        self._few = Few.counted(right, wrong)
        self._units = np.broadcast_to(_units(of_patients), value.shape)
        self._most = np.broadcast_to(of_patients.sum(axis=-1), value.shape)
        self.unseen_errors = np.zeros(value.shape, dtype=bool)
        self.weights_of_draws = self._few.weights_of_draws(self._units)

    @property
    def units(self) -> Floats:
        return self._units

    def bounds(self, tail: Floats, gain: Floats) -> tuple[Floats, Floats]:
        other = _largest_share(tail, np.minimum(self._units * gain, self._most))
        return self._value * (1 - other), self._value + other * (1 - self._value)

    def bounds_of_few(self, tail: Floats, gain: Floats) -> tuple[Floats, Floats]:
        return self._few.bounds(tail, np.minimum(self._units * gain, self._most))


class UnseenOfMetrics:
    """Bounds for metrics of cells."""

    def __init__(self, cells: Cells, threshold: float, names: tuple[str, ...]) -> None:
        self._names = names
        tally, ranking = Tally(cells, threshold), Ranking(cells)
        counted = [
            [count(tally.of_patients) for count in COUNTED[name]] for name in names
        ]
        self._units = [[_units(of_patients) for of_patients in row] for row in counted]
        self._most = [[of_patients.sum() for of_patients in row] for row in counted]
        if "patient_averaged_recall" in names:
            # The recall of a patient is also a mean over cells.
            positives = float(cells.target.sum())
            self._most[names.index("patient_averaged_recall")] = [positives]
        everyone = np.ones((1, cells.n_clusters))
        self._value = Measures(cells, threshold, names)(everyone)[0]
        total = tally.weighted(everyone)
        self._total = {name: float(sums[0]) for name, sums in total.items()}
        self._hits, self._alarms = ranking.hits, ranking.alarms
        # A mean of squared errors is sensitive to gross errors, even rare ones.
        gross = np.abs(cells.probability - cells.target) >= 0.5
        self.unseen_errors = np.isin(names, _SIZES_OF_ERRORS) & ~gross.any()
        few = few_of_metrics(cells, tally, ranking)
        self._few = [few.get(name, []) for name in names]
        # Both depend on the same errors, but errors of opposite sign cancel in one of
        # them.
        of_sizes = few["brier_score"]
        low, high = np.transpose(
            [
                self._weights_of_draws(i, of_sizes if name in _SIZES_OF_ERRORS else own)
                for i, (name, own) in enumerate(zip(names, self._few, strict=True))
            ]
        )
        self.weights_of_draws = low, high

    @property
    def units(self) -> Floats:
        # Unseen patients in both classes: tail^(1/n) * tail^(1/m).
        return np.array([1 / sum(1 / n for n in row) for row in self._units])

    def bounds(self, tail: Floats, gain: Floats) -> tuple[Floats, Floats]:
        n = len(self._names)
        tails, gains = np.broadcast_to(tail, n), np.broadcast_to(gain, n)
        pairs = [self._bounds_of(i, tails[i], gains[i]) for i in range(n)]
        low, high = np.array(pairs).T
        return np.minimum(low, self._value), np.maximum(high, self._value)

    def _bounds_of(self, i: int, tail: float, gain: float) -> tuple[float, float]:
        name, value = self._names[i], self._value[i]
        if np.isnan(value):
            return value, value
        others = [
            float(_largest_share(tail, min(units * gain, most)))
            for units, most in zip(self._units[i], self._most[i], strict=True)
        ]
        if name == "mcc":
            return self._matthews(*others)
        if name == "average_precision":
            return self._average_precision(*others)
        other = 1 - np.prod([1 - share for share in others])
        if name == "calibration_error":
            # Errors of unseen patients may also cancel present errors.
            return max(0, (1 - other) * value - other), (1 - other) * value + other
        lowest = RANGE_FROM.get(name, 0.0)
        return value - other * (value - lowest), value + other * (1 - value)

    def _weights_of_draws(self, i: int, ways: list[Few]) -> tuple[float, float]:
        if not ways:
            return 1.0, 1.0
        of_ways = [
            few.weights_of_draws(np.asarray(units))
            for few, units in zip(ways, self._units[i], strict=True)
        ]
        # Errors in one class are enough for the bootstrap. A discordant pair is an
        # error in both classes, and an error of few patients if it is so in one class.
        choose = np.max if self._names[i] == "mcc" else np.min
        of_low, of_high = choose(of_ways, axis=0)
        return float(of_low), float(of_high)

    def bounds_of_few(self, tail: Floats, gain: Floats) -> tuple[Floats, Floats]:
        n = len(self._names)
        tails, gains = np.broadcast_to(tail, n), np.broadcast_to(gain, n)
        pairs = [self._bounds_of_few(i, tails[i], gains[i]) for i in range(n)]
        low, high = np.array(pairs).T
        return low, high

    def _bounds_of_few(self, i: int, tail: float, gain: float) -> tuple[float, float]:
        name, ways = self._names[i], self._few[i]
        if not ways or np.isnan(self._value[i]):
            return -np.inf, np.inf
        units = [
            np.minimum(units * gain, most)
            for units, most in zip(self._units[i], self._most[i], strict=True)
        ]
        bounds = [
            few.bounds(np.asarray(tail), of_class)
            for few, of_class in zip(ways, units, strict=True)
        ]
        if name == "mcc":
            recalls, specificities = bounds
            return (
                self._matthews_of(float(recalls[0]), float(specificities[0])),
                self._matthews_of(float(recalls[1]), float(specificities[1])),
            )
        if name == "roc_auc":
            # A discordant pair may be an error of few patients in one class and of many
            # in the other. The wider bound is that of the few. Errors of one patient in
            # both classes are not a mean over patients.
            others = [1 - _largest_share(tail, of_class) for of_class in units[::-1]]
            lows = zip(bounds, others, strict=True)
            return min(float(low * r) for (low, _), r in lows), np.inf
        return float(bounds[0][0]), float(bounds[0][1])

    def _matthews_of(self, recall: float, specificity: float) -> float:
        n = self._total
        positives, negatives = n["tp"] + n["fn"], n["tn"] + n["fp"]
        tp, tn = recall * positives, specificity * negatives
        tally = {"tp": tp, "fn": positives - tp, "tn": tn, "fp": negatives - tn}
        return float(matthews({key: np.array(sum_) for key, sum_ in tally.items()}))

    def _matthews(self, positive: float, negative: float) -> tuple[float, float]:
        n = self._total
        found, kept = n["tp"], n["tn"]
        positives, negatives = found + n["fn"], kept + n["fp"]

        def with_others(right: float) -> float:
            return self._matthews_of(
                found / positives * (1 - positive) + right * positive,
                kept / negatives * (1 - negative) + right * negative,
            )

        return with_others(0.0), with_others(1.0)

    def _average_precision(
        self, positive: float, negative: float
    ) -> tuple[float, float]:
        positives = self._total["tp"] + self._total["fn"]
        negatives = self._total["tn"] + self._total["fp"]
        hits, alarms = self._hits * (1 - positive), self._alarms * (1 - negative)
        # Unseen positives last and unseen negatives first, then the reverse.
        low = hits / (hits + alarms + negative * negatives)
        more_hits = hits + positive * positives
        high = more_hits / (more_hits + alarms)
        return (1 - positive) * low.mean(), positive + (1 - positive) * high.mean()


def _units(of_patients: Floats) -> Floats:
    """Return the effective number of patients.

    It is Kish's effective sample size: this number of equally large patients would give
    a mean the same variance.
    """
    squares: Floats = (of_patients**2).sum(axis=-1)
    return np.maximum(1, of_patients.sum(axis=-1) ** 2 / np.maximum(squares, 1))


def _largest_share(tail: Floats | float, n: Floats | float) -> Floats:
    """Return the largest proportion that `n` draws miss with probability `tail`."""
    return np.asarray(-np.expm1(np.log(tail) / n))
