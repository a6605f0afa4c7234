"""Intervals from resampled patients, on the scale of logits.

Figures near 1 spread evenly there, and no bound leaves the range of the figure.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit, logit
from scipy.stats import t as student

from malariafuse.evaluation._bootstrap import Floats, Replicates, standard_error
from malariafuse.evaluation._measures import FINE, RANGE_FROM

_FARTHEST = 1e6  # of all quantiles of Student's t that matter
# How many times as close to an end as the figure itself a draw may be. A draw without
# any error would be infinitely far out, and would rule the interval alone.
_CLOSER = 10


@dataclass(frozen=True)
class Scale:
    """Figures from `lowest` to 1, and the line that they are drawn out to."""

    lowest: Floats
    margin: Floats

    @classmethod
    def of(cls, metrics: tuple[str, ...], n_cells: int) -> "Scale":
        """Return the scale of `metrics`.

        Half a step away from the ends, where a logit is infinite, the line stops for
        the figure itself. What counts cells has steps of a cell, what ranks or averages
        probabilities finer ones: those of AUC are pairs of cells.
        """
        return cls(
            np.array([RANGE_FROM.get(name, 0.0) for name in metrics]),
            np.array(
                [2 / n_cells**2 if name in FINE else 0.5 / n_cells for name in metrics]
            ),
        )

    def from_line(self, values: Floats) -> Floats:
        return self.lowest + (1 - self.lowest) * expit(values)

    def draw_out(self, replicates: Replicates) -> Replicates:
        share = self._share(replicates.value)

        def to_line(figures: Floats) -> Floats:
            closest = np.minimum(share, 1 - share) / _CLOSER
            return logit(np.clip(self._share(figures), closest, 1 - closest))

        return replace(
            replicates,
            value=logit(share),
            resampled=to_line(replicates.resampled),
            left_out=to_line(replicates.left_out),
        )

    def _share(self, figures: Floats) -> Floats:
        shares = (figures - self.lowest) / (1 - self.lowest)
        return np.clip(shares, self.margin, 1 - self.margin)


def interval(
    replicates: Replicates, scale: Scale, confidence_level: float
) -> tuple[Floats, Floats]:
    """Return the bounds of figures; NaN where the draws do not vary."""
    line = scale.draw_out(replicates)
    error, freedom = standard_error(line)
    error = np.where(error > 0, error, np.nan)
    reach = error * student.ppf((1 + confidence_level) / 2, freedom)
    return scale.from_line(line.value - reach), scale.from_line(line.value + reach)


class Difference:
    """The differences of two classifiers' figures, drawn in pairs.

    On the line, two figures are their middle and their distance. A difference depends
    on both: on the distance, and on how far the middle is from the end, where
    differences are small. Each of them has an error, and the two errors of a difference
    add up like those of any sum.
    """

    def __init__(self, own: Replicates, base: Replicates, scale: Scale) -> None:
        self.value = own.value - base.value
        self._scale = scale
        own, base = scale.draw_out(own), scale.draw_out(base)
        middle, distance = _combine(own, base, 0.5, 0.5), _combine(own, base, 1, -1)
        self._middle, self._distance = middle.value, distance.value
        self._middle_error, _ = standard_error(middle)
        self._error, self._freedom = standard_error(distance)
        own_error, base_error = standard_error(own)[0], standard_error(base)[0]
        covariance = (own_error**2 - base_error**2) / 2
        errors = self._middle_error * self._error
        self._correlation = np.divide(
            covariance, errors, out=np.zeros_like(errors), where=errors > 0
        )
        # Where the draws do not vary, equal figures are equal; others say nothing.
        self._unknown = np.isnan(self._error) | ((self._error == 0) & (self.value != 0))

    def interval(self, confidence_level: float) -> tuple[Floats, Floats]:
        """Return the bounds of the differences."""
        quantile = student.ppf((1 + confidence_level) / 2, self._freedom)
        low, high = self._reach(-1, quantile), self._reach(1, quantile)
        unknown = self._unknown
        return (
            np.where(unknown, np.nan, self.value - low),
            np.where(unknown, np.nan, self.value + high),
        )

    def p_values(self) -> Floats:
        """Return 1 minus the level of the interval that ends at 0."""
        enough, too_little = np.full_like(self.value, _FARTHEST), 0 * self.value
        toward_zero = -np.sign(self.value)
        for _ in range(100):
            quantile = (enough + too_little) / 2
            reached = self._reach(toward_zero, quantile) >= np.abs(self.value)
            enough = np.where(reached, quantile, enough)
            too_little = np.where(reached, too_little, quantile)
        return np.where(self._unknown, np.nan, 2 * student.sf(enough, self._freedom))

    def _reach(self, side: Floats | int, quantile: Floats) -> Floats:
        """Return how far the interval goes to one side, -1 or 1."""
        here = self._at(self._middle, self._distance)
        by_distance = (
            self._at(self._middle, self._distance + side * quantile * self._error)
            - here
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
