"""Validation of arrays with one value for each sample."""

from numbers import Number
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import _num_samples

from malariafuse._shown import short_repr


def as_labels(values: Any, name: str) -> NDArray[Any]:
    """Return validated labels of any kind.

    Parameters
    ----------
    values : array-like of shape (n_samples,)
        Labels, all numbers or all strings.
    name : str
        Name of the argument in error messages.

    Returns
    -------
    ndarray of shape (n_samples,)
        Validated labels.

    Raises
    ------
    ValueError
        If labels are empty, complex, masked, missing, of mixed types or of another
        shape.
    """
    # NumPy would convert a list of numbers and strings to strings.
    mixed = isinstance(values, list | tuple) and len(set(map(_kind, values))) > 1
    labels = one_dimension(values, name, dtype=object if mixed else None)
    refuse_complex(labels, name)
    if pd.isna(labels).any():
        raise ValueError(
            f"{name} has {pd.isna(labels).sum()} missing values: expected a label for "
            "each cell."
        )
    kinds = {_kind(value) for value in labels} if labels.dtype == object else set()
    if len(kinds) > 1 or "other" in kinds:
        raise ValueError(
            f"{name} has labels such as {short_repr(labels[0])} and "
            f"{short_repr(labels[-1])}: expected only numbers or only strings."
        )
    return labels


def of_one_type(labels: NDArray[Any]) -> NDArray[Any]:
    """Return labels of dtype object as an array of strings or numbers.

    scikit-learn accepts objects as classes only if they are strings.
    """
    if labels.dtype.kind != "O":
        return labels
    plain = np.array(labels.tolist())
    # In one array, strings and bytes would be converted to different strings.
    return plain if (plain == labels).all() else labels


def one_dimension(values: ArrayLike, name: str, dtype: Any = None) -> NDArray[Any]:
    """Return a non-empty one-dimensional array."""
    array = as_array(values, name, dtype)
    if array.ndim != 1 or not len(array):
        raise ValueError(
            f"{name} has shape {array.shape}: expected one value for each cell and at "
            "least one cell."
        )
    if array.dtype.kind == "V":
        raise ValueError(
            f"{name} has dtype {array.dtype}: expected numbers or strings."
        )
    return array


def as_array(values: ArrayLike, name: str, dtype: Any = None) -> NDArray[Any]:
    """Return an array, or raise if values are masked, ragged or missing."""
    if values is None:
        raise ValueError(f"{name} is None: expected one value for each cell.")
    refuse_masked(values, name)
    try:
        return np.asarray(values, dtype=dtype)
    except ValueError as error:
        raise ValueError(
            f"{name} is not an array: expected one value for each cell."
        ) from error


def real_numbers(array: NDArray[Any], name: str) -> NDArray[np.float64]:
    """Return real numbers as floats, or raise."""
    message = f"{name} is an array of {array.dtype}: expected numbers."
    if array.dtype.kind not in "biufO" or any(
        isinstance(value, str | bytes)
        for value in (array.flat if array.dtype.kind == "O" else ())
    ):
        raise ValueError(message)
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(message) from error


def refuse_complex(array: NDArray[Any], name: str) -> None:
    """Raise ValueError for complex numbers, whose imaginary part would be lost."""
    if array.dtype.kind == "c" or (
        array.dtype.kind == "O"
        and any(isinstance(value, complex | np.complexfloating) for value in array.flat)
    ):
        raise ValueError(
            f"{name} has complex numbers: expected real numbers or strings."
        )


def refuse_masked(values: Any, name: str) -> None:
    """Raise ValueError for masked values, which NumPy would unmask."""
    if np.ma.isMaskedArray(values) and np.ma.getmaskarray(values).any():
        n = int(np.ma.getmaskarray(values).sum())
        raise ValueError(
            f"{name} has {n} masked values: expected none. Fill them with "
            f"{name}.filled(...), or remove these samples."
        )


def check_length(X: Any, n: int, *, name: str = "X", of: str = "cells") -> None:
    """Raise ValueError unless `X` has `n` entries, one for each of the others."""
    try:
        n_entries = _num_samples(X)
    except TypeError as error:
        raise ValueError(
            f"{name} is a {type(X).__name__} without entries: expected {n}, for as "
            f"many {of}."
        ) from error
    if n_entries != n:
        raise ValueError(
            f"{name} has {n_entries} entries for {n} {of}: expected one for each."
        )


def _kind(value: Any) -> str:
    if isinstance(value, str | bytes):
        return "text"
    if isinstance(value, Number | np.bool_):
        return "number"
    return "other"
