"""Bounds where only a few patients have an error."""

import numpy as np
import pytest
from scipy.stats import binomtest

from malariafuse.evaluation import summarize, threshold_table

pytestmark = pytest.mark.filterwarnings("ignore:.*has only two distinct values")
SETTINGS = {"n_resamples": 200, "random_state": 0}
N_PATIENTS, N_OF_EACH = 40, 10
NO_ERROR = 0.025 ** (1 / N_PATIENTS)  # the lower bound of a recall of 1


def study(n_patients_wrong, n_cells_wrong=1, *, wrong_probability=0.2):
    """Labels, probabilities and patients, some of whom have missed cells."""
    y = np.tile(np.repeat([1, 0], N_OF_EACH), N_PATIENTS)
    y_prob = np.where(y == 1, 0.9, 0.1).reshape(N_PATIENTS, 2 * N_OF_EACH)
    y_prob[:n_patients_wrong, :n_cells_wrong] = wrong_probability
    return y, y_prob.ravel(), np.repeat(np.arange(N_PATIENTS), 2 * N_OF_EACH)


@pytest.mark.parametrize("n_cells_wrong", [1, 3, 10])
@pytest.mark.parametrize(
    ("metric", "far"),
    [
        ("recall", "low"),
        ("accuracy", "low"),
        ("f1", "low"),
        ("mcc", "low"),
        ("patient_averaged_recall", "low"),
        ("brier_score", "high"),
    ],
)
def test_another_patient_with_an_error_never_makes_the_far_bound_better(
    metric, far, n_cells_wrong
):
    bounds = [
        summarize(*study(k, n_cells_wrong), **SETTINGS).loc[metric, far]
        for k in range(6)
    ]
    steps = np.diff(bounds) * (1 if far == "high" else -1)
    assert (steps > 0).all()
    # No patient changes a mean of 40 by more than a step of Clopper and Pearson's.
    assert steps.max() < 0.08


def test_one_missed_cell_of_400_is_hardly_worse_than_none():
    """The geometric mean of the recalls of patients: one has 0.9, the others 1."""
    none, one = (summarize(*study(k), **SETTINGS).loc["recall"] for k in (0, 1))
    assert none["low"] == pytest.approx(NO_ERROR)
    assert one["low"] == pytest.approx(NO_ERROR * 0.9 ** (1 / N_PATIENTS))


@pytest.mark.parametrize("k", range(1, 6))
def test_patients_who_are_all_wrong_have_the_bound_of_clopper_and_pearson(k):
    low = summarize(*study(k, N_OF_EACH), **SETTINGS).loc["recall", "low"]
    exact = binomtest(N_PATIENTS - k, N_PATIENTS).proportion_ci(0.95, method="exact")
    assert low == pytest.approx(exact.low)


def test_an_error_by_a_hair_leaves_unseen_patients_possible():
    """From 0.5 on, an error is a gross one."""
    highs = [
        summarize(*study(1, wrong_probability=p), **SETTINGS)["high"]
        for p in (0.55, 0.51, 0.49, 0.45)  # of a parasitized cell
    ]
    calibration = [high["calibration_error"] for high in highs]
    assert calibration == pytest.approx([1 - 0.9 * NO_ERROR] * 4, abs=2e-3)
    highs = [high["brier_score"] for high in highs]
    assert (np.diff(highs) > 0).all()
    assert highs == pytest.approx([1 - 0.99 * NO_ERROR] * 4, abs=1e-3)


def test_bounds_come_over_to_the_draws_step_by_step():
    lows = [summarize(*study(k), **SETTINGS).loc["recall", "low"] for k in range(5, 21)]
    assert np.abs(np.diff(lows)).max() < 0.01


def test_what_is_true_of_recall_is_true_at_each_threshold():
    tables = [
        threshold_table(*study(k), thresholds=[0.5, 0.15], **SETTINGS)
        for k in (0, 1, 2)
    ]
    low = [table["recall_low"].tolist() for table in tables]
    assert [missed for missed, _ in low] == pytest.approx(
        [NO_ERROR * 0.9 ** (k / N_PATIENTS) for k in (0, 1, 2)]
    )
    assert [found for _, found in low] == pytest.approx([NO_ERROR] * 3)


@pytest.mark.filterwarnings("ignore:The ROC AUC is")
def test_the_mirror_image():
    """Few cells are found: the upper bound is as far."""
    y, y_prob, patient = study(1)
    recall = summarize(y, y_prob, patient, **SETTINGS).loc["recall"]
    mirrored = summarize(
        y, np.where(y == 1, 1 - y_prob, y_prob), patient, **SETTINGS
    ).loc["recall"]
    assert mirrored["high"] == pytest.approx(1 - recall["low"])


def test_one_cell_out_of_order():
    """One of 400 positive cells lies below all negative ones, a tenth of a patient."""
    none, one = (
        summarize(*study(k, wrong_probability=0.05), **SETTINGS).loc["roc_auc", "low"]
        for k in (0, 1)
    )
    assert none == pytest.approx(NO_ERROR**2)
    assert one == pytest.approx(NO_ERROR**2 * 0.9 ** (1 / N_PATIENTS))
