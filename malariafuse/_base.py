"""Base class of all estimators."""

import copyreg
from typing import Any, ClassVar

import numpy as np
import sklearn
from sklearn.base import BaseEstimator

from malariafuse._version import __version__

DOCUMENTATION = "https://malariafuse.readthedocs.io/en/stable"
_NEW = copyreg.__newobj__  # type: ignore[attr-defined]

Versions = tuple[tuple[str, str], ...]


class Estimator(BaseEstimator):
    """Estimator whose HTML links to the documentation, and whose files say versions.

    NumPy 2 writes names of modules that NumPy 1 does not have, and the resulting error
    is not clear. The versions are at the start of a pickle and are compared before
    NumPy objects are loaded.
    """

    _doc_link_module: ClassVar[str] = "malariafuse"
    _doc_link_template: ClassVar[str] = (
        DOCUMENTATION + "/generated/{estimator_module}.{estimator_name}.html"
    )

    def __reduce_ex__(self, protocol: Any) -> Any:
        reduced = super().__reduce_ex__(protocol)
        if not isinstance(reduced, tuple) or reduced[0] is not _NEW:
            return reduced
        return (make_stored, (versions_here(), *reduced[1]), *reduced[2:])


def versions_here() -> Versions:
    """Return the installed versions by package name."""
    return (
        ("malariafuse", __version__),
        ("numpy", np.__version__),
        ("scikit-learn", sklearn.__version__),
    )


def make_stored(versions: Versions, kind: type, *arguments: Any) -> Any:
    """Return an object without attributes, which are set by the rest of the file.

    Files refer to this function by name, so it must not be moved.

    Raises
    ------
    ValueError
        If the file was written by a NumPy with a higher major version.
    """
    written, here = dict(versions)["numpy"], np.__version__
    if _major(written) > _major(here):
        raise ValueError(
            f"This {kind.__name__} was stored with "
            f"{', '.join(f'{name} {version}' for name, version in versions)}, but "
            f"NumPy {here} cannot read files of NumPy {written}: expected NumPy "
            f"{_major(written)} or newer. Install it, or store the estimator again "
            f"with NumPy {_major(here)}."
        )
    return kind.__new__(kind, *arguments)


def _major(version: str) -> int:
    return int(version.partition(".")[0])
