"""Estimators whose files say first which versions wrote them."""

import copyreg
from typing import Any

import numpy as np
import sklearn
from sklearn.base import BaseEstimator

from malariafuse._version import __version__

_NEW = copyreg.__newobj__  # type: ignore[attr-defined]

Versions = tuple[tuple[str, str], ...]


class StoredEstimator(BaseEstimator):
    """A `BaseEstimator` whose pickles are refused by libraries that cannot read them.

    NumPy 2 writes names of modules that NumPy 1 does not have, and nothing in the error
    says so. The versions come before all else in a pickle, and are compared before
    anything of NumPy is made.
    """

    def __reduce_ex__(self, protocol: Any) -> Any:
        reduced = super().__reduce_ex__(protocol)
        if not isinstance(reduced, tuple) or reduced[0] is not _NEW:
            return reduced
        return (make_stored, (versions_here(), *reduced[1]), *reduced[2:])


def versions_here() -> Versions:
    """Return the versions that a file is written with, by the names of the packages."""
    return (
        ("malariafuse", __version__),
        ("numpy", np.__version__),
        ("scikit-learn", sklearn.__version__),
    )


def make_stored(versions: Versions, kind: type, *arguments: Any) -> Any:
    """Return an object without its attributes, which the rest of its file gives it.

    Files name this function: it must stay where it is.

    Raises
    ------
    ValueError
        If the NumPy that wrote the file has a higher major version.
    """
    written, here = dict(versions)["numpy"], np.__version__
    if _major(written) > _major(here):
        raise ValueError(
            f"This {kind.__name__} was stored with "
            f"{', '.join(f'{name} {version}' for name, version in versions)}, and "
            f"NumPy {here} does not read what NumPy {written} wrote: expected NumPy "
            f"{_major(written)} or newer. Install it, or store the estimator again "
            f"with NumPy {_major(here)}."
        )
    return kind.__new__(kind, *arguments)


def _major(version: str) -> int:
    return int(version.partition(".")[0])
