import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, f1_score, recall_score

from malariafuse.metrics import specificity_score
from malariafuse.model_selection import (
    LeakageError,
    choose_threshold,
    thresholds_out_of_fold,
)

# What is drawn may have two values only, or be the wrong way round.
pytestmark = pytest.mark.filterwarnings(
    "ignore:y_prob has only two distinct values:UserWarning",
    "ignore:The ROC AUC is:UserWarning",
)

probabilities = st.lists(st.floats(0, 1), min_size=1, max_size=20)


@given(probabilities, probabilities, st.floats(0.01, 1))
def test_the_highest_threshold_that_reaches_a_recall(positives, negatives, wish):
    y = [1] * len(positives) + [0] * len(negatives)
    threshold = choose_threshold(y, positives + negatives, min_recall=wish)
    reached = np.mean(np.array(positives) >= threshold)
    assert reached >= wish - 1e-9
    # With any higher threshold that calls fewer positives, the wish is missed.
    next_positive = min(p for p in positives if p >= threshold)
    assert np.mean(np.array(positives) > next_positive) < wish


@given(probabilities, st.lists(st.floats(0, 0.99), min_size=1), st.floats(0.01, 1))
def test_the_lowest_threshold_that_reaches_a_specificity(positives, negatives, wish):
    y = [1] * len(positives) + [0] * len(negatives)
    threshold = choose_threshold(y, positives + negatives, min_specificity=wish)
    reached = np.mean(np.array(negatives) < threshold)
    assert reached >= wish - 1e-9
    next_negative = max(p for p in negatives if p < threshold)
    assert np.mean(np.array(negatives) < next_negative) < wish


def test_threshold_lies_between_probabilities_as_they_are_rounded():
    """A float32 of the same cell falls on the same side."""
    y, y_prob = [0, 0, 1, 1], [0.1, 0.3, 0.7, 0.9]
    assert choose_threshold(y, y_prob, min_recall=1) == pytest.approx(0.5)
    assert choose_threshold(y, y_prob, min_specificity=1) == pytest.approx(0.5)


def test_specificity_out_of_reach():
    with pytest.raises(ValueError, match="reached by no threshold: 1 of 2 uninfected"):
        choose_threshold([0, 0, 1], [0.1, 1.0, 1.0], min_specificity=0.9)


def candidates(y_prob):
    """Return a threshold for each set of cells that one can call, the lowest first."""
    return sorted({0.0, *y_prob, np.nextafter(max(y_prob), 2)})


def youden(y, called):
    return recall_score(y, called) + specificity_score(y, called) - 1


def f1(y, called):
    return f1_score(y, called, zero_division=0)


def cost(y, called):
    (_, alarms), (misses, _) = confusion_matrix(y, called, labels=[0, 1])
    return -(7 * misses + 2 * alarms)


@pytest.mark.parametrize(
    ("aim", "score"),
    [
        ({"criterion": "youden"}, youden),
        ({"criterion": "f1"}, f1),
        ({"costs": (7, 2)}, cost),
    ],
)
@settings(max_examples=50)
@given(
    positives=st.lists(st.integers(0, 9), min_size=1, max_size=12),
    negatives=st.lists(st.integers(0, 9), min_size=1, max_size=12),
)
def test_no_threshold_is_better_and_no_lower_one_as_good(
    aim, score, positives, negatives
):
    y = np.repeat([1, 0], [len(positives), len(negatives)])
    y_prob = np.array(positives + negatives) / 10
    threshold = choose_threshold(y, y_prob, **aim)
    called = y_prob >= threshold
    scores = [score(y, y_prob >= t) for t in candidates(y_prob)]
    assert score(y, called) == pytest.approx(max(scores))
    best = next(
        t
        for t, value in zip(candidates(y_prob), scores, strict=True)
        if value == pytest.approx(max(scores))
    )
    np.testing.assert_array_equal(called, y_prob >= best)


def test_examples_by_hand():
    y = [0, 0, 0, 0, 1, 1, 1, 1]
    y_prob = [0.1, 0.2, 0.3, 0.6, 0.4, 0.7, 0.8, 0.9]
    # From .4 on: recall 1, specificity 3/4; from .7 on: recall 3/4, specificity 1.
    assert choose_threshold(y, y_prob, criterion="youden") == pytest.approx(0.35)
    # From .4 on: 2 * 4 / (4 + 5) = .89; from .7 on: 2 * 3 / (4 + 3) = .86.
    assert choose_threshold(y, y_prob, criterion="f1") == pytest.approx(0.35)
    # One false alarm or one miss: what is dearer is avoided.
    assert choose_threshold(y, y_prob, costs=(10, 1)) == pytest.approx(0.35)
    assert choose_threshold(y, y_prob, costs=(1, 10)) == pytest.approx(0.65)
    # Whatever costs nothing is done as often as one likes.
    assert choose_threshold(y, y_prob, costs=(1, 0)) == pytest.approx(0.05)
    assert choose_threshold(y, y_prob, costs=(0, 1)) == pytest.approx(0.65)


def test_no_cell_is_called_where_all_false_alarms_cost_too_much():
    y, y_prob = [1, 0, 0], [0.2, 0.5, 0.9]
    assert choose_threshold(y, y_prob, costs=(1, 10)) == pytest.approx(0.95)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "min_recall=None, .*costs=None: expected exactly one of them"),
        ({"min_recall": 0.9, "min_specificity": 0.9}, "expected exactly one of them"),
        ({"criterion": "f1", "costs": (1, 1)}, "expected exactly one of them"),
        ({"min_recall": 0}, r"min_recall=0: expected a number in \(0, 1\]"),
        (
            {"min_specificity": 1.1},
            r"min_specificity=1.1: expected a number in",
        ),
        ({"criterion": "F1"}, "criterion='F1': expected None or one of 'youden', 'f1'"),
        ({"costs": 3}, "costs=3: expected two numbers of at least 0"),
        ({"costs": (1, -1)}, r"costs=\(1, -1\): expected two numbers of at least 0"),
        ({"costs": (0, 0)}, r"costs=\(0, 0\): .* not both 0"),
        ({"costs": (1, float("nan"))}, "costs=.*: expected two numbers"),
        ({"costs": (1, True)}, "costs=.*: expected two numbers"),
    ],
)
@pytest.mark.parametrize("function", [choose_threshold, thresholds_out_of_fold])
def test_bad_aims(function, arguments, message):
    fold = [] if function is choose_threshold else [[1, 1, 2, 2]]
    with pytest.raises(ValueError, match=message):
        function([0, 1, 0, 1], [0.1, 0.9, 0.2, 0.8], *fold, **arguments)


@pytest.mark.parametrize("costs", [(0.1, 0.3), (1, 3), (1e-9, 3e-9)])
def test_of_thresholds_that_cost_the_same_the_lowest_is_chosen(costs):
    """Three misses cost a false alarm. In floats, 4 * 0.3 + 0.1 is above 1.3."""
    y_true = [1, 0, 1, 1, 1, 0] + [1] * 10 + [0] * 3
    y_prob = [0.05, 0.1, 0.2, 0.3, 0.4, 0.5] + [0.6] * 10 + [0.7] * 3
    # From 0.15 on, 1 cell is missed and 4 alarms; from 0.55 on, 4 and 3.
    chosen = choose_threshold(y_true, y_prob, costs=costs)
    assert chosen == pytest.approx(0.15)


def test_labels_may_be_words():
    words, y_prob = ["U", "U", "P", "P"], [0.1, 0.4, 0.6, 0.9]
    assert choose_threshold(words, y_prob, min_recall=1, pos_label="P") == 0.5
    thresholds = thresholds_out_of_fold(
        words, y_prob, [1, 2, 1, 2], min_recall=1, pos_label="P"
    )
    np.testing.assert_allclose(thresholds, [0.65, 0.35, 0.65, 0.35])


class TestOutOfFold:
    """Thresholds for the cells of each fold, chosen on the other folds."""

    def test_the_own_fold_has_no_say(self, cells):
        y, y_prob, patient = cells
        fold = patient % 4
        thresholds = thresholds_out_of_fold(y, y_prob, fold, patient, min_recall=0.9)
        for number in range(4):
            others = fold != number
            chosen = choose_threshold(y[others], y_prob[others], min_recall=0.9)
            assert (thresholds[~others] == chosen).all()

    def test_patients_in_two_folds(self, cells):
        y, y_prob, patient = cells
        with pytest.raises(LeakageError, match="patients are in both"):
            thresholds_out_of_fold(
                y, y_prob, np.arange(len(y)) % 2, patient, min_recall=0.9
            )

    def test_one_fold(self, cells):
        y, y_prob, _ = cells
        with pytest.raises(ValueError, match="fold has only one value"):
            thresholds_out_of_fold(y, y_prob, np.ones(len(y)), min_specificity=0.9)

    def test_a_fold_for_each_cell(self, cells):
        y, y_prob, _ = cells
        with pytest.raises(ValueError, match="fold has 3 folds for"):
            thresholds_out_of_fold(y, y_prob, [1, 2, 3], min_specificity=0.9)

    def test_a_fold_that_is_not_known(self, cells):
        y, y_prob, _ = cells
        fold = np.where(np.arange(len(y)) < 3, np.nan, 1.0)
        with pytest.raises(ValueError, match="fold has 3 missing values"):
            thresholds_out_of_fold(y, y_prob, fold, min_specificity=0.9)

    def test_other_folds_of_one_class(self):
        with pytest.raises(ValueError, match="fold=1: the cells of the other folds"):
            thresholds_out_of_fold(
                [0, 1, 0, 0], [0.1, 0.9, 0.2, 0.3], [1, 1, 2, 2], min_recall=0.9
            )

    def test_one_warning_for_all_folds(self, cells):
        y, _, patient = cells
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            thresholds_out_of_fold(
                y, np.where(y, 0.8, 0.2), patient % 4, patient, criterion="f1"
            )
        assert [warning.filename for warning in caught] == [__file__]
