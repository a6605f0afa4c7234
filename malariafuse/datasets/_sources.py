"""Sources of images: folder, archive, table or paths."""

import glob
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from malariafuse._shown import short_repr
from malariafuse.datasets._classes import Classes
from malariafuse.datasets._folder import list_folder, list_names
from malariafuse.datasets._listing import Listing, stamp
from malariafuse.datasets._paths import expand, list_classes, list_paths, list_pattern
from malariafuse.datasets._reversal import check_folders_against_labels
from malariafuse.datasets._table import list_table, read_csv
from malariafuse.datasets._zip import ZipSource, is_zip

_TABLES = (".csv", ".tsv")
_EXPECTED = (
    "the path of a folder, zip file or CSV file, a pattern of paths, a pandas "
    "DataFrame, a list of paths, or a dict from classes to their paths"
)


def list_source(
    path: Any,
    *,
    classes: Classes,
    labels: bool,
    root: Any = None,
    columns: Mapping[str, Any] | None = None,
) -> Listing:
    """List the images of `path`, or raise if it is invalid."""
    if root is not None:
        root = _as_folder(root)
    if columns is not None and not _is_table(path):
        raise ValueError(
            f"columns={short_repr(columns)}, but path is not a table: expected a "
            "pandas DataFrame or a CSV file."
        )
    if isinstance(path, str | os.PathLike):
        where = _as_place(path, "path")
        if root is not None and os.path.exists(where) and not _is_table(path):
            raise ValueError(
                f"root={short_repr(root)}, but path={short_repr(where)} is a folder or "
                "a zip file. `root` is for tables, lists, patterns and dicts."
            )
        if not os.path.exists(where) and glob.has_magic(os.fsdecode(path)):
            return list_pattern(
                expand(os.fsdecode(path), "path"), classes, labels, root
            )
        listing = _list_place(where, classes, labels, root, columns)
    elif hasattr(path, "columns"):
        listing = list_table(path, classes, labels, root, columns)
    elif isinstance(path, Mapping):
        if not labels:
            raise ValueError("labels=False, but path is a dict with labels as keys.")
        listing = list_classes(path, classes, root)
    elif _is_sequence(path):
        return list_paths(path, classes, labels, root)
    else:
        raise TypeError(f"path is of type {type(path).__name__}: expected {_EXPECTED}.")
    # Labels from a table or a dict may contradict the folders.
    if listing.target is not None and (_is_table(path) or isinstance(path, Mapping)):
        listing.remarks += check_folders_against_labels(
            listing.names, listing.target, classes
        )
    return listing


def _list_place(
    where: str,
    classes: Classes,
    labels: bool,
    root: str | None,
    columns: Mapping[str, Any] | None,
) -> Listing:
    if os.path.isdir(where):
        return list_folder(where, classes, labels)
    if not os.path.exists(where):
        raise FileNotFoundError(f"path={short_repr(where)} does not exist.")
    # Reading a pipe would never end.
    if where.casefold().endswith(_TABLES) and os.path.isfile(where):
        root = os.path.dirname(where) if root is None else root
        return list_table(read_csv(where), classes, labels, root, columns)
    if not is_zip(where):
        raise ValueError(
            f"path={short_repr(where)} is not a folder, a zip file or a table (.csv, "
            ".tsv). To load single image files, use "
            "malariafuse.preprocessing.ImageLoader."
        )
    archive = ZipSource(where)
    # Some Windows programs write backslashes.
    listing = list_names(archive.names(), classes, labels, where, separators="/\\")
    listing.stamps = [where, stamp(where)]
    listing.reader = archive.reader
    return listing


def _is_table(path: Any) -> bool:
    if isinstance(path, str | os.PathLike):
        name = expand(os.fsdecode(path), "path")
        return name.casefold().endswith(_TABLES) and not os.path.isdir(name)
    return hasattr(path, "columns")


def _is_sequence(path: Any) -> bool:
    if isinstance(path, type):
        return False
    return isinstance(path, list | tuple) or (
        (isinstance(path, np.ndarray) or hasattr(path, "to_numpy"))
        and getattr(path, "ndim", 1) > 0
    )


def _as_folder(root: Any) -> str:
    if not isinstance(root, str | os.PathLike):
        raise TypeError(f"root={short_repr(root)}: expected the path of a folder.")
    where = _as_place(root, "root")
    if not os.path.isdir(where):
        raise FileNotFoundError(f"root={short_repr(where)} is not a folder.")
    return where


def _as_place(path: str | os.PathLike[str], name: str) -> str:
    """Return an absolute path, or raise for an empty string."""
    text = os.fsdecode(path)
    if not text:
        raise ValueError(
            f"{name}='' is not a path. Pass '.' for the working directory."
        )
    return os.path.abspath(expand(text, name))
