import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import recall_score, roc_curve

from malariafuse.metrics import (
    constrained_recall_score,
    constrained_specificity_score,
    recall_at_specificity_score,
    specificity_at_recall_score,
    specificity_score,
)

TRUTH = [0, 0, 0, 0, 1, 1, 1, 1]
CAUTIOUS = [0, 0, 0, 0, 0, 0, 0, 1]  # specificity 1, recall 1/4
BALANCED = [0, 0, 0, 1, 0, 1, 1, 1]  # specificity 3/4, recall 3/4
EAGER = [0, 1, 1, 1, 1, 1, 1, 1]  # specificity 1/4, recall 1
# Each score with the name of its minimum.
CONSTRAINED = [
    (constrained_recall_score, "min_specificity"),
    (constrained_specificity_score, "min_recall"),
]
AT_BEST = [
    (recall_at_specificity_score, "min_specificity"),
    (specificity_at_recall_score, "min_recall"),
]
TWO_CLASSES = [*CONSTRAINED, *AT_BEST]
ALL = [specificity_score, *(score for score, _ in TWO_CLASSES)]

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


def test_zero_division_must_be_known():
    with pytest.raises(ValueError, match="zero_division='nan'"):
        specificity_score(TRUTH, EAGER, zero_division="nan")


class TestConstrained:
    """One rate of decisions, if the other one is high enough."""

    @pytest.mark.parametrize(
        ("y_pred", "recall", "specificity"),
        [
            (CAUTIOUS, 0.25, 0.25 - 0.75),
            (BALANCED, 0.75, 0.75),
            (EAGER, 0.25 - 0.75, 0.25),
        ],
    )
    def test_failing_values_are_the_shortfall(self, y_pred, recall, specificity):
        assert constrained_recall_score(TRUTH, y_pred, min_specificity=0.75) == recall
        assert (
            constrained_specificity_score(TRUTH, y_pred, min_recall=0.75) == specificity
        )

    @pytest.mark.parametrize(("score", "name"), CONSTRAINED)
    @given(
        minimum=st.floats(0, 1),
        decisions=st.lists(st.integers(0, 1), min_size=8, max_size=8),
    )
    def test_what_fails_ranks_below_all_that_does_not(
        self, score, name, minimum, decisions
    ):
        recall = recall_score(TRUTH, decisions)
        specificity = specificity_score(TRUTH, decisions)
        limited = specificity if name == "min_specificity" else recall
        reached = limited >= minimum - 1e-12
        assert (score(TRUTH, decisions, **{name: minimum}) >= 0) == reached

    def test_a_minimum_that_is_just_reached_counts(self):
        y_true = [0] * 20 + [1]
        y_pred = [1] + [0] * 19 + [1]
        assert constrained_recall_score(y_true, y_pred, min_specificity=0.95) == 1
        tenths = [0.1] * 21  # of which 19 and 20 have sums that are rounded
        assert (
            constrained_recall_score(
                y_true, y_pred, min_specificity=0.95, sample_weight=tenths
            )
            == 1
        )

    @pytest.mark.parametrize(("score", "name"), CONSTRAINED)
    def test_samples_of_weight_zero_do_not_count(self, score, name):
        weight = [1, 1, 1, 0, 0, 1, 1, 1]
        assert score(TRUTH, BALANCED, sample_weight=weight, **{name: 1.0}) == 1


def brute_force(y_true, y_score, weight, name, minimum):
    """Return the best rate on the whole ROC curve of scikit-learn."""
    false_alarms, recall, _ = roc_curve(
        y_true, y_score, sample_weight=weight, drop_intermediate=False
    )
    specificity = 1 - false_alarms
    if name == "min_specificity":
        return recall[specificity >= minimum - 1e-9].max()
    return specificity[recall >= minimum - 1e-9].max()


samples_with_scores = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 9), st.integers(1, 5)), min_size=2
).filter(lambda samples: {label for label, _, _ in samples} == {0, 1})


class TestAtTheBestThreshold:
    """The metrics of the field, from scores."""

    @pytest.mark.parametrize(("score", "name"), AT_BEST)
    @given(samples=samples_with_scores, minimum=st.integers(0, 20))
    def test_no_point_of_the_roc_curve_is_better(self, score, name, samples, minimum):
        y_true, y_score, weight = map(np.array, zip(*samples, strict=True))
        for weights in (None, weight / 10):
            assert score(
                y_true, y_score, sample_weight=weights, **{name: minimum / 20}
            ) == pytest.approx(
                brute_force(y_true, y_score, weights, name, minimum / 20)
            )

    def test_by_hand(self):
        y_score = [0.1, 0.2, 0.3, 0.6, 0.4, 0.7, 0.8, 0.9]
        for minimum, expected in ((1.0, 0.75), (0.76, 0.75), (0.75, 1.0), (0.0, 1.0)):
            for score, name in AT_BEST:
                assert score(TRUTH, y_score, **{name: minimum}) == expected

    def test_where_the_highest_score_is_a_false_alarm(self):
        y_true, y_score = [0, 1, 0], [0.9, 0.8, 0.1]
        assert recall_at_specificity_score(y_true, y_score, min_specificity=1) == 0
        assert recall_at_specificity_score(y_true, y_score, min_specificity=0.5) == 1
        assert specificity_at_recall_score(y_true, y_score, min_recall=0.01) == 0.5

    @pytest.mark.parametrize(("score", "name"), AT_BEST)
    def test_any_monotone_scale_is_the_same(self, score, name):
        y_score = np.array([0.1, 0.2, 0.3, 0.6, 0.4, 0.7, 0.8, 0.9])
        log_odds = np.log(y_score / (1 - y_score))
        assert score(TRUTH, log_odds) == score(TRUTH, y_score)

    @pytest.mark.parametrize(("score", "name"), AT_BEST)
    @pytest.mark.parametrize(
        ("y_score", "message"),
        [
            ([0.1] * 7 + [np.nan], "y_score has NaN or infinity"),
            ([0.1] * 7 + [np.inf], "y_score has NaN or infinity"),
            (np.ones((8, 2)), r"y_score has shape \(8, 2\)"),
            (["0.5"] * 8, "y_score is an array of .*: expected numbers"),
            ([0.5j] * 8, "y_score is an array of complex128"),
            (np.ma.array(np.ones(8), mask=[1] + [0] * 7), "y_score has 1 masked"),
        ],
    )
    def test_scores_are_finite_numbers(self, score, name, y_score, message):
        with pytest.raises(ValueError, match=message):
            score(TRUTH, y_score)


@pytest.mark.parametrize(("score", "name"), TWO_CLASSES)
@pytest.mark.parametrize(
    ("y_true", "kind"), [([0, 0], "positive"), ([1, 1], "negative")]
)
def test_one_class_is_an_error(score, name, y_true, kind):
    with pytest.raises(ValueError, match=f"y_true has no sample of the {kind} class"):
        score(y_true, [0, 1])


@pytest.mark.parametrize(("score", "name"), TWO_CLASSES)
@pytest.mark.parametrize("minimum", [-0.1, 1.1, np.nan, "0.9", None, True])
def test_a_minimum_that_is_no_share_is_refused(score, name, minimum):
    with pytest.raises(ValueError, match=rf"{name}=.*in \[0, 1\]"):
        score(TRUTH, EAGER, **{name: minimum})


@pytest.mark.parametrize("score", ALL)
class TestLabels:
    def test_strings_need_pos_label(self, score):
        names = np.array(["Uninfected", "Parasitized"])
        with pytest.raises(ValueError, match="pos_label=1 is not a valid label"):
            score(names[TRUTH], self.second(score, names[EAGER]))
        with pytest.raises(ValueError, match="pos_label=1 is not a valid label"):
            score(names[[0, 0]], self.second(score, names[[0, 0]]))
        named = score(
            names[TRUTH], self.second(score, names[EAGER]), pos_label="Parasitized"
        )
        assert named == score(TRUTH, EAGER)

    def second(self, score, decisions):
        """Return what goes with labels: decisions, or as many scores."""
        if score in dict(AT_BEST):
            return EAGER[: len(decisions)]
        return decisions

    def test_pos_label_must_be_a_label(self, score):
        with pytest.raises(ValueError, match=r"pos_label=2 .* one of \[0, 1\]"):
            score(TRUTH, EAGER, pos_label=2)

    def test_more_than_two_classes_are_refused(self, score):
        with pytest.raises(
            ValueError, match=r"y_true.*: found the labels \[0, 1, 2\], expected two"
        ):
            score([0, 1, 2], [0, 1, 2])

    def test_there_must_be_a_sample(self, score):
        with pytest.raises(ValueError, match="at least one cell"):
            score([], [])

    def test_lengths_must_agree(self, score):
        with pytest.raises(ValueError, match=r"y_(pred|score) has 7 entries for"):
            score(TRUTH, EAGER[:-1])

    def test_booleans_are_labels(self, score):
        truth, decisions = np.array(TRUTH, dtype=bool), np.array(EAGER, dtype=bool)
        assert score(truth, decisions, pos_label=True) == score(TRUTH, EAGER)

    def test_masked_and_complex_labels(self, score):
        masked = np.ma.array(TRUTH, mask=[1] * 2 + [0] * 6)
        with pytest.raises(ValueError, match="y_true has 2 masked values"):
            score(masked, EAGER)
        with pytest.raises(ValueError, match="y_true has complex numbers"):
            score(np.array(TRUTH, dtype=complex), EAGER)
        assert score(np.ma.array(TRUTH), EAGER) == score(TRUTH, EAGER)

    @pytest.mark.parametrize(
        ("weight", "message"),
        [
            ([-1] + [1] * 7, "sample_weight has negative values, NaN or infinity"),
            ([np.nan] + [1] * 7, "sample_weight has negative values, NaN or infinity"),
            ([np.inf] + [1] * 7, "sample_weight has negative values, NaN or infinity"),
            (np.ones((8, 2)), r"sample_weight has shape \(8, 2\): expected one"),
            (np.ones((8, 1)), r"sample_weight has shape \(8, 1\): expected one"),
            ([1] * 7, "sample_weight has 7 entries for 8 cells"),
            (1.0, r"sample_weight has shape \(\): expected one"),
            ([1j] * 8, "sample_weight is an array of complex128: expected numbers"),
            (["1"] * 8, "sample_weight is an array of <U1: expected numbers"),
            (
                np.ma.array(np.ones(8), mask=[1] + [0] * 7),
                "sample_weight has 1 masked values",
            ),
        ],
    )
    def test_weights(self, score, weight, message):
        with pytest.raises(ValueError, match=message):
            score(TRUTH, EAGER, sample_weight=weight)


@pytest.mark.parametrize(
    "score", [recall_at_specificity_score, specificity_at_recall_score]
)
def test_decisions_in_the_place_of_scores_warn(score):
    with pytest.warns(
        UserWarning, match="y_score has only two distinct values, 0 and 1"
    ):
        score([0, 0, 1, 1] * 3, [0, 1, 1, 1] * 3)
