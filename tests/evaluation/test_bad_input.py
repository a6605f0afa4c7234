"""What every function refuses in the same words."""

import numpy as np
import pytest

from malariafuse._cells import check_probability
from malariafuse.evaluation import (
    PatientClassifier,
    choose_threshold,
    comparison_table,
    label_issues,
    patient_table,
    summarize,
    threshold_table,
)

Y = np.array([0, 1, 0, 1])
PROBABILITY = np.array([0.1, 0.9, 0.2, 0.7])
PATIENT = np.array(["C1", "C1", "C2", "C2"])

FUNCTIONS = {
    "summarize": summarize,
    "threshold_table": threshold_table,
    "patient_table": patient_table,
    "label_issues": label_issues,
    "choose_threshold": lambda y, p, groups: choose_threshold(y, p, recall=0.5),
    "comparison_table": lambda y, p, groups: comparison_table(y, {"a": p}, groups),
    "PatientClassifier": lambda y, p, groups: PatientClassifier().fit(p, y, groups),
}
TAKE_PATIENTS = [name for name in FUNCTIONS if name != "choose_threshold"]

every_function = pytest.mark.parametrize("name", FUNCTIONS)


@every_function
@pytest.mark.parametrize(
    ("y_prob", "message"),
    [
        ([0.1, np.nan, 0.2, 0.7], r"y_prob has 1 values .* first is nan at position 1"),
        ([0.1, 0.9, -2, 1.1], r"y_prob has 2 values .* first is -2.0 at position 2"),
        (np.stack([1 - PROBABILITY, PROBABILITY], 1), r"y_prob has two columns: .*\[:"),
        (["a", "b", "c", "d"], r"y_prob is an array of .*: expected numbers"),
        (PROBABILITY[:3], r"Different numbers of cells: y_true 4 and y_prob 3"),
        ([], r"y_prob has the shape \(0,\): expected one value for each cell"),
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
    [[0, 1, 2, 1], ["Uninfected", "Parasitized"] * 2, list("0101"), [0, 1, np.nan, 1]],
)
def test_labels(name, y):
    with pytest.raises(ValueError, match=r"y_true has the labels .*expected 1 for a"):
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
        (np.stack([PATIENT, PATIENT]), r"groups has the shape \(2, 4\)"),
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
        ({"n_resamples": 10}, "n_resamples=10: expected an integer of at least 100"),
        ({"n_resamples": 1e3}, r"n_resamples=1000\.0: expected an integer"),
        ({"confidence_level": 1}, "confidence_level=1: .* both excluded"),
        ({"confidence_level": 95}, "confidence_level=95: expected a number between"),
    ],
)
def test_resampling(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(Y, PROBABILITY, PATIENT, **arguments)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, np.nan, "0.5", None, True])
@pytest.mark.parametrize("function", [summarize, patient_table])
def test_threshold(function, threshold):
    with pytest.raises(ValueError, match=r"threshold=.*: expected a number between"):
        function(Y, PROBABILITY, PATIENT, threshold=threshold)
