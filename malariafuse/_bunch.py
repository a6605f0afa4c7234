"""Result of functions with several return values."""

from typing import Any

import numpy as np
import pandas as pd
import sklearn.utils

from malariafuse._shown import short_repr


class Bunch(sklearn.utils.Bunch):
    """Bunch that is printed with one line for each value."""

    def __repr__(self) -> str:
        if not self:
            return "Bunch()"
        lines = [f"    {name}={_described(value)}," for name, value in self.items()]
        return "\n".join(["Bunch(", *lines, ")"])


def _described(value: Any) -> str:
    if isinstance(value, pd.DataFrame | pd.Series):
        size = " x ".join(map(str, value.shape))
        return f"<{type(value).__name__} of {size}>"
    if isinstance(value, np.ndarray) or (
        isinstance(value, str) and len(value.splitlines()) < 2
    ):
        return short_repr(value)
    if isinstance(value, str):
        return f"<text of {len(value.splitlines())} lines>"
    if isinstance(value, list | tuple | dict) and len(value) > 3:
        return f"<{type(value).__name__} of {len(value)}>"
    return short_repr(value)
