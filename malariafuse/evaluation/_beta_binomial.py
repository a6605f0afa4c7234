"""Beta-binomial model of counts whose rate varies between patients."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, expit, gammaln, logit

Floats = NDArray[np.float64]

_N_MEANS, _N_CORRELATIONS = 41, 25
_LOWEST, _HIGHEST = 1e-4, 0.5  # correlation


@dataclass(frozen=True)
class Rate:
    """Rate of a new patient: its mean and the correlation of the patient's cells.

    The variance of the rates of patients is ``correlation * mean * (1 - mean)``.
    """

    mean: float
    correlation: float

    @property
    def variance(self) -> float:
        return self.correlation * self.mean * (1 - self.mean)

    @classmethod
    def with_variance(cls, mean: float, variance: float) -> "Rate":
        return cls(mean, variance / (mean * (1 - mean)))

    def probabilities(self, counts: NDArray[np.int64], n: int) -> Floats:
        """Return the probability of each of `counts` among `n` cells."""
        return np.exp(
            gammaln(n + 1)
            - gammaln(counts + 1)
            - gammaln(n - counts + 1)
            + _log_likelihood(counts, n, self.mean, self.correlation)
        )

    def at_least(self, count: int, n: int) -> float:
        """Return the probability of `count` or more among `n` cells."""
        return float(min(1, self.probabilities(np.arange(count, n + 1), n).sum()))

    def smallest_count(self, level: float, n: int) -> int:
        """Return the smallest count that is reached with at most this probability.

        It is ``n + 1`` if even `n` counted cells are more likely than that.
        """
        of_each = self.probabilities(np.arange(n + 1), n)
        at_least = np.cumsum(of_each[::-1])[::-1]
        return int((at_least > level).sum())

    def at_most(self, count: int, n: int) -> float:
        """Return the probability of `count` or fewer among `n` cells."""
        return float(min(1, self.probabilities(np.arange(count + 1), n).sum()))


def fit_rate(counts: Floats, n: Floats) -> Rate:
    """Estimate the rate of a new patient from patients with `counts` out of `n` cells.

    The posterior is computed on a grid of means and correlations of a beta-binomial
    distribution. The prior is Jeffreys' prior for the mean and flat for the logit of
    the correlation. The result has the posterior mean and variance of the rate. The
    maximum of the likelihood, fitted to a few patients, underestimates the variance, so
    tests based on it raise too many false alarms.
    """
    mean = (counts.sum() + 0.5) / (n.sum() + 1)
    excess = ((counts - n * mean) ** 2).sum() / (n.sum() * mean * (1 - mean))
    error = np.sqrt(max(1.0, excess) / ((n.sum() + 1) * mean * (1 - mean)))
    means = expit(logit(mean) + np.linspace(-6.5, 6.5, _N_MEANS) * error)[:, None, None]
    correlations = expit(np.linspace(logit(_LOWEST), logit(_HIGHEST), _N_CORRELATIONS))[
        :, None
    ]
    log_weight = (
        _log_likelihood(counts, n, means, correlations).sum(axis=-1)
        + np.log(means * (1 - means))[..., 0] / 2
    )
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    means, correlations = means[..., 0], correlations[:, 0]
    expected = float((weight * means).sum())
    variance = correlations * means * (1 - means) + (means - expected) ** 2
    return Rate.with_variance(expected, float((weight * variance).sum()))


def _log_likelihood(counts: Any, n: Any, mean: Any, correlation: Any) -> Any:
    """Return the log-likelihood without the binomial coefficient, which is constant."""
    strength = 1 / correlation - 1
    a, b = mean * strength, (1 - mean) * strength
    return betaln(counts + a, n - counts + b) - betaln(a, b)
