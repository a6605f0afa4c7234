"""Warnings with the location of the user's code."""

import sys
import warnings


def warn(message: str) -> None:
    """Emit a warning at the call of this package in the user's code."""
    level, frame = 2, sys._getframe(1)
    # Code that is run by `exec` may have no name of a module.
    while frame.f_back and str(frame.f_globals.get("__name__")).startswith(
        "malariafuse."
    ):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, UserWarning, stacklevel=level)
