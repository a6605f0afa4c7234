"""Arrays with one value for each sample: labels, numbers and names, checked."""

from numbers import Number
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import _num_samples

from malariafuse._shown import short_repr


def as_labels(values: Any, name: str) -> NDArray[Any]:
    """Return labels of any kind, or say what is wrong with them.

    Parameters
    ----------
    values : array-like of shape (n_samples,)
        Labels, all of them numbers or all of them text.
    name : str
        Name of the argument, for the message.

    Returns
    -------
    ndarray of shape (n_samples,)
        The same labels.

    Raises
    ------
    ValueError
        If there are none, or they are complex, masked, missing, of several kinds or of
        another shape.
    """
    # Converted as it is, a list of numbers and text becomes one of text alone.
    mixed = isinstance(values, list | tuple) and len(set(map(_kind, values))) > 1
    labels = one_dimension(values, name, dtype=object if mixed else None)
    refuse_complex(labels, name)
    if pd.isna(labels).any():
        raise ValueError(
            f"{name} has {pd.isna(labels).sum()} missing values: expected the label "
            "of every cell."
        )
    kinds = {_kind(value) for value in labels} if labels.dtype == object else set()
    if len(kinds) > 1 or "other" in kinds:
        raise ValueError(
            f"{name} has labels such as {short_repr(labels[0])} and "
            f"{short_repr(labels[-1])}: expected numbers only, or text only."
        )
    return labels


def of_one_type(labels: NDArray[Any]) -> NDArray[Any]:
    """Return labels that are objects as an array of their type, as text or numbers.

    scikit-learn knows no classes among objects other than text.
    """
    if labels.dtype.kind != "O":
        return labels
    plain = np.array(labels.tolist())
    # Text and bytes in one array would become other text.
    return plain if (plain == labels).all() else labels


def one_dimension(values: ArrayLike, name: str, dtype: Any = None) -> NDArray[Any]:
    """Return an array of one dimension that is not empty."""
    array = as_array(values, name, dtype)
    if array.ndim != 1 or not len(array):
        raise ValueError(
            f"{name} has the shape {array.shape}: expected one value for each cell, "
            "of at least one cell."
        )
    if array.dtype.kind == "V":
        raise ValueError(
            f"{name} has the type {array.dtype}: expected numbers or text."
        )
    return array


def as_array(values: ArrayLike, name: str, dtype: Any = None) -> NDArray[Any]:
    """Return an array, unless some of it is masked, or it is ragged or missing."""
    if values is None:
        raise ValueError(f"{name} is None: expected one value for each cell.")
    refuse_masked(values, name)
    try:
        return np.asarray(values, dtype=dtype)
    except ValueError as error:
        raise ValueError(
            f"{name} is no array: expected one value for each cell."
        ) from error


def real_numbers(array: NDArray[Any], name: str) -> NDArray[np.float64]:
    """Return real numbers as floats; text is none."""
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
    """Raise ValueError if there are complex numbers, which would lose a part."""
    if array.dtype.kind == "c" or (
        array.dtype.kind == "O"
        and any(isinstance(value, complex | np.complexfloating) for value in array.flat)
    ):
        raise ValueError(f"{name} has complex numbers: expected real numbers or text.")


def refuse_masked(values: Any, name: str) -> None:
    """Raise ValueError if values are masked, which NumPy would unmask."""
    if np.ma.isMaskedArray(values) and np.ma.getmaskarray(values).any():
        n = int(np.ma.getmaskarray(values).sum())
        raise ValueError(
            f"{name} has {n} masked values: expected none. Fill them with "
            f"{name}.filled(...), or leave out the samples that lack one."
        )


def check_length(X: Any, n_cells: int, *, name: str = "X") -> None:
    """Raise ValueError unless `X` has an entry for each cell."""
    try:
        n = _num_samples(X)
    except TypeError as error:
        raise ValueError(
            f"{name} is a {type(X).__name__} without entries: expected one for each "
            "cell."
        ) from error
    if n != n_cells:
        raise ValueError(
            f"{name} has {n} entries for {n_cells} cells: expected one for each."
        )


def _kind(value: Any) -> str:
    if isinstance(value, str | bytes):
        return "text"
    if isinstance(value, Number | np.bool_):
        return "number"
    return "other"
