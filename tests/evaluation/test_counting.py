import numpy as np
import pytest
from scipy.stats import betabinom

from malariafuse.evaluation import PatientTest
from malariafuse.evaluation._beta_binomial import Rate
from malariafuse.evaluation._counting import CountingRule, best_rule

STRICT = CountingRule(0.99, Rate(0.001, 0.001), Rate(0.6, 0.1))
LENIENT = CountingRule(0.5, Rate(0.02, 0.02), Rate(0.95, 0.02))


def test_fraction_is_corrected_for_misses_and_false_alarms():
    # 10 % parasitized: 0.1 * 0.95 + 0.9 * 0.02 = 0.113 of the cells are counted.
    assert LENIENT.fraction(113, 1000) == pytest.approx(0.1)


@pytest.mark.parametrize(("count", "expected"), [(0, 0), (1000, 1)])
def test_fraction_is_one(count, expected):
    assert LENIENT.fraction(count, 1000) == expected


def test_ends_of_the_interval_are_rejected_by_half_of_the_rest():
    low, high = STRICT.interval(50, 1000, 0.9)
    for fraction, tail in ((low, "sf"), (high, "cdf")):
        rate = STRICT.rate(fraction)
        strength = 1 / rate.correlation - 1
        other = betabinom(1000, rate.mean * strength, (1 - rate.mean) * strength)
        count = 49 if tail == "sf" else 50
        assert getattr(other, tail)(count) == pytest.approx(0.05, abs=1e-4)


def test_error_is_that_of_counts_in_simulated_patients():
    random = np.random.default_rng(0)
    fraction, n, patients = 0.1, 500, 20_000
    rates = [
        random.beta(m * (1 / c - 1), (1 - m) * (1 / c - 1), patients)
        for m, c in ((0.95, 0.02), (0.02, 0.02))
    ]
    counts = random.binomial(n, fraction * rates[0] + (1 - fraction) * rates[1])
    simulated = (counts / n / LENIENT.difference).std()
    assert LENIENT.error(fraction, n) == pytest.approx(simulated, rel=0.03)


def test_few_parasites_are_counted_strictly_and_many_leniently():
    rules = [STRICT, LENIENT]
    # 0.5 %: 4 and 25 of 1,000 cells; 30 %: 181 and 299.
    assert best_rule(rules, [4, 25], 1000) == 0
    assert best_rule(rules, [181, 299], 1000) == 1


def test_rules_that_refer_to_each_other_leave_it_to_the_stricter_one():
    # By the strict rule there are many parasites, by the lenient one none.
    assert best_rule([STRICT, LENIENT], [181, 0], 1000) == 0


def test_each_patient_is_counted_at_a_threshold_of_its_own():
    random = np.random.default_rng(0)
    patient = np.repeat(np.arange(60), 200)
    y = (np.tile(np.arange(200), 60) < 60).astype(int)
    y_prob = np.where(y, random.beta(4, 1, len(y)), random.beta(1, 8, len(y)))
    fitted = PatientTest(cell_specificity=0.998).fit(y, y_prob, patient)
    few, many = (
        np.concatenate(
            [
                random.beta(4, 1, round(1000 * f)),
                random.beta(1, 8, 1000 - round(1000 * f)),
            ]
        )
        for f in (0.004, 0.4)
    )
    table = fitted.test(np.concatenate([few, many]), np.repeat(["few", "many"], 1000))
    assert table.loc["few", "threshold"] == fitted.cell_threshold_
    assert table.loc["many", "threshold"] < fitted.cell_threshold_
    assert table.loc["many", "fraction"] == pytest.approx(0.4, abs=0.03)
    assert table.loc["few", "low"] <= 0.004 <= table.loc["few", "high"]


def test_a_lenient_specificity_leaves_one_rule():
    random = np.random.default_rng(0)
    y = np.tile([0, 1], 200)
    y_prob = np.where(y, random.uniform(0.5, 1, 400), random.uniform(0, 0.6, 400))
    fitted = PatientTest(cell_specificity=0.4, specificity=0.9)
    table = fitted.fit(y, y_prob, np.repeat(np.arange(4), 100)).test([0.9, 0.1], "Ada")
    assert table["threshold"].item() == fitted.cell_threshold_
