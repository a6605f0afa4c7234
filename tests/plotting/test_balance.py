import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from malariafuse.plotting import ClassBalanceDisplay, PatientBalanceDisplay


def heights(bars):
    return [bar.get_height() for bar in bars]


def test_one_bar_for_each_class():
    display = ClassBalanceDisplay.from_target([1, 0, 1, 1])
    assert heights(display.bars_) == [1, 3]
    names = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert names == ["uninfected", "parasitized"]
    shares = [text.get_text() for text in display.ax_.texts]
    assert shares == ["1 (25.0%)", "3 (75.0%)"]


def test_other_labels_are_named_by_themselves():
    display = ClassBalanceDisplay.from_target(["ring", "healthy", "ring"])
    names = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert names == ["healthy", "ring"]


def test_patients_stand_by_their_number_of_cells():
    display = PatientBalanceDisplay.from_target(
        [1, 0, 0, 1, 1, 0], ["C3", "C3", "C1", "C7", "C7", "C7"]
    )
    uninfected, parasitized = display.bars_
    names = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert names == ["C7", "C3", "C1"]
    assert heights(parasitized) == [2, 1, 0]
    assert heights(uninfected) == [1, 1, 1]
    # Parasitized cells stand on the axis, the others on top of them.
    assert [bar.get_y() for bar in uninfected] == [2, 1, 0]
    assert display.ax_.get_title() == "6 cells of 3 patients (median 2)"


def test_many_patients_are_not_named():
    display = PatientBalanceDisplay.from_target([0, 1] * 40, np.repeat(range(40), 2))
    assert display.ax_.get_xticklabels() == []


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5)), min_size=1))
def test_every_cell_is_counted_once(cells):
    y, patients = np.transpose(cells)
    counts = PatientBalanceDisplay.from_target(y, patients).counts
    assert counts.sum() == len(y)
    np.testing.assert_array_equal(counts.sum(axis=0), np.unique(y, return_counts=1)[1])


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="groups has 2 patients for 3 cells"):
        PatientBalanceDisplay.from_target([0, 1, 1], [1, 1])


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([], r"y has shape \(0,\): .* at least one cell"),
        (None, "y is None: expected one value for each cell"),
        ([0, np.nan, 1], "y has 1 missing values"),
    ],
)
def test_labels_that_cannot_be_counted_are_refused(y, message):
    with pytest.raises(ValueError, match=message):
        ClassBalanceDisplay.from_target(y)
    with pytest.raises(ValueError, match=message):
        PatientBalanceDisplay.from_target(y, [7, 7, 3])


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (None, "groups is None: expected the patient of each cell"),
        ([7, np.nan, 3], "groups has 1 missing values"),
    ],
)
def test_patients_that_are_not_known_are_refused(groups, message):
    with pytest.raises(ValueError, match=message):
        PatientBalanceDisplay.from_target([0, 1, 1], groups)


def test_masked_and_complex_values_are_refused():
    masked = np.ma.array([0, 1, 1], mask=[True, False, False])
    with pytest.raises(ValueError, match=r"y has 1 masked values"):
        ClassBalanceDisplay.from_target(masked)
    with pytest.raises(ValueError, match="y has complex numbers"):
        ClassBalanceDisplay.from_target([0, 1j, 1])
    with pytest.raises(ValueError, match="groups has 1 masked values"):
        PatientBalanceDisplay.from_target([0, 1, 1], masked)
    with pytest.raises(ValueError, match="groups has patients of different types"):
        PatientBalanceDisplay.from_target([0, 1, 1], ["C1", 2, 2])
