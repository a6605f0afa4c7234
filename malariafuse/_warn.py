"""Warnings with the location of the user's code."""

import sys
import warnings


def warn(message: str) -> None:
    """Emit a warning at the call of this package in the user's code."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back and frame.f_globals["__name__"].startswith("malariafuse."):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, UserWarning, stacklevel=level)
