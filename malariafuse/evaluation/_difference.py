"""Intervals and p-values of the differences between two classifiers."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.stats import t as student

from malariafuse.evaluation._bootstrap import Floats, Replicates, standard_error
from malariafuse.evaluation._intervals import Bounds, Interval

_FARTHEST = 1e6  # largest quantile of Student's t in the search
_FRACTIONS = np.geomspace(1e-2, 1, 30)
_SMALLEST = 1e-300  # probability


class Difference:
    """Paired differences between the metrics of two classifiers.

    If `same` is True, both are the same classifier, and all differences are 0.
    """

    def __init__(self, own: Interval, base: Interval, *, same: bool) -> None:
        self.value = own.value - base.value
        self._paired = _Paired(own, base)
        self._apart = _Apart(own, base)
        self._together = _Together(own, base)
        # Resamples carry no information on a difference that does not vary.
        self._constant = (own.agrees & base.agrees) | (self._paired.error == 0)
        self._at_limit = own.at_limit | base.at_limit
        self._same = same
        self._width = 1 - own.scale.lowest

    def interval(self, confidence_level: float) -> Bounds:
        """Return the bounds of the differences at a confidence level."""
        if self._same:
            return Bounds(self.value, self.value)
        tail = np.full(self.value.shape, float(1 - confidence_level) / 2)
        low = self.value - self._choose(lambda way: way.reach(-1, tail))
        high = self.value + self._choose(lambda way: way.reach(1, tail))
        return Bounds(np.maximum(low, -self._width), np.minimum(high, self._width))

    def p_values(self) -> Floats:
        """Return 1 minus the confidence level of the interval that ends at 0."""
        if self._same:
            return np.where(np.isnan(self.value), np.nan, 1.0)
        return self._choose(lambda way: way.p_values())

    def _choose(self, compute: "Callable[[_Way], Floats]") -> Floats:
        chosen = compute(self._paired)
        for way, where in (
            (self._apart, self._at_limit),
            (self._together, self._constant),
        ):
            if where.any():
                chosen = np.where(where, compute(way), chosen)
        return chosen


class _Way:
    """Method that derives the interval of a difference."""

    def __init__(self, own: Interval, base: Interval) -> None:
        self.own, self.base = own, base
        self.value = own.value - base.value

    def reach(self, side: Floats | int, tail: Floats) -> Floats:
        """Return the extent of the interval to one side, -1 or 1."""
        raise NotImplementedError

    def p_values(self) -> Floats:
        """Return 1 minus the confidence level of the interval that ends at 0."""
        toward_zero = -np.sign(self.value)
        enough = np.full(self.value.shape, np.log(_SMALLEST))
        too_little = np.full(self.value.shape, np.log(0.5))
        short = self.reach(toward_zero, np.exp(too_little)) < np.abs(self.value)
        for _ in range(40):
            middle = (enough + too_little) / 2
            reached = self.reach(toward_zero, np.exp(middle)) >= np.abs(self.value)
            enough = np.where(reached, middle, enough)
            too_little = np.where(reached, too_little, middle)
        unknown = np.isnan(self.reach(toward_zero, np.exp(enough)))
        return np.where(unknown, np.nan, np.where(short, 2 * np.exp(enough), 1.0))


class _Together(_Way):
    """Interval that allows for unseen patients in whom the two classifiers disagree."""

    def reach(self, side: Floats | int, tail: Floats) -> Floats:
        own_low, own_high = self.own.unseen.bounds(tail, np.ones(1))
        base_low, base_high = self.base.unseen.bounds(tail, np.ones(1))
        up = (own_high - self.own.value) + (self.base.value - base_low)
        down = (self.own.value - own_low) + (base_high - self.base.value)
        return np.where(np.asarray(side) > 0, up, down)


class _Apart(_Way):
    """Interval from two separate intervals, at least one of which is not bootstrapped.

    Squared widths add up (method of variance estimates recovery). For a classifier
    without errors, the correlation of cells within patients is taken from the other
    classifier.
    """

    def reach(self, side: Floats | int, tail: Floats) -> Floats:
        own = self._of(self.own, self.base, tail)
        base = self._of(self.base, self.own, tail)
        up = np.hypot(own.high - self.own.value, self.base.value - base.low)
        down = np.hypot(self.own.value - own.low, base.high - self.base.value)
        return np.where(np.asarray(side) > 0, up, down)

    @staticmethod
    def _of(one: Interval, other: Interval, tail: Floats) -> Bounds:
        return one.at(tail, np.where(other.at_limit, 1.0, other.gain()))


class _Paired(_Way):
    """Interval from paired resamples.

    On the logit scale, two values are described by their midpoint and their distance.
    The difference depends on both: near the ends of the scale, the same distance is a
    smaller difference. The errors of midpoint and distance add up like those of any
    sum.
    """

    def __init__(self, own: Interval, base: Interval) -> None:
        super().__init__(own, base)
        self._scale = scale = own.scale
        # In resamples without errors, both classifiers are equal. Otherwise a single
        # patient with errors would determine the distance in all resamples.
        nearest = np.minimum(
            scale.nearest(own.replicates), scale.nearest(base.replicates)
        )
        own_line = scale.draw_out(own.replicates, nearest)
        base_line = scale.draw_out(base.replicates, nearest)
        middle = _combine(own_line, base_line, 0.5, 0.5)
        distance = _combine(own_line, base_line, 1, -1)
        self._middle, self._distance = middle.value, distance.value
        self._middle_error, _ = standard_error(middle)
        self.error, self._freedom = standard_error(distance)
        own_error, base_error = (
            standard_error(line)[0] for line in (own_line, base_line)
        )
        covariance = (own_error**2 - base_error**2) / 2
        errors = self._middle_error * self.error
        self._correlation = np.divide(
            covariance, errors, out=np.zeros_like(errors), where=errors > 0
        )

    def reach(self, side: Floats | int, tail: Floats) -> Floats:
        return self._reach(side, student.isf(tail, self._freedom))

    def p_values(self) -> Floats:
        enough, too_little = np.full_like(self.value, _FARTHEST), 0 * self.value
        toward_zero = -np.sign(self.value)
        for _ in range(60):
            quantile = (enough + too_little) / 2
            reached = self._reach(toward_zero, quantile) >= np.abs(self.value)
            enough = np.where(reached, quantile, enough)
            too_little = np.where(reached, too_little, quantile)
        return np.where(
            np.isnan(self.error), np.nan, 2 * student.sf(enough, self._freedom)
        )

    def _reach(self, side: Floats | int, quantile: Floats) -> Floats:
        # If one patient accounts for the whole difference, the two errors cancel, and
        # the interval could shrink as the level grows. Intervals of higher levels must
        # contain those of lower levels.
        smaller = np.multiply.outer(_FRACTIONS, quantile)
        return np.asarray(np.max(self._reach_alone(side, smaller), axis=0))

    def _reach_alone(self, side: Floats | int, quantile: Floats) -> Floats:
        here = self._at(self._middle, self._distance)
        by_distance = (
            self._at(self._middle, self._distance + side * quantile * self.error) - here
        )
        up, down = (
            self._at(
                self._middle + sign * quantile * self._middle_error, self._distance
            )
            - here
            for sign in (1, -1)
        )
        upward = side * up > side * down
        by_middle = np.where(upward, up, down)
        together = self._correlation * side * np.where(upward, 1, -1)
        squared = by_distance**2 + by_middle**2
        return np.sqrt(np.maximum(0, squared + 2 * together * by_distance * by_middle))

    def _at(self, middle: Floats, distance: Floats) -> Floats:
        return self._scale.from_line(middle + distance / 2) - self._scale.from_line(
            middle - distance / 2
        )


def _combine(
    own: Replicates, base: Replicates, of_own: float, of_base: float
) -> Replicates:
    return replace(
        own,
        value=of_own * own.value + of_base * base.value,
        resampled=of_own * own.resampled + of_base * base.resampled,
        left_out=of_own * own.left_out + of_base * base.left_out,
    )
