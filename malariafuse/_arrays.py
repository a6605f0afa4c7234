"""What no array-like of the package may be."""

from typing import Any

import numpy as np


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
