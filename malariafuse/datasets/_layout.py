"""Folder layouts: class, split and patient by folder."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from malariafuse._shown import short_repr
from malariafuse.datasets._classes import Classes, class_key, is_number
from malariafuse.datasets._listing import name_some

PREFIX_FOLDER = "cell_images"
SPLITS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
_LITTER = {
    "thumbs.db",
    "desktop.ini",
    "__macosx",
    "@eadir",
    "lost+found",
    "$recycle.bin",
    "system volume information",
}
_IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True)
class Place:
    """Class, split and patient of a file by its folders.

    `target` is None in a folder that is left out. `above` are the folders above the
    class folder, and `inside` those within it, without folders of splits and copies.
    `key` are the relevant folders, independent of their parents.
    """

    target: int | None
    split: str | None = None
    above: tuple[str, ...] = ()
    inside: tuple[str, ...] = ()
    copies: int = 0
    key: str = ""

    @property
    def patient(self) -> str | None:
        """Folder inside the class folder, or None."""
        return self.inside[0].strip() if len(self.inside) == 1 else None


@dataclass(frozen=True)
class PlacedFiles:
    """Sorted files in class folders, and other folders with images."""

    names: list[str]
    places: list[Place]
    left_out: Counter[str]


def is_litter(part: str) -> bool:
    """Return whether a file or folder is a system file."""
    return part.startswith(".") or part.casefold() in _LITTER


def place(folders: Sequence[str], classes: Classes) -> Place | None:
    """Return the place of a file by `folders`, or None without a class folder.

    The outermost class folder is the class.

    Raises
    ------
    ValueError
        If folders contradict each other.
    """
    position = next((i for i, name in enumerate(folders) if classes.knows(name)), None)
    if position is None:
        return None
    if any(class_key(name) in classes.left_out for name in folders):
        return Place(target=None)
    folder = folders[position]
    name = "/".join(folders) + "/"
    outer = class_key(folder)
    above = [part for part in folders[:position] if class_key(part) != PREFIX_FOLDER]
    splits, inside = _cut_splits(name, above, folders[position + 1 :])
    for part in inside:
        # A patient in a class folder may be named 1, but not Uninfected.
        inner = class_key(part)
        if inner in classes.targets and (is_number(outer) or not is_number(inner)):
            raise ValueError(
                f"{short_repr(name)} has one class folder, {short_repr(part)}, inside "
                f"another, {short_repr(folder)}."
            )
    return Place(
        target=classes.targets[outer],
        split=SPLITS[class_key(splits[0])] if splits else None,
        above=tuple(part for part in above if part not in splits),
        inside=tuple(inside),
        copies=position - len(above),
        key="/".join([*splits, folder, *inside]),
    )


def place_inside(
    name: str, target: int, folders: Sequence[str], classes: Classes
) -> Place:
    """Return the place of a file by its folders inside a known class folder.

    Raises
    ------
    ValueError
        If folders contradict each other.
    """
    if any(class_key(part) in classes.left_out for part in folders):
        return Place(target=None)
    splits, inside = _cut_splits(name, (), folders)
    for part in inside:
        # As above, but independent of the name of the outer folder.
        inner = class_key(part)
        if inner in classes.targets and not is_number(inner):
            raise ValueError(
                f"{short_repr(name)} is in a class folder, {short_repr(part)}, inside "
                "another class folder."
            )
    return Place(
        target=target,
        split=SPLITS[class_key(splits[0])] if splits else None,
        inside=tuple(inside),
    )


def _cut_splits(
    name: str, above: Sequence[str], inside: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Return the split above or directly inside a class folder, and its folders."""
    splits = [part for part in above if class_key(part) in SPLITS]
    deeper = list(inside)
    while deeper and class_key(deeper[0]) in SPLITS:
        splits.append(deeper.pop(0))
    if len(splits) > 1:
        raise ValueError(
            f"{short_repr(name)} belongs to several splits, {name_some(splits)}."
        )
    return splits, deeper


def place_files(
    names: Iterable[str], classes: Classes, where: str, separators: str = "/"
) -> PlacedFiles:
    """Find the files in class folders.

    Parameters
    ----------
    names : iterable of str
        All files, relative to `where`.
    classes : Classes
        Class of each folder name.
    where : str
        Name of the folder or archive in error messages.
    separators : str, default="/"
        Separator characters of folders.
    """
    copies: dict[int, dict[str, tuple[str, Place]]] = defaultdict(dict)
    left_out: Counter[str] = Counter()
    places_of: dict[tuple[str, ...], Place | None] = {}
    for name, folders, file in _without_litter(names, separators):
        if folders not in places_of:
            places_of[folders] = place(folders, classes)
        found = places_of[folders]
        if found is None:
            if file.casefold().endswith(_IMAGE_ENDINGS):
                left_out["/".join(folders) + "/"] += 1
        elif found.target is not None:
            key = f"{found.key}/{file}"
            known = copies[found.copies].setdefault(key, (name, found))
            if known[0] != name:
                raise ValueError(
                    f"{where}: class folders are in several places, for example "
                    f"{short_repr(known[0])} and {short_repr(name)}. Pass the intended "
                    "folder, or exclude the other one by the value None in `classes`."
                )
    if not copies:
        raise ValueError(_describe_nothing(left_out, classes, where))
    cells = copies.pop(min(copies))
    # A common copy of the archive repeats all images one level deeper.
    for copy in copies.values():
        extra = sorted(copy.keys() - cells.keys())
        if extra:
            raise ValueError(
                f"{where}: a nested {PREFIX_FOLDER}/ holds {len(extra)} file(s) that "
                "are not in the outer class folders, for example "
                f"{short_repr(copy[extra[0]][0])}. Pass the intended one of the two "
                "folders."
            )
    found_names, places = zip(*(cells[key] for key in sorted(cells)), strict=True)
    _check_places(found_names, places, where)
    return PlacedFiles(list(found_names), list(places), left_out)


def place_unlabeled(
    names: Iterable[str], where: str, separators: str = "/"
) -> tuple[list[str], list[str | None]]:
    """Return all files, sorted, and the folders that may be patients.

    System files are left out. A folder may be a patient if it is the only folder of its
    file.
    """
    found = sorted(_without_litter(names, separators))
    if not found:
        raise ValueError(f"{where}: found no image.")
    return [name for name, _, _ in found], [
        folders[0].strip() if len(folders) == 1 else None for _, folders, _ in found
    ]


def path_parts(path: str) -> list[str]:
    """Split an absolute path into its folders and the file."""
    return os.path.splitdrive(path)[1].strip(os.sep).split(os.sep)


def common_depth(parts: Sequence[Sequence[str]]) -> int:
    """Return the number of outermost folders that all paths share."""
    levels = zip(*(part[:-1] for part in parts), strict=False)
    return sum(1 for _ in takewhile(lambda level: len(set(level)) == 1, levels))


def _without_litter(
    names: Iterable[str], separators: str
) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Yield each name, and its folders and file, without system files."""
    other = separators.replace("/", "")
    folders_of: dict[str, tuple[str, ...]] = {}
    for name in names:
        path = name.replace(other, "/") if other else name
        folder, _, file = path.rpartition("/")
        if folder not in folders_of:
            folders_of[folder] = tuple(folder.split("/")) if folder else ()
        folders = folders_of[folder]
        if not is_litter(file) and not any(map(is_litter, folders)):
            yield name, folders, file


def _check_places(names: Sequence[str], places: Sequence[Place], where: str) -> None:
    """Raise ValueError unless all class folders have the same parent."""
    first = places[0]
    for name, other in zip(names, places, strict=True):
        if other.above != first.above:
            raise ValueError(
                f"{where}: class folders are in several places, for example "
                f"{short_repr(names[0])} and {short_repr(name)}. Pass the intended "
                "folder, or exclude the other one by the value None in `classes`."
            )
        check_inside(name, other, where)


def check_inside(name: str, found: Place, where: str) -> None:
    """Raise ValueError if a file is nested more than one folder deep in its class."""
    if len(found.inside) > 1:
        raise ValueError(
            f"{where}: {short_repr(name)} is nested more than one folder deep in a "
            "class folder. Expected at most one folder, the patient. Pass a table of "
            "paths, labels and patients."
        )


def _describe_nothing(left_out: Counter[str], classes: Classes, where: str) -> str:
    if not left_out:
        return (
            f"{where}: found no image. Expected files in class folders, such as "
            "Parasitized/ and Uninfected/."
        )
    folders = sorted(left_out)
    if folders == ["/"]:
        return (
            f"{where}: found no class folder, such as Parasitized/, but "
            f"{left_out['/']} image file(s) outside of any. If they have no labels, "
            "pass labels=False."
        )
    shown = [f"{name} ({left_out[name]})" for name in folders if name != "/"]
    last = [name.rstrip("/").split("/")[-1] for name in folders if name != "/"]
    return (
        f"{where}: found no image in a folder of a known class. There are images in "
        f"{name_some(shown)}. {classes.advice(dict.fromkeys(last))} If the images have "
        "no labels, pass labels=False."
    )
