"""One value for each sample: arrays of labels, numbers or names, checked."""

from numbers import Number
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from malariafuse._shown import short_repr


def as_column(values: Any, name: str) -> NDArray[Any]:
    """Return `values` as an array of one dimension, or say what is wrong with them.

    Parameters
    ----------
    values : array-like of shape (n_samples,) or (n_samples, 1)
        Labels, numbers or names, one for each sample.
    name : str
        Name of the argument, for the message.

    Returns
    -------
    ndarray of shape (n_samples,)
        The same values.

    Raises
    ------
    ValueError
        If there are no values, or they are complex, masked, missing, of several kinds
        or of another shape.
    TypeError
        If `values` is no array-like.
    """
    if values is None:
        raise ValueError(f"{name} is None: expected one value for each sample.")
    if isinstance(values, str | bytes | dict | set) or not (
        hasattr(values, "__len__") or hasattr(values, "__array__")
    ):
        raise TypeError(
            f"{name}={short_repr(values)}: expected an array-like, one value for each "
            "sample."
        )
    refuse_masked(values, name)
    # Converted as it is, a list of numbers and texts becomes one of texts alone.
    mixed = isinstance(values, list | tuple) and len(set(map(_kind, values))) > 1
    try:
        column = np.asarray(values, dtype=object if mixed else None)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name} is no array, as a list of lists of different lengths is none: "
            f"expected one value for each sample. ({error})"
        ) from error
    if column.ndim == 2 and column.shape[1] == 1:
        column = column[:, 0]
    if column.ndim != 1:
        raise ValueError(
            f"{name} has the shape {column.shape}: expected one value for each sample, "
            "in one dimension."
        )
    if not len(column):
        raise ValueError(f"{name} is empty: expected at least one sample.")
    if np.iscomplexobj(column):
        raise ValueError(
            f"{name} has {column.dtype}. Complex data not supported: expected real "
            "numbers or texts."
        )
    if pd.isna(column).any():
        raise ValueError(
            f"{name} has {pd.isna(column).sum()} missing values, and contains NaN or "
            "None: expected one value for each sample."
        )
    kinds = {_kind(value) for value in column} if column.dtype == object else set()
    if len(kinds) > 1 or "other" in kinds:
        raise ValueError(
            f"{name} has values such as {short_repr(column[0])} and "
            f"{short_repr(column[-1])}: expected all numbers or all texts."
        )
    return column


def refuse_masked(values: Any, name: str) -> None:
    """Raise ValueError if `values` has masked elements, which NumPy would unmask.

    Parameters
    ----------
    values : object
        An array-like, masked or not.
    name : str
        Name of the argument, for the message.
    """
    if np.ma.isMaskedArray(values) and np.ma.getmaskarray(values).any():
        n = int(np.ma.getmaskarray(values).sum())
        raise ValueError(
            f"{name} has {n} masked value(s): expected none. Fill them with "
            f"{name}.filled(...), or leave those samples out."
        )


def _kind(value: Any) -> str:
    if isinstance(value, str | bytes):
        return "text"
    if isinstance(value, Number | np.bool_):
        return "number"
    return "other"
