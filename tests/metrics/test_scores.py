import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import recall_score

from malariafuse.metrics import (
    recall_at_specificity_score,
    specificity_at_recall_score,
    specificity_score,
)

TRUTH = [0, 0, 0, 0, 1, 1, 1, 1]
CAUTIOUS = [0, 0, 0, 0, 0, 0, 0, 1]  # specificity 1, recall 1/4
BALANCED = [0, 0, 0, 1, 0, 1, 1, 1]  # specificity 3/4, recall 3/4
EAGER = [0, 1, 1, 1, 1, 1, 1, 1]  # specificity 1/4, recall 1
FLOOR_SCORES = [recall_at_specificity_score, specificity_at_recall_score]

labels = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 1), st.floats(0.1, 10)), min_size=1
)


@given(labels)
def test_specificity_is_the_recall_of_the_other_class(samples):
    y_true, y_pred, weight = map(list, zip(*samples, strict=True))
    assume(0 in y_true)
    np.testing.assert_allclose(
        specificity_score(y_true, y_pred, sample_weight=weight),
        recall_score(y_true, y_pred, pos_label=0, sample_weight=weight),
    )


@pytest.mark.parametrize(
    ("y_pred", "expected"), [(CAUTIOUS, 1), (BALANCED, 0.75), (EAGER, 0.25)]
)
def test_specificity(y_pred, expected):
    assert specificity_score(TRUTH, y_pred) == expected


def test_specificity_of_string_labels():
    names = np.array(["Uninfected", "Parasitized"])
    y_true, y_pred = names[TRUTH], names[EAGER]
    assert specificity_score(y_true, y_pred, pos_label="Parasitized") == 0.25
    assert specificity_score(y_true, y_pred, pos_label="Uninfected") == 1


def test_specificity_without_negatives_is_nan_and_warns():
    with pytest.warns(UndefinedMetricWarning, match="no sample of the negative class"):
        assert np.isnan(specificity_score([1, 1], [0, 1]))


@pytest.mark.parametrize("value", [0.0, 1.0, np.nan])
def test_specificity_without_negatives_is_what_zero_division_says(value):
    score = specificity_score([1, 1], [0, 1], zero_division=value)
    np.testing.assert_equal(score, value)


def test_all_negative_and_all_called_negative_is_perfect():
    assert specificity_score([0, 0], [0, 0]) == 1


@pytest.mark.parametrize(
    ("score", "y_pred", "expected"),
    [
        (recall_at_specificity_score, CAUTIOUS, 0.25),
        (recall_at_specificity_score, BALANCED, 0.75),
        (recall_at_specificity_score, EAGER, 0.25 - 0.75),
        (specificity_at_recall_score, EAGER, 0.25),
        (specificity_at_recall_score, BALANCED, 0.75),
        (specificity_at_recall_score, CAUTIOUS, 0.25 - 0.75),
    ],
)
def test_one_rate_counts_where_the_other_reaches_its_floor(score, y_pred, expected):
    assert score(TRUTH, y_pred, floor=0.75) == expected


@pytest.mark.parametrize("score", FLOOR_SCORES)
@given(
    floor=st.floats(0, 1), decisions=st.lists(st.integers(0, 1), min_size=8, max_size=8)
)
def test_a_missed_floor_ranks_below_every_reached_one(score, floor, decisions):
    recall = recall_score(TRUTH, decisions)
    specificity = specificity_score(TRUTH, decisions)
    limited = specificity if score is recall_at_specificity_score else recall
    reached = limited >= floor
    assert (score(TRUTH, decisions, floor=floor) >= 0) == reached


def test_a_floor_that_is_just_reached_counts():
    y_true = [0] * 20 + [1]
    y_pred = [1] + [0] * 19 + [1]
    assert recall_at_specificity_score(y_true, y_pred, floor=0.95) == 1


@pytest.mark.parametrize("score", FLOOR_SCORES)
def test_samples_of_weight_zero_do_not_count(score):
    weight = [1, 1, 1, 0, 0, 1, 1, 1]
    assert score(TRUTH, BALANCED, floor=1.0, sample_weight=weight) == 1


@pytest.mark.parametrize("score", FLOOR_SCORES)
@pytest.mark.parametrize(
    ("y_true", "name"), [([0, 0], "positive"), ([1, 1], "negative")]
)
def test_a_floor_without_both_classes_is_an_error(score, y_true, name):
    with pytest.raises(ValueError, match=f"y_true has no sample of the {name} class"):
        score(y_true, [0, 1])


@pytest.mark.parametrize("score", FLOOR_SCORES)
@pytest.mark.parametrize("floor", [-0.1, 1.1, np.nan, "0.9"])
def test_a_floor_that_is_no_share_is_refused(score, floor):
    with pytest.raises(ValueError, match=r"floor=.*between 0 and 1"):
        score(TRUTH, EAGER, floor=floor)


@pytest.mark.parametrize("score", [*FLOOR_SCORES, specificity_score])
class TestLabels:
    def test_strings_need_pos_label(self, score):
        names = np.array(["Uninfected", "Parasitized"])
        with pytest.raises(ValueError, match="pos_label=1 is not a valid label"):
            score(names[TRUTH], names[EAGER])
        with pytest.raises(ValueError, match="pos_label=1 is not a valid label"):
            score(names[[0, 0]], names[[0, 0]])

    def test_pos_label_must_be_a_label(self, score):
        with pytest.raises(ValueError, match=r"pos_label=2 .* one of \[0, 1\]"):
            score(TRUTH, EAGER, pos_label=2)

    def test_more_than_two_classes_are_refused(self, score):
        with pytest.raises(
            ValueError, match=r"two classes; found the labels \[0, 1, 2\]"
        ):
            score([0, 1, 2], [0, 1, 2])

    def test_there_must_be_a_sample(self, score):
        with pytest.raises(ValueError, match="y_true and y_pred are empty"):
            score([], [])

    def test_lengths_must_agree(self, score):
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            score(TRUTH, EAGER[:-1])

    def test_booleans_are_labels(self, score):
        truth, decisions = np.array(TRUTH, dtype=bool), np.array(EAGER, dtype=bool)
        assert score(truth, decisions, pos_label=True) == score(TRUTH, EAGER)


def test_zero_division_must_be_known():
    with pytest.raises(ValueError, match="zero_division='nan'"):
        specificity_score(TRUTH, EAGER, zero_division="nan")
