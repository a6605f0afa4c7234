"""Columns of labels, numbers and names: what is taken, and what is said otherwise."""

import numpy as np
import pandas as pd
import pytest

from malariafuse._arrays import as_labels


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 1], [0, 1]),
        (("a", "b"), ["a", "b"]),
        (pd.Series([True, False], index=[5, 6]), [True, False]),
        (pd.Categorical(["a", "b"]), ["a", "b"]),
        (np.array(["a", "b"], dtype=object), ["a", "b"]),
        (range(2), [0, 1]),
        (np.ma.masked_array([0, 1]), [0, 1]),
        ([0, 1.5, True], [0, 1.5, 1]),
    ],
)
def test_columns_are_taken(values, expected):
    assert as_labels(values, "y").tolist() == expected


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (None, "y is None: expected one value for each cell"),
        (3, r"y has shape \(\): expected one value for each cell"),
        ("C1", r"y has shape \(\)"),
        ({1}, r"y has shape \(\)"),
        ([], r"y has shape \(0,\): .* at least one cell"),
        ([[0, 1], [1, 0]], r"y has shape \(2, 2\)"),
        ([[0, 1], [1]], "y is not an array: expected one value for each cell"),
        ([0, None], "y has 1 missing values"),
        ([0.0, np.nan], "y has 1 missing values"),
        ([0, "a"], "y has labels such as 0 and 'a': expected only numbers"),
        ([0, 1j], "y has complex numbers"),
        (np.ma.masked_equal([0, 1], 1), "y has 1 masked values"),
        ([object, object], "expected only numbers or only strings"),
    ],
)
def test_what_is_no_column_is_named(values, message):
    with pytest.raises(ValueError, match=message):
        as_labels(values, "y")
