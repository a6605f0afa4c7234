"""Estimation of the parasitized fraction from counts above a threshold."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from malariafuse._cells import Cells
from malariafuse.evaluation._beta_binomial import Rate, fit_rate
from malariafuse.model_selection import choose_threshold

_STANDARD_ERRORS = 3  # standard errors that the difference of two rates must exceed


@dataclass(frozen=True)
class CountingRule:
    """Threshold, with the rates of cells that reach it in a new patient."""

    threshold: float
    false_positive: Rate
    sensitivity: Rate

    @property
    def difference(self) -> float:
        return self.sensitivity.mean - self.false_positive.mean

    def rate(self, fraction: float) -> Rate:
        """Return the rate of counted cells of a patient with this parasitized fraction.

        The rates of the two classes vary independently between patients.
        """
        one, other = self.sensitivity, self.false_positive
        return Rate.with_variance(
            fraction * one.mean + (1 - fraction) * other.mean,
            fraction**2 * one.variance + (1 - fraction) ** 2 * other.variance,
        )

    def fraction(self, count: int, n: int) -> float:
        """Return the parasitized fraction, corrected for misses and false alarms."""
        share = (count / n - self.false_positive.mean) / self.difference
        return min(1.0, max(0.0, share))

    def error(self, fraction: float, n: int) -> float:
        """Return the standard error of the fraction of a patient with `n` cells."""
        rate = self.rate(fraction)
        within = (rate.mean * (1 - rate.mean) - rate.variance) / n
        return float(np.sqrt(rate.variance + within)) / self.difference

    def interval(self, count: int, n: int, level: float) -> tuple[float, float]:
        """Return the bounds of the fractions that a test does not reject."""
        # Each end has half of the error probability.
        reach = (1 - level) / 2
        low = _crossing(lambda f: self.rate(f).at_least(count, n) - reach, default=0)
        high = _crossing(lambda f: self.rate(f).at_most(count, n) - reach, default=1)
        return low, high


def fit_rule(cells: Cells, specificity: float) -> tuple[CountingRule, bool]:
    """Return the rule for a specificity, and whether its rates differ significantly."""
    threshold = _threshold(cells, specificity)
    negative = cells.target == 0
    counted = cells.probability >= threshold
    (false_positive, error_0), (sensitivity, error_1) = (
        _fit_rate(cells, chosen, counted, kind)
        for kind, chosen in (("uninfected", negative), ("parasitized", ~negative))
    )
    rule = CountingRule(threshold, false_positive, sensitivity)
    beyond_chance = (
        bool(counted[~negative].any())
        and rule.difference > _STANDARD_ERRORS * (error_0**2 + error_1**2) ** 0.5
    )
    return rule, beyond_chance


def best_rule(rules: list[CountingRule], counts: list[int], n: int) -> int:
    """Return the index of the rule with the smallest error for a patient.

    A lenient rule has too many false alarms if parasites are few. A strict rule misses
    a proportion of the parasites that varies between patients. The rules are in
    descending order of strictness. If two rules refer to each other, the stricter one
    is returned.
    """
    seen: list[int] = [0]
    while True:
        # A fraction below one cell counts as zero.
        fraction = max(rules[seen[-1]].fraction(counts[seen[-1]], n), 1 / n)
        best = int(np.argmin([rule.error(fraction, n) for rule in rules]))
        if best in seen:
            return min(seen[seen.index(best) :])
        seen.append(best)


def _crossing(of_fraction: Callable[[float], float], *, default: float) -> float:
    """Return the fraction at which a test changes its result, or the default."""
    if of_fraction(default) >= 0:
        return default
    if of_fraction(1 - default) <= 0:
        return 1 - default
    return float(brentq(of_fraction, 0, 1, xtol=1e-6))


def _threshold(cells: Cells, specificity: float) -> float:
    try:
        return choose_threshold(
            cells.target, cells.probability, min_specificity=specificity
        )
    except ValueError as error:
        raise ValueError(
            f"cell_specificity={specificity!r} is not reached by any threshold: too "
            "many uninfected cells have a y_prob of 1."
        ) from error


def _fit_rate(
    cells: Cells, chosen: NDArray[np.bool_], counted: NDArray[np.bool_], kind: str
) -> tuple[Rate, float]:
    """Return the rate of counted cells of one class, and its standard error.

    Cells of one patient are correlated, so many cells of one patient carry less
    information than the same number of cells from many patients.
    """
    n = cells.sums(chosen)
    if (n > 0).sum() < 2:
        raise ValueError(
            f"groups has only one patient with {kind} cells: expected at least two, to "
            "estimate the spread between patients."
        )
    rate = fit_rate(cells.sums(chosen & counted)[n > 0], n[n > 0])
    unexplained = rate.mean * (1 - rate.mean) - rate.variance
    variance = unexplained / n.sum() + rate.variance * (n**2).sum() / n.sum() ** 2
    return rate, float(variance**0.5)
