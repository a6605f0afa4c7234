"""Patients on both sides of a split, whatever the type of their names."""

import numpy as np
import pandas as pd
import pytest

from malariafuse.model_selection import LeakageError, check_no_leakage


class Person:
    """A patient of a class of the user's own."""

    def __init__(self, number):
        self.number = number

    def __eq__(self, other):
        return self.number == other.number

    def __hash__(self):
        return hash(self.number)

    def __repr__(self):
        return f"Person({self.number})"


class Silent:
    """Has an __eq__, and so by Python's rules no __hash__."""

    def __eq__(self, other):
        return True

    __hash__ = None


def test_leakage_names_the_patients():
    with pytest.raises(LeakageError, match=r"2 patients .* C1, C3. Split by") as caught:
        check_no_leakage(["C1", "C2", "C3"], ["C3", "C1", "C4", "C1"])
    assert caught.value.patients == ["C1", "C3"]


def test_leakage_of_many_patients_is_cut_short():
    with pytest.raises(LeakageError, match=r"99 patients .*8, 9, \.\.\.. Split"):
        check_no_leakage(np.arange(99), np.arange(99))
    with pytest.raises(ValueError, match="groups_test has 1 missing"):
        check_no_leakage(["C1"], [None])


TEXT = {
    "list": ["C1", "C2"],
    "array": np.array(["C1", "C2"]),
    "objects": np.array(["C1", "C2"], dtype=object),
    "bytes": np.array([b"C1", b"C2"]),
    "bytes as objects": np.array([b"C1", b"C2"], dtype=object),
    "numpy strings": [np.str_("C1"), np.str_("C2")],
    "series": pd.Series(["C1", "C2"]),
    "pandas strings": pd.Series(["C1", "C2"], dtype="string"),
    "categories": pd.Series(["C1", "C2"], dtype="category"),
}
NUMBERS = {
    "list": [1, 2],
    "array": np.array([1, 2]),
    "small": np.array([1, 2], dtype=np.int8),
    "floats": np.array([1.0, 2.0]),
    "objects": np.array([1, 2], dtype=object),
    "floats as objects": np.array([1.0, 2.0], dtype=object),
    "mixed numbers": [1.0, 2],
    "numpy scalars": np.array([np.int64(1), np.float32(2)], dtype=object),
    "pandas integers": pd.Series([1, 2], dtype="Int64"),
}


@pytest.mark.parametrize("trained", TEXT)
@pytest.mark.parametrize("tested", TEXT)
def test_text_of_any_type(trained, tested):
    with pytest.raises(LeakageError) as caught:
        check_no_leakage(TEXT[trained], TEXT[tested][1:])
    assert caught.value.patients == ["C2"]
    check_no_leakage(TEXT[trained], ["C3"])


@pytest.mark.parametrize("trained", NUMBERS)
@pytest.mark.parametrize("tested", NUMBERS)
def test_numbers_of_any_type(trained, tested):
    with pytest.raises(LeakageError) as caught:
        check_no_leakage(NUMBERS[trained], NUMBERS[tested][1:])
    assert caught.value.patients == [2]
    check_no_leakage(NUMBERS[trained], [3])


def test_objects_by_their_equality():
    with pytest.raises(LeakageError, match=r"1 patients .*: Person\(2\)"):
        check_no_leakage([Person(1), Person(2)], [Person(2), Person(3)])
    check_no_leakage([Person(1)], [Person(2)])


def test_whole_numbers_that_no_float_holds_stay_apart():
    check_no_leakage([2**53], [2**53 + 1])
    check_no_leakage([2**70, 2**71], [2**70 + 1])


@pytest.mark.parametrize(
    ("trained", "message"),
    [
        ([1, 2], "numbers in both or strings in both"),
        (["C1", 3], "groups_train has patients of different types, such as 'C1' and 3"),
        ([Silent(), Silent()], "groups_train has patients that cannot be compared"),
        ([[1], [1, 2]], r"groups_train has patients that .* such as \[1\]"),
        ([1 + 1j], "groups_train has complex numbers"),
        (
            np.ma.array(["C1", "C2"], mask=[True, False]),
            "groups_train has 1 masked values",
        ),
        ("C1", r"groups_train has shape \(\)"),
        (None, "groups_train is None"),
        (3, r"groups_train has shape \(\)"),
    ],
)
def test_what_cannot_be_compared_is_refused(trained, message):
    with pytest.raises(ValueError, match=message):
        check_no_leakage(trained, ["1", "3"])


def test_a_masked_array_without_a_masked_value_is_data():
    with pytest.raises(LeakageError):
        check_no_leakage(np.ma.array(["C1"]), ["C1"])
