import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from malariafuse._engine._validation import split_rows


@pytest.mark.parametrize("fraction", [0.05, 0.1, 0.2, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9])
def test_whole_patients_of_the_fraction_that_is_asked_for(fraction):
    # 40 patients of 10 cells, half of each parasitized.
    patients = np.repeat(np.arange(40), 10)
    codes = np.arange(400) % 2
    train, validation = split_rows(codes, patients, fraction, seed=0)
    assert not set(patients[train]) & set(patients[validation])
    assert sorted([*train, *validation]) == list(range(400))
    # 20 folds of 2 patients: half a fold is 10 cells.
    assert len(validation) == pytest.approx(400 * fraction, abs=10)


@given(
    fraction=st.floats(0.01, 0.99),
    sizes=st.lists(st.integers(2, 30), min_size=2, max_size=25),
    seed=st.integers(0, 100),
)
@settings(max_examples=60)
def test_no_patient_is_on_both_sides_and_no_cell_is_lost(fraction, sizes, seed):
    patients = np.repeat(np.arange(len(sizes)), sizes)
    codes = np.arange(len(patients)) % 2
    train, validation = split_rows(codes, patients, fraction, seed)
    assert not set(patients[train]) & set(patients[validation])
    assert sorted([*train, *validation]) == list(range(len(codes)))
    assert set(codes[train]) == set(codes[validation]) == {0, 1}
