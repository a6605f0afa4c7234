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
        (np.array([[0], [1]]), [0, 1]),
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
    ("values", "error", "message"),
    [
        (None, ValueError, "y is None: expected one value for each sample"),
        (3, TypeError, "y=3: expected an array-like"),
        ("C1", TypeError, "y='C1': expected an array-like"),
        ({1}, TypeError, r"y=\{1\}: expected an array-like"),
        (iter([0, 1]), TypeError, "y=<list_iterator object .*: expected an array-like"),
        ([], ValueError, "y is empty"),
        ([[0, 1], [1, 0]], ValueError, r"y has the shape \(2, 2\)"),
        ([[0, 1], [1]], ValueError, "y is no array, as a list of lists of different"),
        ([0, None], ValueError, "y has 1 missing values"),
        ([0.0, np.nan], ValueError, "y has 1 missing values"),
        ([0, "a"], ValueError, "y has values such as 0 and 'a': expected all numbers"),
        ([0, 1j], ValueError, "y has complex128. Complex data"),
        (np.ma.masked_equal([0, 1], 1), ValueError, r"y has 1 masked value\(s\)"),
        ([object, object], ValueError, "expected all numbers or all texts"),
    ],
)
def test_what_is_no_column_is_named(values, error, message):
    with pytest.raises(error, match=message):
        as_labels(values, "y")
