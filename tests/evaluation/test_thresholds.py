import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from malariafuse.evaluation import (
    LeakageError,
    choose_threshold,
    summarize,
    threshold_table,
    thresholds_out_of_fold,
)

SETTINGS = {"n_resamples": 200, "random_state": 0}

probabilities = st.lists(st.floats(0, 1), min_size=1, max_size=20)


def test_table_is_made_of_summaries(cells):
    table = threshold_table(*cells, thresholds=[0.7, 0.2], **SETTINGS)
    assert table.index.tolist() == [0.7, 0.2]
    for threshold, row in table.iterrows():
        summary = summarize(*cells, threshold=threshold, **SETTINGS)
        for name in ("recall", "specificity"):
            actual = row[[name, f"{name}_low", f"{name}_high"]].to_numpy(dtype=float)
            np.testing.assert_allclose(actual, summary.loc[name])


def test_default_thresholds(cells):
    table = threshold_table(*cells, **SETTINGS)
    np.testing.assert_allclose(table.index, np.arange(101) / 100)
    assert table.index.name == "threshold"
    assert table["recall"].is_monotonic_decreasing
    assert table["specificity"].is_monotonic_increasing
    # Every cell is called parasitized, of any patient.
    assert table.loc[0.0].tolist() == [1, 1, 1, 0, 0, 0]
    assert table.notna().all(axis=None)
    inner = table.loc[0.1:0.9]
    assert (inner["recall_low"] < inner["recall"]).all()
    assert (inner["recall"] < inner["recall_high"]).all()


@settings(deadline=None)
@given(probabilities, probabilities, st.floats(0.01, 1))
def test_the_highest_threshold_that_reaches_a_recall(positives, negatives, wish):
    y = [1] * len(positives) + [0] * len(negatives)
    threshold = choose_threshold(y, positives + negatives, recall=wish)
    reached = np.mean(np.array(positives) >= threshold)
    assert reached >= wish - 1e-9
    # With any higher threshold that calls fewer positives, the wish is missed.
    next_positive = min(p for p in positives if p >= threshold)
    assert np.mean(np.array(positives) > next_positive) < wish


@settings(deadline=None)
@given(probabilities, st.lists(st.floats(0, 0.99), min_size=1), st.floats(0.01, 1))
def test_the_lowest_threshold_that_reaches_a_specificity(positives, negatives, wish):
    y = [1] * len(positives) + [0] * len(negatives)
    threshold = choose_threshold(y, positives + negatives, specificity=wish)
    reached = np.mean(np.array(negatives) < threshold)
    assert reached >= wish - 1e-9
    next_negative = max(p for p in negatives if p < threshold)
    assert np.mean(np.array(negatives) < next_negative) < wish


def test_threshold_lies_between_probabilities_as_they_are_rounded():
    """A float32 of the same cell falls on the same side."""
    y, y_prob = [0, 0, 1, 1], [0.1, 0.3, 0.7, 0.9]
    assert choose_threshold(y, y_prob, recall=1) == pytest.approx(0.5)
    assert choose_threshold(y, y_prob, specificity=1) == pytest.approx(0.5)


def test_specificity_out_of_reach():
    with pytest.raises(ValueError, match="reached by no threshold: 1 of 2 uninfected"):
        choose_threshold([0, 0, 1], [0.1, 1.0, 1.0], specificity=0.9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "recall=None and specificity=None: expected one of them"),
        ({"recall": 0.9, "specificity": 0.9}, "expected one of them"),
        ({"recall": 0}, "recall=0: expected a number between 0 and 1, 0 excluded"),
        ({"specificity": 1.1}, "specificity=1.1: expected a number between 0 and 1"),
    ],
)
def test_bad_wishes(arguments, message):
    with pytest.raises(ValueError, match=message):
        choose_threshold([0, 1], [0.1, 0.9], **arguments)


@pytest.mark.parametrize("thresholds", [[], [0.5, 1.5], ["low"], 0.5, [np.nan]])
def test_bad_thresholds(cells, thresholds):
    with pytest.raises(ValueError, match=r"thresholds.*between 0 and 1"):
        threshold_table(*cells, thresholds=thresholds)


def test_thresholds_of_a_series(cells):
    table = threshold_table(*map(pd.Series, cells), thresholds=[0.5], n_resamples=100)
    assert len(table) == 1


class TestOutOfFold:
    """Thresholds for the cells of each fold, chosen on the other folds."""

    def test_the_own_fold_has_no_say(self, cells):
        y, y_prob, patient = cells
        fold = patient % 4
        thresholds = thresholds_out_of_fold(y, y_prob, fold, patient, recall=0.9)
        for number in range(4):
            others = fold != number
            chosen = choose_threshold(y[others], y_prob[others], recall=0.9)
            assert (thresholds[~others] == chosen).all()

    def test_patients_in_two_folds(self, cells):
        y, y_prob, patient = cells
        with pytest.raises(LeakageError, match="patients are in both"):
            thresholds_out_of_fold(
                y, y_prob, np.arange(len(y)) % 2, patient, recall=0.9
            )

    def test_one_fold(self, cells):
        y, y_prob, _ = cells
        with pytest.raises(ValueError, match="fold has one value only"):
            thresholds_out_of_fold(y, y_prob, np.ones(len(y)), specificity=0.9)

    def test_a_fold_for_each_cell(self, cells):
        y, y_prob, _ = cells
        with pytest.raises(ValueError, match="fold has 3 values for"):
            thresholds_out_of_fold(y, y_prob, [1, 2, 3], specificity=0.9)
