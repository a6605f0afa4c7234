"""Position of a training in a search, for the title of its progress bar."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType

_FOLD: ContextVar[str] = ContextVar("fold", default="")


@contextmanager
def in_fold(number: int, n_folds: int) -> Iterator[None]:
    """Set the number of the fold, from 1, for `which_training` in this block."""
    outer = _FOLD.set(f"fold {number} of {n_folds}")
    try:
        yield
    finally:
        _FOLD.reset(outer)


def which_training() -> str:
    """Return a title such as "candidate 2 of 3, fold 1 of 5", or an empty string.

    A search of scikit-learn does not pass its state to estimators. The functions that
    fit a candidate to a fold and refit the best candidate are recognized by name on the
    stack, also in worker processes.
    """
    parts = [_FOLD.get()] if _FOLD.get() else []
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        module, name = frame.f_globals.get("__name__"), frame.f_code.co_name
        if (module, name) == ("sklearn.model_selection._validation", "_fit_and_score"):
            parts += _of_search(frame)
            break
        if (module, name) == ("sklearn.model_selection._search", "fit"):
            parts.append("best candidate")
            break
        frame = frame.f_back
    return ", ".join(parts)


def _of_search(frame: FrameType) -> list[str]:
    names = {"candidate": "candidate_progress", "fold": "split_progress"}
    found = {name: frame.f_locals.get(local) for name, local in names.items()}
    return [
        f"{name} {progress[0] + 1} of {progress[1]}"
        for name, progress in found.items()
        if progress is not None
    ]
