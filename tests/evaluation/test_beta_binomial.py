import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize
from scipy.special import expit

from malariafuse.evaluation._beta_binomial import Rate, fit_rate


@pytest.mark.parametrize(("mean", "correlation"), [(0.01, 0.05), (0.3, 0.4)])
def test_probabilities_are_those_of_scipy(mean, correlation):
    rate = Rate(mean, correlation)
    strength = 1 / correlation - 1
    expected = stats.betabinom(50, mean * strength, (1 - mean) * strength)
    counts = np.arange(51)
    np.testing.assert_allclose(rate.probabilities(counts, 50), expected.pmf(counts))
    # The variance of the counts of patients says what the correlation is.
    factor = 1 + (50 - 1) * correlation
    assert expected.var() == pytest.approx(50 * mean * (1 - mean) * factor)
    for count in (0, 1, 7, 50):
        assert rate.at_most(count, 50) == pytest.approx(expected.cdf(count))
        assert rate.at_least(count, 50) == pytest.approx(expected.sf(count - 1))
    for level in (0.5, 0.05, 0.001):
        # The smallest count with P(this or more) <= level.
        assert rate.smallest_count(level, 50) == expected.isf(level) + 1


@pytest.mark.parametrize(("n_patients", "rel"), [(30, 0.5), (300, 0.1)])
def test_a_fit_is_close_to_the_most_likely_rate(n_patients, rel):
    """It is a mean over all likely rates, which is higher with few patients."""
    counts = stats.betabinom.rvs(
        100, 0.03 * 19, 0.97 * 19, size=n_patients, random_state=1
    )

    def surprise(logits):
        mean, correlation = expit(logits)
        strength = 1 / correlation - 1
        rates = stats.betabinom(100, mean * strength, (1 - mean) * strength)
        return -rates.logpmf(counts).sum()

    mean, correlation = expit(minimize(surprise, [-3, -3], method="Nelder-Mead").x)
    rate = fit_rate(counts.astype(float), np.full(n_patients, 100.0))
    assert mean < rate.mean < mean * (1 + rel)
    assert correlation * (1 - rel) < rate.correlation < correlation * (1 + rel)
