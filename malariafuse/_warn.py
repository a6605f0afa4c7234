"""Warnings that point to the code of the user."""

import sys
import warnings


def warn(message: str) -> None:
    """Warn where this package was called from, however deep inside it is."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back and frame.f_globals["__name__"].startswith("malariafuse."):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, UserWarning, stacklevel=level)
