"""Confidence intervals from resampled patients, on the logit scale.

The logit scale spreads values near 1, and bounds stay in the range of the metric.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import norm
from scipy.stats import t as student

from malariafuse.evaluation._bootstrap import Floats, Replicates, standard_error
from malariafuse.evaluation._measures import RANGE_FROM
from malariafuse.evaluation._unseen import Unseen

# Resamples are clipped to 1 / _CLOSER of the distance between the value and the end of
# its range. The logit of a resample without errors would be infinite and would dominate
# the interval.
_CLOSER = 10
_TINY, _EPSILON = np.finfo(float).tiny, np.finfo(float).eps
_ROUNDING = 1e-12
_NORMAL = norm.isf(0.025)


@dataclass(frozen=True)
class Scale:
    """Logit scale for values between `lowest` and 1."""

    lowest: Floats
    closest: Floats  # smallest distance to `lowest`, as a fraction of the range
    rounding: Floats  # absolute rounding error of the values

    @classmethod
    def of(cls, metrics: tuple[str, ...], n_cells: int) -> "Scale":
        """Return the scale of `metrics`.

        Only the calibration error may be 0 although its resamples vary, because errors
        of opposite sign cancel. Its scale ends half a cell above 0, where the logit
        would be infinite.
        """
        return cls(
            np.array([RANGE_FROM.get(name, 0.0) for name in metrics]),
            np.array(
                [
                    0.5 / n_cells if name == "calibration_error" else _TINY
                    for name in metrics
                ]
            ),
            # A mean of squares may be tiny. Tiny values of other metrics are rounding
            # errors.
            np.array([0 if name == "brier_score" else _ROUNDING for name in metrics]),
        )

    def from_line(self, values: Floats) -> Floats:
        return self.lowest + (1 - self.lowest) * expit(values)

    def nearest(self, replicates: Replicates) -> Floats:
        """Return the smallest distance to an end of the range for a resample."""
        share = self._inside(replicates.value)
        return np.minimum(share, 1 - share) / _CLOSER

    def draw_out(self, replicates: Replicates, nearest: Floats) -> Replicates:
        farthest = 1 - np.maximum(nearest, _EPSILON)

        def to_line(values: Floats) -> Floats:
            return logit(np.clip(self.share(values), nearest, farthest))

        return replace(
            replicates,
            value=logit(self._inside(replicates.value)),
            resampled=to_line(replicates.resampled),
            left_out=to_line(replicates.left_out),
        )

    def _inside(self, values: Floats) -> Floats:
        return np.clip(self.share(values), self.closest, 1 - _EPSILON)

    def share(self, values: Floats) -> Floats:
        """Return the position of each value in its range, in [0, 1]."""
        return (values - self.lowest) / (1 - self.lowest)


class Interval:
    """Confidence intervals of metrics, at any level.

    The bounds allow for unseen patients if the resamples do not vary, or if no patient
    has the errors that matter most.
    """

    def __init__(self, replicates: Replicates, scale: Scale, unseen: Unseen) -> None:
        self.value, self.replicates = replicates.value, replicates
        self.scale, self.unseen = scale, unseen
        self.line = scale.draw_out(replicates, scale.nearest(replicates))
        self.error, self.freedom = standard_error(self.line)
        self.agrees = _agrees(replicates, scale.rounding)
        self.at_limit = self.agrees | unseen.unseen_errors
        self._spread, _ = standard_error(replicates)

    def at(self, tail: Floats | float, gain: Floats | float = 1.0) -> "Bounds":
        """Return the bounds, each with the error probability `tail`.

        See :class:`Unseen` for `gain`.
        """
        tail, gain = np.asarray(tail), np.asarray(gain)
        reach = self.error * student.isf(tail, self.freedom)
        low = self.scale.from_line(self.line.value - reach)
        high = self.scale.from_line(self.line.value + reach)
        low, high = self._with_few(low, high, tail, gain)
        unseen_low, unseen_high = self.unseen.bounds(tail, gain)
        low = np.where(self.agrees, unseen_low, low)
        high = np.where(self.at_limit, np.fmax(high, unseen_high), high)
        high = np.where(self.agrees, unseen_high, high)
        return Bounds(np.minimum(low, self.value), np.maximum(high, self.value))

    def _with_few(
        self, low: Floats, high: Floats, tail: Floats, gain: Floats
    ) -> tuple[Floats, Floats]:
        """Return bounds that combine the bootstrap with the bounds for few errors."""
        few_low, few_high = self.unseen.bounds_of_few(tail, gain)
        of_low, of_high = self.unseen.weights_of_draws
        # Bootstrap bounds are never looser than the bounds without assumptions.
        low, high = np.maximum(low, few_low), np.minimum(high, few_high)
        few_low = np.where(np.isfinite(few_low), few_low, low)
        few_high = np.where(np.isfinite(few_high), few_high, high)
        return (
            of_low * low + (1 - of_low) * few_low,
            of_high * high + (1 - of_high) * few_high,
        )

    def gain(self) -> Floats:
        """Return the ratio of the effective sample size to the number of patients.

        The ratio is at least 1. The effective sample size is that of Korn and Graubard,
        with their correction for the degrees of freedom.
        """
        share = self.scale.share(self.value)
        variance = (self._spread / (1 - self.scale.lowest)) ** 2
        variance *= (student.isf(0.025, self.freedom) / _NORMAL) ** 2
        alone = share * (1 - share)
        known = variance > 0
        units = np.divide(alone, variance, out=np.ones_like(alone), where=known)
        return np.maximum(1, units / self.unseen.units)


@dataclass(frozen=True)
class Bounds:
    """Lower and upper bound of each interval."""

    low: Floats
    high: Floats


def _agrees(replicates: Replicates, rounding: Floats) -> NDArray[np.bool_]:
    """Return which values are the same in all resamples in which they are defined."""
    value, resampled = replicates.value, replicates.resampled
    spread = np.ptp(np.where(np.isnan(resampled), value, resampled), axis=0)
    return np.asarray(spread <= np.maximum(rounding, _ROUNDING * np.abs(value)))
