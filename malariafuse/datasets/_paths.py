"""Listing of images by paths, by a pattern, or by class."""

import glob
import os
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

from malariafuse._shown import short_repr
from malariafuse.datasets._classes import Classes, class_key
from malariafuse.datasets._folder import listing_of, walk
from malariafuse.datasets._layout import (
    Place,
    check_inside,
    common_depth,
    is_litter,
    path_parts,
    place,
    place_inside,
)
from malariafuse.datasets._listing import (
    Listing,
    folder_name,
    name_some,
    stamp_all,
)


def as_path(path: Any, what: str) -> str:
    """Return `path` as str, or raise TypeError."""
    if not isinstance(path, str | os.PathLike) or not os.fspath(path):
        raise TypeError(f"{what} {short_repr(path)}: expected paths.")
    return os.fsdecode(path)


def list_paths(
    paths: Iterable[Any], classes: Classes, labels: bool, root: str | None
) -> Listing:
    """List images by their paths, with classes by folder."""
    names = [_under(root, as_path(path, "path holds")) for path in paths]
    if not names:
        raise ValueError("path is an empty list: expected at least one image file.")
    if not labels:
        return Listing(names, stamp_all(names))
    places = _place_paths(names, classes)
    lost = [name for name, found in zip(names, places, strict=True) if found is None]
    if lost:
        raise ValueError(
            f"path: {len(lost)} of {len(names)} paths are not in a folder of a known "
            f"class: {name_some(lost)}. If the images have no labels, pass "
            "labels=False. Otherwise, pass a table with labels, or a dict from each "
            "class to its paths. "
            f"{classes.advice(dict.fromkeys(map(folder_name, lost)))}"
        )
    kept = [
        (name, found)
        for name, found in zip(names, places, strict=True)
        if found is not None and found.target is not None
    ]
    for name, found in kept:
        check_inside(name, found, "path")
    names = [name for name, _ in kept]
    listing = listing_of(names, [found for _, found in kept])
    listing.stamps = stamp_all(names)
    return listing


def list_pattern(
    pattern: str, classes: Classes, labels: bool, root: str | None
) -> Listing:
    """List the images whose paths match a pattern."""
    return list_paths(_matches(pattern, root), classes, labels, None)


def list_classes(
    paths: Mapping[Any, Any], classes: Classes, root: str | None
) -> Listing:
    """List images by class, from folders, patterns or lists of paths."""
    unknown = [name for name in paths if not classes.knows(name)]
    if unknown:
        raise ValueError(
            f"path has unknown classes {name_some(unknown)}. {classes.advice(unknown)}"
        )
    names: list[str] = []
    places: list[Place] = []
    for label, value in paths.items():
        target = classes.targets.get(class_key(label))
        if target is None:
            continue
        for name, inside in _files_of(label, value, root):
            found = place_inside(name, target, inside, classes)
            check_inside(name, found, f"path[{short_repr(label)}]")
            if found.target is not None:
                names.append(name)
                places.append(found)
    if not names:
        raise ValueError(f"path={short_repr(dict(paths))} has no image file.")
    listing = listing_of(names, places)
    listing.stamps = stamp_all(names)
    return listing


def _files_of(
    label: Any, value: Any, root: str | None
) -> Sequence[tuple[str, Sequence[str]]]:
    """Return the files of one class, with their subfolders."""
    what = f"path[{short_repr(label)}]"
    if isinstance(value, str | os.PathLike):
        given = expand(as_path(value, f"{what} is"), what)
        path = _under(root, given)
        if os.path.isdir(path):
            return [
                (os.path.join(path, name), name.split("/")[:-1])
                for name in sorted(walk(path))
            ]
        if os.path.exists(path):
            raise ValueError(
                f"{what} is {short_repr(path)}, a file: expected a folder, a pattern "
                "or a list of paths."
            )
        return [(name, ()) for name in _matches(given, root)]
    if isinstance(value, bytes) or not isinstance(value, Iterable):
        raise TypeError(
            f"{what} is {short_repr(value)}: expected a folder, a pattern or a list of "
            "paths."
        )
    return [(_under(root, as_path(path, f"{what} holds")), ()) for path in value]


def _place_paths(names: Sequence[str], classes: Classes) -> list[Place | None]:
    """Find the class folders of paths below their common folder.

    If there are none, all images may be of one class, the common folder.
    """
    parts = [path_parts(os.path.abspath(name)) for name in names]
    common = common_depth(parts)
    for start in (common, max(0, common - 1)):
        places = [place(part[start:-1], classes) for part in parts]
        if any(places):
            return places
    return places


def _matches(pattern: str, root: str | None) -> list[str]:
    # The folder itself is not a pattern, even if its name has brackets.
    below = pattern if root is None else os.path.join(glob.escape(root), pattern)
    try:
        paths = sorted(glob.glob(below, recursive=True))
    except ValueError as error:  # a NUL
        raise ValueError(
            f"path={short_repr(pattern)} is not a valid pattern: {error}."
        ) from error
    # Folders before the first wildcard are searched even if they are system folders.
    fixed = takewhile(lambda part: not glob.has_magic(part), Path(pattern).parts)
    depth = len(Path(root or "", *fixed).parts)
    found = [
        path
        for path in paths
        if not os.path.isdir(path)
        and not any(
            is_litter(part) for part in Path(path).parts[depth:] if part != ".."
        )
    ]
    if not found:
        where = "" if root is None else f" below root={short_repr(root)}"
        raise FileNotFoundError(
            f"path={short_repr(pattern)} does not match any file{where}."
        )
    return found


def expand(path: str, what: str) -> str:
    """Return a path with ``~`` expanded to the home folder of the user."""
    try:
        return os.path.expanduser(path)
    except ValueError as error:  # a NUL
        raise ValueError(
            f"{what}={short_repr(path)} is not a valid path: {error}."
        ) from error


def _under(root: str | None, path: str) -> str:
    return path if root is None else os.path.join(root, path)
