"""Bounds where no resample can show an error, because no patient has one."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from malariafuse.evaluation import compare, summarize, threshold_table
from malariafuse.evaluation._measures import METRICS

# A perfect classifier, or its reverse, is what these tests are about.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*has only two distinct values", "ignore:The ROC AUC is"
)
SETTINGS = {"n_resamples": 100, "random_state": 0}
LOWEST = np.where(np.array(METRICS) == "mcc", -1, 0)


def patients(n_patients=10, n_of_each_class=5):
    """Labels and patients, each of whom has the same cells."""
    y = np.tile(np.repeat([0, 1], n_of_each_class), n_patients)
    return y, np.repeat(np.arange(n_patients), 2 * n_of_each_class)


class TestPerfect:
    def test_every_metric(self):
        """Ten patients of a kind that a share r of all has: a probability of 0.025."""
        y, patient = patients(10)
        table = summarize(y, y.astype(float), patient, **SETTINGS)
        r = 0.025 ** (1 / 10)
        expected = {
            "recall": (1, r, 1),
            "specificity": (1, r, 1),
            "precision": (1, r, 1),
            "f1": (1, r, 1),
            "accuracy": (1, r, 1),
            "mcc": (1, 2 * r - 1, 1),  # recall + specificity - 1 for equal classes
            "roc_auc": (1, r * r, 1),  # pairs of two such cells
            "average_precision": (1, r * r / (r + 1 - r), 1),  # recall * precision
            "brier_score": (0, 0, 1 - r),
            "calibration_error": (0, 0, 1 - r),
            "patient_averaged_recall": (1, r, 1),
        }
        for name, bounds in expected.items():
            assert table.loc[name].tolist() == pytest.approx(bounds), name

    def test_always_wrong(self):
        y, patient = patients(10)
        table = summarize(y, 1.0 - y, patient, **SETTINGS)
        r = 0.025 ** (1 / 10)
        for name in ("recall", "specificity", "precision", "f1", "accuracy"):
            assert table.loc[name].tolist() == pytest.approx((0, 0, 1 - r)), name
        assert table.loc["mcc"].tolist() == pytest.approx((-1, -1, 1 - 2 * r))
        assert table.loc["roc_auc"].tolist() == pytest.approx((0, 0, 1 - r * r))
        assert table.loc["brier_score"].tolist() == pytest.approx((1, r, 1))

    @pytest.mark.parametrize("level", [0.9, 0.99])
    def test_cells_on_their_own_have_the_bound_of_clopper_and_pearson(self, level):
        y = np.repeat([0, 1], [70, 30])
        table = summarize(y, y.astype(float), confidence_level=level, **SETTINGS)
        for name, n in (("recall", 30), ("specificity", 70), ("accuracy", 100)):
            exact = binomtest(n, n).proportion_ci(level, method="exact")
            assert table.loc[name, ["low", "high"]].tolist() == pytest.approx(exact)

    def test_a_few_large_patients_are_few(self):
        """Kish's effective number of patients, of those with parasitized cells."""
        n_parasitized = [100, 10, 10, 0, 0, 0]
        y = np.repeat([1, 0], [120, 60])
        patient = np.concatenate(
            [np.repeat(np.arange(6), n_parasitized), np.repeat(np.arange(6), 10)]
        )
        table = summarize(y, y.astype(float), patient, **SETTINGS)
        n = 120**2 / (100**2 + 10**2 + 10**2)
        assert table.loc["recall", "low"] == pytest.approx(0.025 ** (1 / n))
        assert table.loc["specificity", "low"] == pytest.approx(0.025 ** (1 / 6))
        # Every infected patient counts alike.
        averaged = table.loc["patient_averaged_recall", "low"]
        assert averaged == pytest.approx(0.025 ** (1 / 3))

    def test_a_single_infected_patient(self):
        y = np.array([1] * 10 + [0] * 60)
        table = summarize(y, y.astype(float), np.arange(70) // 10, **SETTINGS)
        assert table.loc["recall"].tolist() == pytest.approx((1, 0.025, 1))

    def test_thresholds(self):
        y, patient = patients(10)
        table = threshold_table(
            y, 0.2 + 0.6 * y, patient, thresholds=[0.1, 0.5, 0.9], **SETTINGS
        )
        r = 0.025 ** (1 / 10)
        assert table["recall_low"].tolist() == pytest.approx([r, r, 0])
        assert table["recall_high"].tolist() == pytest.approx([1, 1, 1 - r])
        assert table["specificity_low"].tolist() == pytest.approx([0, r, r])
        assert table["specificity_high"].tolist() == pytest.approx([1 - r, 1, 1])


class TestSure:
    """Probabilities of almost 0 and 1."""

    @pytest.mark.parametrize("seed", range(20))
    def test_the_interval_holds_the_score(self, seed):
        y, patient = patients(8, 2)
        random = np.random.default_rng(seed)
        y_prob = np.clip(y + random.normal(0, 1e-5, 32), 0, 1)
        score = summarize(y, y_prob, patient, **SETTINGS).loc["brier_score"]
        assert 0 < score["value"] < 1e-9
        assert score["low"] <= score["value"] <= score["high"]

    def test_no_gross_error_was_seen_but_may_be_rare(self):
        """In truth, one patient in 50 has the wrong diagnosis: a score of 0.02."""
        y, patient = patients(8)
        y_prob = np.where(y == 1, 1 - 1e-4, 1e-4)
        table = summarize(y, y_prob, patient, **SETTINGS)
        for name in ("brier_score", "calibration_error"):
            assert table.loc[name, "value"] < 1e-3
            assert table.loc[name, "high"] > 0.3  # 1 - 0.025 ** (1 / 8)

    def test_an_error_that_was_seen_is_left_to_the_draws(self):
        y, patient = patients(40)
        y_prob = np.where(y == 1, 0.9, 0.1)
        y_prob[::7] = 0.45 + 0.1 * (1 - y[::7])
        unsure = summarize(y, y_prob, patient, **SETTINGS).loc["brier_score"]
        assert unsure["high"] - unsure["low"] < 0.03
        correct = summarize(y, y_prob, patient, threshold=0.5, **SETTINGS)
        assert correct.loc["accuracy", "value"] < 1


def rare_errors(seed, *, rate, n_patients=15):
    """Labels, probabilities and patients, of whom a share `rate` is all wrong."""
    y, patient = patients(n_patients, 6)
    wrong = (np.random.default_rng(seed).random(n_patients) < rate)[patient]
    return y, np.where((y == 1) ^ wrong, 0.999, 0.001), patient


@pytest.mark.parametrize("rate", [0.02, 0.1])
def test_rare_errors(rate):
    """Of 15 patients, nobody is diagnosed wrongly in 74 % or 21 % of the studies."""
    y, y_prob, patient = rare_errors(2**20, rate=rate, n_patients=2000)
    truth = summarize(y, y_prob, patient, **SETTINGS)["value"]
    held = []
    for seed in range(40):
        table = summarize(*rare_errors(seed, rate=rate), **SETTINGS)
        held.append((table["low"] <= truth) & (truth <= table["high"]))
    # 0.95, less two standard errors of 40 studies.
    assert (np.mean(held, axis=0) > 0.88).all()


PROBABILITIES = [0.0, 1e-9, 0.1, 0.3, 0.5, 0.9, 1 - 1e-9, 1.0]
SURE = [0.0, 1e-9, 1 - 1e-9, 1.0]


@st.composite
def studies(draw, probabilities=PROBABILITIES):
    """Labels, probabilities and patients, each of whom has cells of both classes."""
    n_patients = draw(st.integers(2, 5))
    a_probability = st.sampled_from(draw(st.sampled_from([probabilities, SURE])))
    n_of_each = draw(
        st.lists(
            st.tuples(st.integers(1, 4), st.integers(1, 4)),
            min_size=n_patients,
            max_size=n_patients,
        )
    )
    y = np.concatenate([np.repeat([0, 1], numbers) for numbers in n_of_each])
    patient = np.repeat(np.arange(n_patients), [sum(n) for n in n_of_each])
    n = len(y)
    y_prob = np.array(draw(st.lists(a_probability, min_size=n, max_size=n)))
    # Right more often than not, as classifiers are.
    right = draw(st.booleans())
    return (
        y,
        np.where(y == 1, np.maximum(y_prob, 1 - y_prob), y_prob) if right else (y_prob),
        patient,
    )


@settings(max_examples=25)
@given(studies(), st.sampled_from([0.5, 0.95, 0.999]))
def test_intervals_hold_the_value_within_the_range(study, level):
    table = summarize(*study, confidence_level=level, **SETTINGS)
    known = table[table["low"].notna()]
    assert (known["low"] <= known["value"]).all()
    assert (known["value"] <= known["high"]).all()
    assert (known["low"] >= LOWEST[table["low"].notna()]).all()
    assert (known["high"] <= 1).all()
    # All patients have both classes; only what is called may be missing in draws.
    unknown = table.index[table["low"].isna()]
    assert set(unknown) <= {"precision", "mcc"}


@settings(max_examples=15)
@given(studies(), st.integers(0, 2**32 - 1))
@pytest.mark.slow
def test_differences_hold_their_value_within_the_range(study, seed):
    y, y_prob, patient = study
    other = np.random.default_rng(seed).permutation(y_prob)
    table = compare(
        y, {"a": y_prob, "b": other}, patient, metrics=METRICS, **SETTINGS
    ).loc["b"]
    known = table[table["low"].notna()]
    width = (1 - LOWEST)[table["low"].notna()]
    assert (known["low"] <= known["difference"] + 1e-12).all()
    assert (known["difference"] <= known["high"] + 1e-12).all()
    assert (known["low"] >= -width - 1e-12).all()
    assert (known["high"] <= width + 1e-12).all()
    assert set(table.index[table["low"].isna()]) <= {"precision", "mcc"}
    assert (table["p_value"].isna() == table["low"].isna()).all()
    # The interval holds 0 where the p-value is larger than 0.05.
    sure = (known["p_value"] - 0.05).abs() > 1e-3
    excludes_zero = (known["low"] > 0) | (known["high"] < 0)
    assert (excludes_zero == (known["p_value"] < 0.05))[sure].all()


class TestInvariance:
    """What a metric does not count does not matter, neither do copies of all cells."""

    @settings(max_examples=15)
    @given(studies())
    def test_exchanging_the_classes_exchanges_recall_and_specificity(self, study):
        y, y_prob, patient = study
        y_prob = np.where(y_prob == 0.5, 0.3, y_prob)  # where one class has the tie
        table = summarize(y, y_prob, patient, **SETTINGS)
        mirrored = summarize(1 - y, 1 - y_prob, patient, **SETTINGS)
        for name, other in (
            ("recall", "specificity"),
            ("accuracy", "accuracy"),
            ("mcc", "mcc"),
            ("roc_auc", "roc_auc"),
        ):
            np.testing.assert_allclose(
                table.loc[name].astype(float),
                mirrored.loc[other].astype(float),
                atol=1e-6,
            )

    @settings(max_examples=15)
    @given(studies())
    def test_copies_of_a_class_leave_the_other(self, study):
        y, y_prob, patient = study
        table = summarize(y, y_prob, patient, **SETTINGS)
        for label, names in (
            (0, ["recall", "patient_averaged_recall"]),
            (1, ["specificity"]),
        ):
            copied = np.repeat(np.arange(len(y)), np.where(y == label, 3, 1))
            with_copies = summarize(
                y[copied], y_prob[copied], patient[copied], **SETTINGS
            )
            pd.testing.assert_frame_equal(table.loc[names], with_copies.loc[names])

    @settings(max_examples=15)
    @given(studies())
    def test_copies_of_all_cells_leave_everything(self, study):
        y, y_prob, patient = study
        copied = np.repeat(np.arange(len(y)), 3)
        pd.testing.assert_frame_equal(
            summarize(y, y_prob, patient, **SETTINGS),
            summarize(y[copied], y_prob[copied], patient[copied], **SETTINGS),
            atol=1e-6,
        )


def scattered(n_uninfected=5, n_parasitized=20, n_patients=40):
    """Labels, patients, and probabilities with errors in all patients but the first."""
    n = n_uninfected + n_parasitized
    y = np.tile(np.repeat([0, 1], [n_uninfected, n_parasitized]), n_patients)
    y_prob = np.where(y == 1, 0.9, 0.1)
    y_prob[n + n_uninfected :: n] = 0.2
    y_prob[n::n] = 0.8
    return y, np.repeat(np.arange(n_patients), n), y_prob


class TestDifferences:
    def test_one_misses_nothing_and_the_other_some_of_every_patient(self):
        y, patient, blunt = scattered()
        table = compare(
            y,
            {"perfect": 1.0 * y, "blunt": blunt},
            patient,
            metrics=METRICS,
            **SETTINGS,
        ).loc["blunt"]
        assert table.notna().all(axis=None)
        # The classes still are well apart: unseen patients may be the reverse.
        ranks = ["roc_auc", "average_precision"]
        assert (table["p_value"].drop(ranks) < 0.001).all()
        assert (table["p_value"][ranks] > 0.3).all()

    def test_one_misses_nothing_and_the_other_all_of_one_patient(self):
        y, patient = patients(40)
        blunt = np.where(patient == 7, 1 - y, y)
        table = compare(
            y,
            {"perfect": 1.0 * y, "blunt": blunt},
            patient,
            metrics=METRICS,
            **SETTINGS,
        ).loc["blunt"]
        assert (table["p_value"] > 0.3).all()

    @pytest.mark.parametrize(
        ("metric", "label"),
        [
            ("recall", 0),
            ("patient_averaged_recall", 0),
            ("specificity", 1),
            ("precision", "uncalled"),
        ],
    )
    def test_p_values_depend_on_cells_that_the_metric_counts(self, metric, label):
        """One classifier makes no error at all."""
        y, patient, blunt = scattered()
        rows = []
        for times in (1, 30):
            uncalled = (y == 0) & (blunt < 0.5)
            more = uncalled if label == "uncalled" else y == label
            copied = np.repeat(np.arange(len(y)), np.where(more, times, 1))
            pair = {"perfect": 1.0 * y[copied], "blunt": blunt[copied]}
            rows.append(
                compare(y[copied], pair, patient[copied], metrics=(metric,), **SETTINGS)
            )
        pd.testing.assert_frame_equal(*rows)
        assert rows[0]["p_value"].between(1e-12, 0.01).all()

    def test_two_without_an_error_may_differ_in_other_patients(self):
        y, patient = patients(10)
        pair = {"a": 1.0 * y, "b": 0.1 + 0.8 * y}
        table = compare(y, pair, patient, metrics=METRICS, **SETTINGS).loc["b"]
        r = 0.025 ** (1 / 10)
        assert (table["p_value"] == 1).all()
        recall = table.loc["recall", ["difference", "low", "high"]].tolist()
        assert recall == pytest.approx([0, r - 1, 1 - r])
        auc = table.loc["roc_auc", ["difference", "low", "high"]].tolist()
        assert auc == pytest.approx([0, r * r - 1, 1 - r * r])

    def test_always_right_and_always_wrong(self):
        y, patient = patients(10)
        pair = {"wrong": 1.0 - y, "right": 1.0 * y}
        table = compare(y, pair, patient, metrics=("recall", "mcc"), **SETTINGS)
        r = 0.025 ** (1 / 10)
        # Unseen patients may be the reverse.
        assert table[["difference", "low", "high"]].to_numpy() == pytest.approx(
            np.array([[1, 2 * r - 1, 1], [2, 2 * (2 * r - 1), 2]])
        )
        # At the probability p, p / 2 is the share ** 10 of patients of whom half of
        # that many again would be enough to make both alike.
        assert table["p_value"].iloc[0] == pytest.approx(2 * 0.5**10)

    def test_reference_turns_the_sign(self):
        y, patient, blunt = scattered()
        pair = {"perfect": 1.0 * y, "blunt": blunt}
        forth = compare(y, pair, patient, **SETTINGS)
        back = compare(y, pair, patient, reference="blunt", **SETTINGS)
        np.testing.assert_allclose(forth["low"], -back["high"])
        np.testing.assert_allclose(forth["p_value"], back["p_value"])

    def test_one_patient_makes_all_the_difference(self):
        """Every draw without this patient has no error, and says nothing of a ratio."""
        y, patient = patients(40)
        a, b = 1.0 * y, 1.0 * y
        a[:8] = 1 - a[:8]
        b[:4] = 1 - b[:4]
        table = compare(y, {"a": a, "b": b}, patient, metrics=METRICS, **SETTINGS)
        assert (table["p_value"] > 0.3).all()
