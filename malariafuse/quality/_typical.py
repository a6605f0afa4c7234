"""Distances of measures from the training set."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import PowerTransformer

Floats = NDArray[np.float64]

_FARTHEST = 12.0  # in standard deviations, so that a single measure does not dominate
_MOST_DIRECTIONS = 20
_ROWS_FOR_POWERS = 2000
_C = 0.06  # of the logistic regression: a weaker penalty rejects other laboratories


@dataclass(frozen=True)
class Scale:
    """Yeo-Johnson power transform with mean and standard deviation.

    The powers are chosen so that transformed measures are nearly normal.
    """

    powers: Floats
    mean: Floats
    deviation: Floats

    @classmethod
    def of(cls, rows: Floats) -> Self:
        """Fit the transform to `rows`."""
        some = rows[:: -(-len(rows) // _ROWS_FOR_POWERS)]
        with np.errstate(all="ignore"):
            powers = PowerTransformer(standardize=False).fit(some).lambdas_
        changed = _yeo_johnson(rows, powers)
        deviation = changed.std(axis=0)
        return cls(powers, changed.mean(axis=0), np.where(deviation > 0, deviation, 1))

    def __call__(self, rows: Floats) -> Floats:
        """Return transformed `rows` in standard deviations, clipped."""
        standard = (_yeo_johnson(rows, self.powers) - self.mean) / self.deviation
        return np.clip(standard, -_FARTHEST, _FARTHEST)


def _yeo_johnson(rows: Floats, powers: Floats) -> Floats:
    """Return the power transform, with infinity instead of NaN on overflow."""
    above, below = np.log1p(np.maximum(rows, 0)), np.log1p(np.maximum(-rows, 0))

    def grown(logarithms: Floats, power: Floats) -> Floats:
        flat = np.abs(power) < 1e-8
        return np.where(
            flat, logarithms, np.expm1(power * logarithms) / np.where(flat, 1, power)
        )

    with np.errstate(over="ignore"):
        return np.where(rows >= 0, grown(above, powers), -grown(below, 2 - powers))


@dataclass(frozen=True)
class Gaussian:
    """Mahalanobis distance from the training set, with a shrunk covariance.

    The covariance is estimated by Ledoit-Wolf shrinkage. If there are many measures,
    the principal components with the largest variance are kept. The others share their
    mean variance, as in probabilistic principal component analysis.
    """

    scale: Scale
    directions: Floats
    weights: Floats
    weight_of_rest: float

    @classmethod
    def of(cls, rows: Floats) -> Self:
        """Fit the distance to `rows`."""
        scale = Scale.of(rows)
        covariance = LedoitWolf(assume_centered=True).fit(scale(rows)).covariance_
        variances, directions = np.linalg.eigh(covariance)
        n_rest = max(0, len(variances) - _MOST_DIRECTIONS)
        rest = variances[:n_rest]
        return cls(
            scale,
            directions[:, n_rest:],
            1 / np.maximum(variances[n_rest:], 1e-6),
            1 / max(float(rest.mean()), 1e-6) if n_rest else 0.0,
        )

    def __call__(self, rows: Floats) -> Floats:
        """Return the distance of each row."""
        standard = self.scale(rows)
        along = (standard @ self.directions) ** 2
        rest = np.maximum((standard**2).sum(axis=1) - along.sum(axis=1), 0)
        return np.sqrt(along @ self.weights + self.weight_of_rest * rest)


@dataclass(frozen=True)
class Boundary:
    """Log-odds of not being a training cell, fitted to examples of both.

    They are a quadratic function of the measures, fitted by logistic regression.
    """

    scale: Scale
    coefficients: Floats
    intercept: float

    @classmethod
    def of(cls, rows: Floats, others: Floats) -> Self:
        """Fit the boundary between `rows` and `others`."""
        scale = Scale.of(rows)
        terms = _quadratic(scale(np.concatenate([rows, others])))
        center, spread = terms.mean(axis=0), terms.std(axis=0)
        spread = np.where(spread > 0, spread, 1)
        is_other = np.arange(len(terms)) >= len(rows)
        model = LogisticRegression(C=_C, class_weight="balanced", max_iter=2000)
        model.fit((terms - center) / spread, is_other)
        coefficients = model.coef_[0] / spread
        return cls(
            scale, coefficients, float(model.intercept_[0] - center @ coefficients)
        )

    def __call__(self, rows: Floats) -> Floats:
        """Return the log-odds of each row."""
        return _quadratic(self.scale(rows)) @ self.coefficients + self.intercept


def _quadratic(rows: Floats) -> Floats:
    """Return all columns and all products of two columns."""
    rows = np.clip(rows, -_FARTHEST / 2, _FARTHEST / 2)
    one, other = np.triu_indices(rows.shape[1])
    return np.hstack([rows, rows[:, one] * rows[:, other]])
