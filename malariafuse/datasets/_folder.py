"""Folders of images, with or without class folders."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from malariafuse._shown import short_repr
from malariafuse.datasets._classes import Classes
from malariafuse.datasets._layout import (
    Place,
    is_litter,
    place_files,
    place_unlabeled,
)
from malariafuse.datasets._listing import Listing, name_some, stamp


def image_paths(folder: str | os.PathLike[str]) -> list[str]:
    """List the image files of a folder.

    The files are those that :func:`load_cell_images` reads from the folder with
    ``labels=False``: all files except system files. No file is opened.

    Parameters
    ----------
    folder : str or path-like
        Folder, which is searched with all subfolders.

    Returns
    -------
    list of str
        Sorted paths.

    Raises
    ------
    TypeError
        If `folder` is not a path.
    FileNotFoundError
        If the folder does not exist.
    ValueError
        If the folder has no files.

    See Also
    --------
    malariafuse.deploy.write_predictions : Classify any number of image files.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from malariafuse.datasets import image_paths
    >>> with TemporaryDirectory() as folder:
    ...     for name in ["b.png", "a.png", ".hidden"]:
    ...         Path(folder, name).touch()
    ...     [Path(path).name for path in image_paths(folder)]
    ['a.png', 'b.png']
    """
    if not isinstance(folder, str | os.PathLike):
        raise TypeError(f"folder={short_repr(folder)}: expected the path of a folder.")
    where = os.fsdecode(folder)
    if not os.path.isdir(where):
        raise FileNotFoundError(f"folder={short_repr(where)} is not a folder.")
    names = sorted(walk(where))
    if not names:
        raise ValueError(f"folder={short_repr(where)} has no files.")
    return [os.path.join(where, name) for name in names]


def list_folder(where: str, classes: Classes, labels: bool) -> Listing:
    """List the images in a folder."""
    listing = list_names(walk(where), classes, labels, where)
    listing.names = [os.path.join(where, name) for name in listing.names]
    listing.stamps = [stamp(name) for name in listing.names]
    return listing


def list_names(
    names: Iterable[str],
    classes: Classes,
    labels: bool,
    where: str,
    separators: str = "/",
) -> Listing:
    """List the images of a folder or archive by relative name."""
    if not labels:
        found, folders = place_unlabeled(names, where, separators)
        return Listing(found, [], folders=folders)
    files = place_files(names, classes, where, separators)
    listing = listing_of(files.names, files.places)
    if files.left_out:
        listing.remarks.append(_describe_left_out(files.left_out, classes, where))
    return listing


def listing_of(names: list[str], places: Sequence[Place]) -> Listing:
    """Return the listing of files in class folders, without stamps."""
    split = [place.split for place in places if place.split is not None]
    if 0 < len(split) < len(places):
        apart = [
            next(n for n, p in zip(names, places, strict=True) if bool(p.split) is s)
            for s in (True, False)
        ]
        raise ValueError(
            f"{short_repr(apart[0])} is in a folder of a split, such as train/, but "
            f"{short_repr(apart[1])} is not: expected all images or none in a split."
        )
    return Listing(
        names,
        [],
        target=[place.target for place in places if place.target is not None],
        split=split or None,
        folders=[place.patient for place in places],
    )


def walk(where: str) -> Iterator[str]:
    """Yield the relative names of the files below a folder, without system files.

    A link to a parent folder is treated as a file, so that the walk ends.
    """
    return _walk(where, "", ())


def _walk(where: str, prefix: str, above: tuple[str, ...]) -> Iterator[str]:
    above = (*above, os.path.realpath(where))
    with os.scandir(where) as entries:
        for entry in entries:
            if is_litter(entry.name):
                continue
            if _is_folder(entry) and os.path.realpath(entry.path) not in above:
                yield from _walk(entry.path, f"{prefix}{entry.name}/", above)
            else:
                yield prefix + entry.name


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, rejected when it is read
        return False


def _describe_left_out(left_out: Counter[str], classes: Classes, where: str) -> str:
    folders = [f"{'.' if name == '/' else ''}{name}" for name in sorted(left_out)]
    last = [name.rstrip("/").split("/")[-1] for name in folders if name != "./"]
    return (
        f"{where}: left out {left_out.total()} image file(s) in folders that are not "
        f"class folders: {name_some(folders)}."
        + (f" {classes.advice(dict.fromkeys(last))}" if last else "")
    )
