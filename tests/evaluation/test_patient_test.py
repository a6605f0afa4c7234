import numpy as np
import pandas as pd
import pytest
from scipy.stats import betabinom, binom
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from malariafuse.evaluation import PatientTest
from malariafuse.evaluation._beta_binomial import Rate, fit_rate


def draw_probabilities(random, y, patient, *, correlation=0.02):
    """Counted with a chance that differs by patient, 0.9 and 0.003 on average."""
    strength = 1 / correlation - 1
    chance = np.array([0.003, 0.9])[:, None]
    n = patient.max() + 1
    rates = random.beta(chance * strength, (1 - chance) * strength, (2, n))
    counted = random.random(len(y)) < rates[y, patient]
    return np.where(
        counted, random.uniform(0.95, 1, len(y)), random.uniform(0, 0.9, len(y))
    )


def laboratory(seed, *, n_patients=80):
    random = np.random.default_rng(seed)
    patient = np.repeat(np.arange(n_patients), 90)
    y = ((patient < n_patients * 3 // 4) & (np.arange(len(patient)) % 90 < 25)) * 1
    return random, y, draw_probabilities(random, y, patient), patient


def new_patients(random, fraction, *, n_patients=200, n_cells=68):
    patient = np.repeat(np.arange(n_patients), n_cells)
    y = (np.tile(np.arange(n_cells), n_patients) < round(fraction * n_cells)) * 1
    return draw_probabilities(random, y, patient), patient


@pytest.fixture(scope="module")
def fitted():
    _, y, y_prob, patient = laboratory(0)
    return PatientTest(cell_specificity=0.995).fit(y, y_prob, patient)


class TestRate:
    @pytest.mark.parametrize("count", [0, 1, 7, 20])
    def test_tails_are_those_of_scipy(self, count):
        rate, strength = Rate(0.1, 0.05), 19
        other = betabinom(20, 0.1 * strength, 0.9 * strength)
        assert rate.at_least(count, 20) == pytest.approx(other.sf(count - 1))
        assert rate.at_most(count, 20) == pytest.approx(other.cdf(count))

    def test_tiny_tails_are_not_rounded_to_zero(self):
        assert 0 < Rate(0.01, 0.01).at_least(60, 68) < 1e-30

    def test_smallest_count(self):
        rate = Rate(0.02, 0.02)
        needed = rate.smallest_count(0.05, 68)
        assert rate.at_least(needed, 68) <= 0.05 < rate.at_least(needed - 1, 68)
        assert rate.smallest_count(1e-9, 1) == 2  # not even one of one

    def test_patients_alike_are_nearly_binomial(self):
        random = np.random.default_rng(0)
        rate = fit_rate(random.binomial(68, 0.05, 300), np.full(300, 68))
        assert rate.mean == pytest.approx(0.05, abs=0.005)
        assert rate.correlation < 0.005
        tail = rate.at_least(8, 68)
        # Never bolder than the binomial distribution, and not much more timid.
        assert 1 <= tail / binom(68, 0.05).sf(7) < 2

    @pytest.mark.parametrize("mean", [0.005, 0.05, 0.9])
    def test_patients_who_differ(self, mean):
        random = np.random.default_rng(0)
        counts = random.binomial(68, random.beta(mean * 19, (1 - mean) * 19, 400))
        rate = fit_rate(counts, np.full(400, 68))
        assert rate.mean == pytest.approx(mean, rel=0.3)
        assert rate.correlation == pytest.approx(0.05, rel=0.7)

    def test_no_false_alarm_at_all_is_no_proof_of_none(self):
        few = fit_rate(np.zeros(5), np.full(5, 68))
        many = fit_rate(np.zeros(500), np.full(500, 68))
        assert 0 < many.mean < few.mean < 0.02


def test_promised_specificity_holds_for_patients_who_differ():
    """A small version of benchmarks/interval_coverage.py."""
    called, reviewed = [], []
    for seed in range(20):
        random, y, y_prob, patient = laboratory(seed)
        fitted = PatientTest(cell_specificity=0.995).fit(y, y_prob, patient)
        verdict = fitted.test(*new_patients(random, 0))["verdict"]
        called.append((verdict == "infected").mean())
        reviewed.append((verdict != "not infected").mean())
    assert 0.005 < np.mean(called) <= 0.05
    assert np.mean(called) < np.mean(reviewed) <= 0.2


def test_any_counted_cell_would_call_far_more_healthy_patients_infected(fitted):
    y_prob, patient = new_patients(np.random.default_rng(1), 0, n_patients=500)
    verdicts = fitted.test(y_prob, patient)
    assert (verdicts["counted"] > 0).mean() > 3 * (
        verdicts["verdict"] == "infected"
    ).mean()


@pytest.mark.parametrize("fraction", [0, 0.05, 0.5])
def test_fraction_is_right_on_average_and_its_interval_holds_it(fraction):
    estimates, held = [], []
    for seed in range(8):
        random, y, y_prob, patient = laboratory(seed)
        fitted = PatientTest(cell_specificity=0.995).fit(y, y_prob, patient)
        new = fitted.test(*new_patients(random, fraction, n_cells=100, n_patients=50))
        estimates.append(new["fraction"].mean())
        held.append(((new["low"] <= fraction) & (fraction <= new["high"])).mean())
    assert np.mean(estimates) == pytest.approx(fraction, abs=0.01)
    assert np.mean(held) >= 0.92


def test_verdicts_follow_the_p_value(fitted):
    verdicts = fitted.test(*new_patients(np.random.default_rng(2), 0.03))
    expected = np.select(
        [verdicts["p_value"] <= 0.05, verdicts["p_value"] <= 0.2],
        ["infected", "review"],
        "not infected",
    )
    assert (verdicts["verdict"] == expected).all()
    assert set(expected) == {"infected", "review", "not infected"}
    infected = verdicts["verdict"] == "infected"
    assert infected.equals(verdicts["counted"] >= verdicts["needed"])


def test_what_is_learned(fitted):
    assert 0.85 <= fitted.cell_threshold_ <= 1
    assert fitted.false_positive_rate_ == pytest.approx(0.005, abs=0.002)
    assert fitted.sensitivity_ > 0.7
    assert 0 < fitted.false_positive_correlation_ < 1
    assert 0 < fitted.sensitivity_correlation_ < 1


def test_more_parasites_are_stronger_evidence(fitted):
    random = np.random.default_rng(3)
    p_values = [
        fitted.test(*new_patients(random, fraction))["p_value"].median()
        for fraction in (0, 0.05, 0.1, 0.5)
    ]
    assert p_values == sorted(p_values, reverse=True)


def test_few_cells_say_little(fitted):
    verdicts = fitted.test([0.1] * 3 + [0.1] * 300, [1] * 3 + [2] * 300)
    assert (verdicts["verdict"] == "not infected").all()
    assert verdicts.loc[1, "high"] > 0.5 > 0.1 > verdicts.loc[2, "high"]


def test_patients_are_judged_one_by_one(fitted):
    y_prob, patient = new_patients(np.random.default_rng(4), 0.1, n_patients=6)
    names = np.array(list("fbdace"))[patient]
    together = fitted.test(y_prob, names)
    assert together.index.tolist() == list("abcdef")
    alone = pd.concat(
        [fitted.test(y_prob[names == n], names[names == n]) for n in "abcdef"]
    )
    pd.testing.assert_frame_equal(together, alone)


@pytest.mark.parametrize("one", ["C7", b"C7", 7, 7.5, np.int64(7), np.str_("C7")])
def test_one_new_patient(fitted, one):
    y_prob = [0.99, 0.98, 0.2]
    expected = fitted.test(y_prob, [one] * 3)
    pd.testing.assert_frame_equal(fitted.test(y_prob, one), expected)
    assert len(expected) == 1


def test_a_fraction_is_a_fraction(fitted):
    """Uncorrected for its limits it was 1.138, with an upper end of 1."""
    verdicts = fitted.test(
        [0.98] + [0.99] * 67 + [0.1] * 68, ["all"] * 68 + ["none"] * 68
    )
    assert verdicts.loc["all", ["fraction", "high"]].tolist() == [1, 1]
    assert verdicts.loc["none", ["fraction", "low"]].tolist() == [0, 0]
    share = (34 / 68 - fitted.false_positive_rate_) / (
        fitted.sensitivity_ - fitted.false_positive_rate_
    )
    half = fitted.test([0.98] + [0.99] * 33 + [0.1] * 34, "half")
    assert half.loc["half", "fraction"] == pytest.approx(share)


def test_labels_may_be_words():
    _, y, y_prob, patient = laboratory(0)
    words = np.array(["Uninfected", "Parasitized"])[y]
    named = PatientTest(pos_label="Parasitized").fit(words, y_prob, patient)
    plain = PatientTest().fit(y, y_prob, patient)
    assert named.sensitivity_ == plain.sensitivity_
    with pytest.raises(ValueError, match="Pass pos_label"):
        PatientTest().fit(words, y_prob, patient)


def test_clone_and_parameters():
    estimator = clone(PatientTest(specificity=0.9))
    assert estimator.get_params()["specificity"] == 0.9
    with pytest.raises(NotFittedError):
        estimator.test([0.5], [1])


class TestRefused:
    def test_too_few_uninfected_cells(self):
        _, y, y_prob, patient = laboratory(0, n_patients=4)
        with pytest.raises(
            ValueError, match=r"cell_specificity=0\.9975 .* at least 400"
        ):
            PatientTest().fit(y, y_prob, patient)

    def test_one_infected_patient(self):
        _, y, y_prob, patient = laboratory(0)
        with pytest.raises(ValueError, match="only one patient with parasitized cells"):
            PatientTest().fit(y & (patient == 0), y_prob, patient)

    def test_a_classifier_that_is_the_wrong_way_round(self):
        _, y, y_prob, patient = laboratory(0)
        with (
            pytest.raises(
                ValueError, match="expected significantly more of the parasitized cells"
            ),
            pytest.warns(UserWarning, match="worse than chance"),
        ):
            PatientTest().fit(y, 1 - y_prob, patient)

    @pytest.mark.parametrize("seed", range(5))
    @pytest.mark.parametrize(
        "noise", [0, 1e-12, 0.1], ids=["constant", "barely varying", "unrelated"]
    )
    @pytest.mark.filterwarnings("ignore:The ROC AUC is:UserWarning")
    def test_probabilities_that_say_nothing(self, seed, noise):
        """Where nothing was refused, a fraction of 1007 followed."""
        random, y, _, patient = laboratory(seed)
        nothing = 0.3 + noise * random.random(len(y))
        with pytest.raises(
            ValueError, match=r"y_prob is at least .* hardly vary cannot"
        ):
            PatientTest().fit(y, nothing, patient)

    def test_uninfected_cells_that_are_all_sure(self):
        _, y, _, patient = laboratory(0)
        with pytest.raises(
            ValueError, match=r"cell_specificity=.* not reached by any thr"
        ):
            PatientTest().fit(y, np.ones(len(y)), patient)

    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"specificity": 1}, r"specificity=1: expected a number in \(0, 1\)"),
            ({"cell_specificity": 0}, "cell_specificity=0: expected"),
            ({"confidence_level": True}, "confidence_level=True: expected"),
            ({"review_specificity": 0.99}, r"review_specificity=0.99 exceeds .*=0.95"),
        ],
    )
    def test_parameters(self, parameters, message):
        _, y, y_prob, patient = laboratory(0)
        with pytest.raises(ValueError, match=message):
            PatientTest(**parameters).fit(y, y_prob, patient)

    def test_cells_without_patients(self, fitted):
        with pytest.raises(ValueError, match="groups is None: expected the patient"):
            fitted.test([0.5], None)
        with pytest.raises(ValueError, match="groups has 2 patients for 1 cells"):
            fitted.test([0.5], [1, 2])
