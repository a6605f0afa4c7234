"""What every function refuses in the same words."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from malariafuse._cells import check_cells, check_probability, check_target
from malariafuse.evaluation import (
    PatientTest,
    compare,
    comparison_table,
    label_issues,
    patient_table,
    summarize,
    threshold_table,
)
from malariafuse.metrics import recall_at_specificity_score
from malariafuse.model_selection import PatientKFold, choose_threshold, split_patients

Y = np.array([0, 1, 0, 1])
PROBABILITY = np.array([0.1, 0.9, 0.2, 0.7])
PATIENT = np.array(["C1", "C1", "C2", "C2"])

FUNCTIONS = {
    "summarize": summarize,
    "threshold_table": threshold_table,
    "patient_table": patient_table,
    "label_issues": label_issues,
    "choose_threshold": lambda y, p, groups: choose_threshold(y, p, min_recall=0.5),
    "comparison_table": lambda y, p, groups: comparison_table(y, {"a": p}, groups),
    "PatientTest": lambda y, p, groups: PatientTest().fit(y, p, groups),
}
TAKE_PATIENTS = [name for name in FUNCTIONS if name != "choose_threshold"]

every_function = pytest.mark.parametrize("name", FUNCTIONS)


@every_function
@pytest.mark.parametrize(
    ("y_prob", "message"),
    [
        ([0.1, np.nan, 0.2, 0.7], r"y_prob has 1 values .* such as nan at position 1"),
        ([0.1, 0.9, -2, 1.1], r"y_prob has 2 values .* such as -2.0 at position 2"),
        (np.stack([1 - PROBABILITY, PROBABILITY], 1), r"y_prob has two columns: .*\[:"),
        (["a", "b", "c", "d"], r"y_prob is an array of .*: expected numbers"),
        (["0.1", "0.9", "0.2", "0.7"], r"y_prob is an array of <U3: expected numbers"),
        (PROBABILITY + 0j, r"y_prob is an array of complex128: expected numbers"),
        (
            np.ma.array(PROBABILITY, mask=[True, False, False, False]),
            "y_prob has 1 masked values",
        ),
        ([[0.1], [0.2, 0.3], [0.4], [0.5]], "y_prob is not an array"),
        (PROBABILITY[:3], r"y_prob has 3 entries for 4 cells"),
        ([], r"y_prob has shape \(0,\): expected one value for each cell"),
    ],
)
def test_probabilities(name, y_prob, message):
    with pytest.raises(ValueError, match=message):
        FUNCTIONS[name](Y, y_prob, PATIENT)


@every_function
@pytest.mark.parametrize("wrong", [1 + 2e-6, -2e-6])
def test_probabilities_out_of_range_by_more_than_rounding(name, wrong):
    with pytest.raises(ValueError, match=r"y_prob has 1 values .* at position 3"):
        FUNCTIONS[name](Y, [0.1, 0.9, 0.2, wrong], PATIENT)


def test_probabilities_that_rounding_left_are_clipped():
    softmax = np.array([-1e-8, 1 + 2e-7, 1, 0.7], dtype=np.float32)
    assert softmax[1] > 1
    np.testing.assert_array_equal(
        check_probability(softmax), [0, 1, 1, np.float32(0.7)]
    )


@every_function
@pytest.mark.parametrize(
    "y",
    [[0, 1, 2, 1], ["Uninfected", "Parasitized"] * 2, list("0101")],
)
def test_labels(name, y):
    with pytest.raises(ValueError, match=r"y_true has the labels .*expected 1 for a"):
        FUNCTIONS[name](y, PROBABILITY, PATIENT)


@every_function
def test_missing_labels(name):
    with pytest.raises(ValueError, match=r"y_true has 1 missing values"):
        FUNCTIONS[name]([0, 1, np.nan, 1], PROBABILITY, PATIENT)


@every_function
@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.ma.array(Y, mask=[True, False, False, False]), "y_true has 1 masked"),
        (Y + 0j, "y_true has complex numbers"),
        ([[0], [1, 1], [0], [1]], "y_true is not an array"),
    ],
)
def test_labels_that_are_not_all_there(name, y, message):
    with pytest.raises(ValueError, match=message):
        FUNCTIONS[name](y, PROBABILITY, PATIENT)


@pytest.mark.parametrize(
    "name", [name for name in FUNCTIONS if name != "patient_table"]
)
@pytest.mark.parametrize(("label", "missing"), [(0, "parasitized"), (1, "uninfected")])
def test_one_class(name, label, missing):
    with pytest.raises(ValueError, match=f"y_true has no {missing} cell"):
        FUNCTIONS[name](np.full(4, label), PROBABILITY, PATIENT)


@pytest.mark.parametrize("name", TAKE_PATIENTS)
@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (PATIENT[:3], "groups has 3 patients for 4 cells"),
        (np.array(["C1", None, "C2", "C2"]), "groups has 1 missing values"),
        (np.stack([PATIENT, PATIENT]), r"groups has shape \(2, 4\)"),
        (["C1", "C1", 2, 2], "groups has patients of different types, such as 'C1'"),
        ([1, 1, 2 + 1j, 2], "groups has complex numbers"),
        (
            np.ma.array(PATIENT, mask=[True, True, False, False]),
            "groups has 2 masked values",
        ),
        ([[1], [1], [1, 2], [2]], "groups has patients that cannot be compared"),
    ],
)
def test_patients(name, groups, message):
    with pytest.raises(ValueError, match=message):
        FUNCTIONS[name](Y, PROBABILITY, groups)


@pytest.mark.parametrize("name", ["summarize", "threshold_table", "comparison_table"])
def test_a_single_patient_cannot_be_resampled(name):
    with pytest.raises(ValueError, match=r"groups has 1 patient, C1: .* at least 2"):
        FUNCTIONS[name](Y, PROBABILITY, ["C1"] * 4)


@pytest.mark.parametrize("name", ["patient_table", "comparison_table"])
def test_patients_are_needed(name):
    with pytest.raises(
        ValueError, match="groups is None: expected the patient of each"
    ):
        FUNCTIONS[name](Y, PROBABILITY, None)


@pytest.mark.parametrize("function", [summarize, threshold_table])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_resamples": 10}, "n_resamples=10: expected an integer in"),
        ({"n_resamples": 1e3}, r"n_resamples=1000\.0: expected an integer"),
        ({"confidence_level": 1}, r"confidence_level=1: expected a number in \(0, 1\)"),
        (
            {"confidence_level": 95},
            "confidence_level=95: expected a number",
        ),
    ],
)
def test_resampling(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(Y, PROBABILITY, PATIENT, **arguments)


@pytest.mark.parametrize(
    "threshold", [-0.1, 1.1, np.nan, "0.5", None, True, 0.5 + 0j, np.complex128(0.5)]
)
@pytest.mark.parametrize("function", [summarize, patient_table])
def test_threshold(function, threshold):
    with pytest.raises(ValueError, match=r"threshold=.*: expected a number in \["):
        function(Y, PROBABILITY, PATIENT, threshold=threshold)


@pytest.mark.parametrize("kind", [Fraction, np.float32, np.float64])
def test_numbers_of_any_type_are_numbers(kind):
    settings = {"n_resamples": 100, "random_state": 0}
    plain = summarize(
        Y, PROBABILITY, PATIENT, threshold=0.25, confidence_level=0.5, **settings
    )
    other = summarize(
        Y,
        PROBABILITY,
        PATIENT,
        threshold=kind(0.25),
        confidence_level=kind(0.5),
        **settings,
    )
    pd.testing.assert_frame_equal(plain, other)
    assert choose_threshold(Y, PROBABILITY, min_recall=kind(0.5)) == pytest.approx(0.8)
    assert recall_at_specificity_score(Y, PROBABILITY, min_specificity=kind(0.5)) == 1
    part = split_patients(Y, PATIENT, test_size=kind(0.5), random_state=0)
    assert len(part.test) == 2


class TestPosLabel:
    WORDS = np.array(["Uninfected", "Parasitized"])[Y]

    def test_the_named_class_is_positive(self):
        np.testing.assert_array_equal(
            check_target(self.WORDS, pos_label="Parasitized"), Y
        )
        np.testing.assert_array_equal(
            check_target(self.WORDS, pos_label="Uninfected"), 1 - Y
        )
        np.testing.assert_array_equal(check_target([1, 2, 2], pos_label=2), [0, 1, 1])
        np.testing.assert_array_equal(check_target([0, 1, 1], pos_label=0), [1, 0, 0])

    def test_one_class_alone_may_be_the_other_one(self):
        np.testing.assert_array_equal(check_target(["U", "U"], pos_label="P"), [0, 0])

    @pytest.mark.parametrize(
        ("labels", "pos_label", "message"),
        [
            (WORDS, "P", r"pos_label='P': .* \['Uninfected', 'Parasitized'\]"),
            (WORDS, 1, "pos_label=1: expected None or one of the classes"),
            (["U", "U"], 1, "pos_label=1: expected None or one of the classes"),
            ([0, 1], "P", "pos_label='P': expected None or one of the classes"),
            (["P", "U", "?"], "P", r"y_true has the labels .*: expected two"),
            (["P", None], "P", "y_true has 1 missing values"),
        ],
    )
    def test_refused(self, labels, pos_label, message):
        with pytest.raises(ValueError, match=message):
            check_target(labels, pos_label=pos_label)

    @pytest.mark.parametrize(
        "function",
        [
            lambda y, p, groups, **kind: summarize(
                y, p, groups, random_state=0, **kind
            ),
            label_issues,
            lambda y, p, groups, **kind: comparison_table(
                y, {"a": p}, groups, random_state=0, **kind
            ),
            lambda y, p, groups, **kind: compare(
                y, {"a": p, "b": p**2}, groups, random_state=0, **kind
            ),
        ],
    )
    def test_tables_are_those_of_numbers(self, function):
        expected = function(Y, PROBABILITY, PATIENT)
        table = function(self.WORDS, PROBABILITY, PATIENT, pos_label="Parasitized")
        columns = table.columns.drop("label", errors="ignore")
        pd.testing.assert_frame_equal(table[columns], expected[columns])

    def test_missing_classes_are_named(self):
        with pytest.raises(
            ValueError, match=r"no parasitized cell \(label 'P'\): expected"
        ):
            check_cells(["U", "U"], [0.1, 0.2], ["C1", "C2"], pos_label="P")
        with pytest.raises(
            ValueError, match=r"no uninfected cell \(label other than 'P'\)"
        ):
            check_cells(["P", "P"], [0.1, 0.2], ["C1", "C2"], pos_label="P")


WARNING = [name for name in FUNCTIONS if name != "PatientTest"]
EIGHT = np.tile(Y, 2)


@pytest.mark.parametrize("name", WARNING)
class TestSuspicious:
    def call(self, name, y_prob):
        return FUNCTIONS[name](EIGHT, y_prob, np.repeat(["C1", "C2"], 4))

    def test_decisions_are_no_probabilities(self, name):
        with pytest.warns(
            UserWarning,
            match="has only two distinct values, 0 and 1, which seem to be decisions",
        ) as caught:
            self.call(name, EIGHT)
        assert [warning.filename for warning in caught] == [__file__]

    def test_labels_the_wrong_way_round(self, name):
        right = np.where(EIGHT == 1, 0.8, 0.1) + np.arange(8) / 100
        self.call(name, right)  # no warning
        with pytest.warns(UserWarning, match=r"The ROC AUC is 0\.000, worse than chan"):
            self.call(name, 1 - right)


def test_two_cells_may_have_two_values():
    patient_table([0, 1], [0.1, 0.9], ["C1", "C2"])  # no warning


def test_constant_probabilities_are_no_decisions():
    choose_threshold(EIGHT, np.full(8, 0.5), min_recall=0.5)  # no warning


@pytest.mark.parametrize("pos_label", [[1], {}, object(), np.array([1]), print])
def test_a_pos_label_that_is_no_label(pos_label):
    with pytest.raises(ValueError, match=r"pos_label=.*: expected None or a label"):
        patient_table(Y, PROBABILITY, PATIENT, pos_label=pos_label)
    with pytest.raises(ValueError, match=r"pos_label=.*: expected None or a label"):
        PatientKFold(2, pos_label=pos_label)


def test_decisions_in_the_place_of_probabilities_of_new_patients_warn():
    fitted = PatientTest(cell_specificity=0.5).fit(
        [0, 1] * 20, [0.1, 0.2, 0.3, 0.9] * 10, np.repeat(np.arange(4), 10)
    )
    with pytest.warns(
        UserWarning, match="y_prob has only two distinct values, 0 and 1"
    ):
        fitted.test([0.0, 1.0, 1.0] * 4, ["a", "a", "b"] * 4)
