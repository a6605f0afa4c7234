"""Small versions of benchmarks/interval_coverage.py, and other libraries' errors."""

import numpy as np
import pytest

from malariafuse._cells import check_cells
from malariafuse.evaluation import compare, summarize
from malariafuse.evaluation._bootstrap import replicate
from malariafuse.evaluation._intervals import Interval, Scale
from malariafuse.evaluation._measures import Measures
from malariafuse.evaluation._unseen import UnseenOfMetrics

NAMES = ["recall", "specificity", "accuracy", "roc_auc"]
N_STUDIES = 60
SETTINGS = {"n_resamples": 200, "random_state": 0}


@pytest.fixture(scope="module")
def truth(simulate):
    y, y_prob, patient = simulate(2**20, n_patients=4000)
    return summarize(y, y_prob, patient, n_resamples=100)["value"]


@pytest.fixture(scope="module")
def studies(simulate):
    return [simulate(seed, n_patients=40) for seed in range(N_STUDIES)]


def share_that_holds(tables, truth):
    held = [(table["low"] <= truth) & (truth <= table["high"]) for table in tables]
    return np.mean(held, axis=0)


def test_intervals_by_patient_hold_the_truth(studies, truth):
    tables = [summarize(*study, **SETTINGS).loc[NAMES] for study in studies]
    share = share_that_holds(tables, truth[NAMES])
    # 0.95, give or take three standard errors of 60 studies.
    assert (share > 0.86).all(), share
    assert share.mean() < 0.99, share


def test_intervals_by_cell_do_not(studies, truth):
    tables = [
        summarize(y, y_prob, **SETTINGS).loc[NAMES] for y, y_prob, _ in studies[:25]
    ]
    assert (share_that_holds(tables, truth[NAMES]) < 0.8).all()


def test_intervals_of_differences_hold_the_truth(studies):
    """Two classifiers that are equally good, and find the same patients difficult."""
    random = np.random.default_rng(0)
    tables = []
    for y, y_prob, patient in studies:
        one, other = (
            y_prob ** np.exp(random.normal(0, 0.3, 40))[patient] for _ in "ab"
        )
        tables.append(
            compare(
                y,
                {"a": one, "b": other},
                patient,
                metrics=("recall", "roc_auc"),
                **SETTINGS,
            )
        )
    assert (share_that_holds(tables, 0) > 0.86).all()
    p_values = np.concatenate([table["p_value"] for table in tables])
    assert 0.005 < (p_values < 0.05).mean() < 0.09


def test_standard_errors_are_those_of_statsmodels(cells):
    """Of the logit of a rate, from a logistic regression clustered by patient.

    Stored from statsmodels 0.15: GLM(right, ones, family=Binomial()).fit(
    cov_type="cluster", cov_kwds={"groups": patients}).bse
    """
    stored = {
        "recall": 0.36931561011327324,
        "specificity": 0.2998276615027159,
        "accuracy": 0.2676249579480178,
    }
    names = tuple(stored)
    checked = check_cells(*cells)
    replicates = replicate(
        Measures(checked, 0.5, names),
        n_clusters=checked.n_clusters,
        n_cells=len(checked.target),
        n_resamples=4000,
        random_state=0,
    )
    interval = Interval(
        replicates,
        Scale.of(names, len(checked.target)),
        UnseenOfMetrics(checked, 0.5, names),
    )
    # Here each draw has its logit; there the logit is taken as linear.
    assert interval.error.tolist() == pytest.approx(list(stored.values()), rel=0.08)


def test_a_wider_level_gives_a_wider_interval(cells):
    narrow, wide = (
        summarize(*cells, confidence_level=level, **SETTINGS) for level in (0.8, 0.99)
    )
    assert (wide["low"] < narrow["low"]).all()
    assert (wide["high"] > narrow["high"]).all()


def test_bounds_stay_within_the_range_of_the_figure(simulate):
    table = summarize(*simulate(0, n_patients=8, spread=3), **SETTINGS)
    assert (table["low"] >= np.where(table.index == "mcc", -1, 0)).all()
    assert (table["high"] <= 1).all()


def nearly_perfect(n_uninfected):
    """Labels, probabilities and patients: 3 of 200 parasitized cells are missed."""
    patient = np.concatenate(
        [np.repeat(np.arange(50), 4), np.repeat(np.arange(50), n_uninfected)]
    )
    y = np.repeat([1, 0], [200, 50 * n_uninfected])
    y_prob = np.where(y == 1, 0.9, 0.1)
    y_prob[[3, 50, 120]] = 0.2
    y_prob[200::37] = 0.8
    return y, y_prob, patient


def test_uninfected_cells_say_nothing_of_recall():
    few, many = (
        summarize(*nearly_perfect(n), **SETTINGS).loc["recall"] for n in (4, 200)
    )
    np.testing.assert_allclose(few, many)
    assert few["low"] > 0.6

    differences = []
    for n_uninfected in (4, 200):
        y, y_prob, patient = nearly_perfect(n_uninfected)
        worse = y_prob.copy()
        worse[20:32] = 0.3
        differences.append(
            compare(
                y,
                {"a": y_prob, "b": worse},
                patient,
                metrics=("recall",),
                **SETTINGS,
            ).drop(columns="p_holm")
        )
    np.testing.assert_allclose(*differences)


def test_draws_without_an_error_do_not_rule_the_interval():
    """A third of the draws lack the one patient with an error, and have an AUC of 1."""
    patient, y = np.repeat(np.arange(50), 20), np.tile([0, 1], 500)
    y_prob = np.clip(0.1 + 0.8 * y + np.linspace(-0.05, 0.05, 1000), 0, 1)
    y_prob[1] = 0.05
    assert summarize(y, y_prob, patient, **SETTINGS).loc["roc_auc", "low"] > 0.5


@pytest.mark.parametrize(("n_infected", "known"), [(3, False), (5, True)])
def test_two_or_three_infected_patients_give_no_interval(n_infected, known):
    patient = np.repeat(np.arange(100), 10)
    y = ((patient < n_infected) & (np.arange(1000) % 2 == 0)).astype(int)
    y_prob = np.where(y == 1, 0.9, 0.1)
    y_prob[[0, 12, 14, 24, 26, 28]] = 0.2
    low = summarize(y, y_prob, patient, n_resamples=2000, random_state=0)["low"]
    assert np.isfinite(low["recall"]) == known
    assert np.isfinite(low["patient_averaged_recall"]) == known
