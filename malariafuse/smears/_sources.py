"""Sources of photographs and their patients."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from malariafuse._files._memory import Encoded
from malariafuse._patients import check_patients
from malariafuse._shown import short_repr

_ENDINGS = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff")


@dataclass(frozen=True)
class Photos:
    """Photographs to read.

    Attributes
    ----------
    items : list
        Paths, file contents, open files and arrays.
    names : list of str
        Name of each photograph in messages.
    groups : ndarray of shape (n_photos,) or None
        Patient of each photograph.
    """

    items: list[Any]
    names: list[str]
    groups: NDArray[Any] | None


def list_photos(photos: Any, patients: Any) -> Photos:
    """Return the photographs of the argument `photos`, without opening them."""
    items, groups = _listed(photos)
    if groups is not None and patients is not None:
        raise ValueError(
            "patients is given, but photos also contains the patients: expected only "
            "one of them."
        )
    if not items:
        raise ValueError("photos is empty: expected at least one photograph.")
    items = [_as_item(item, place) for place, item in enumerate(items)]
    names = [
        item if isinstance(item, str) else f"photos[{place}]"
        for place, item in enumerate(items)
    ]
    groups = patients if groups is None else groups
    if groups is not None:
        codes, found = check_patients(groups, len(items), at_least=1, name="patients")
        groups = found[codes]
    return Photos(items, names, groups)


def _listed(photos: Any) -> tuple[list[Any], Any]:
    if isinstance(photos, str | os.PathLike):
        return _matching(os.fspath(photos)), None
    if isinstance(photos, pd.DataFrame):
        if "path" not in photos:
            raise ValueError(
                f"photos is a table with the columns {list(photos.columns)}: expected "
                "'path' and, optionally, 'patient'."
            )
        groups = photos["patient"].to_numpy() if "patient" in photos else None
        return list(photos["path"]), groups
    if isinstance(photos, Mapping):
        pairs = [
            (item, patient)
            for patient, given in photos.items()
            for item in _listed(given)[0]
        ]
        return [item for item, _ in pairs], [patient for _, patient in pairs]
    if isinstance(photos, Encoded) or hasattr(photos, "read"):
        return [photos], None
    if isinstance(photos, np.ndarray) and photos.ndim == 3:
        return [photos], None
    if isinstance(photos, Sequence | np.ndarray | pd.Series):
        return list(photos), None
    raise TypeError(
        f"photos={short_repr(photos)}: expected a folder, a pattern, a list of paths "
        "or photographs, a table with a column 'path', or a dict from patients to "
        "these."
    )


def _matching(path: str) -> list[str]:
    """Return the photographs of a folder, a pattern or a path."""
    if os.path.isdir(path):
        found = sorted(
            entry.path
            for entry in os.scandir(path)
            if entry.name.lower().endswith(_ENDINGS) and not entry.name.startswith(".")
        )
        if not found:
            raise FileNotFoundError(
                f"photos={short_repr(path)} is a folder without files that end in "
                f"{', '.join(_ENDINGS)}."
            )
        return found
    if has_magic(path) and not os.path.exists(path):
        found = sorted(glob(path, recursive=True))
        if not found:
            raise FileNotFoundError(f"No file matches photos={short_repr(path)}.")
        return found
    return [path]


def _as_item(item: Any, place: int) -> Any:
    if isinstance(item, os.PathLike):
        return os.fspath(item)
    if isinstance(item, str | Encoded | np.ndarray) or hasattr(item, "read"):
        return item
    raise TypeError(
        f"photos[{place}]={short_repr(item)}: expected a path, the contents of a file "
        "as bytes, an open binary file or an RGB array (height, width, 3)."
    )
