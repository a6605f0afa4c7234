"""Listing of image files with their metadata, before they are read."""

import os
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from malariafuse._files._read import read_file
from malariafuse._shown import short_repr


@contextmanager
def read_from_disk() -> Iterator[Callable[[str], bytes]]:
    """Yield the function that returns the content of a file on disk."""
    yield read_file


@dataclass
class Listing:
    """Image files, one for each row, in the order in which they are loaded.

    Attributes
    ----------
    names : list of str
        Names of the files, for the reader and for `filenames`.
    stamps : list of str
        Strings that change if a file, its size or its modification time changes.
    target : list of int or None
        Classes, or None without labels.
    split : list of str or None
        Parts of a predefined split, such as "train".
    folders : list of (str or None), or None
        Folders of patients, with None for a file without such a folder.
    patients : list or None
        Patients, if a table has a column of patients.
    patient_column : str or None
        Name of that column.
    remarks : list of str
        Warnings for the user.
    reader : callable
        Context manager that yields a function from a name to the content of a file.
    """

    names: list[str]
    stamps: list[str]
    target: list[int] | None = None
    split: list[str] | None = None
    folders: list[str | None] | None = None
    patients: list[Any] | None = None
    patient_column: str | None = None
    remarks: list[str] = field(default_factory=list)
    reader: Callable[[], AbstractContextManager[Callable[[str], bytes]]] = (
        read_from_disk
    )

    def without(self, names: Container[str]) -> "Listing":
        """Return a listing without some files."""
        kept = [row for row, name in enumerate(self.names) if name not in names]

        def rows(values: Sequence[Any] | None) -> list[Any] | None:
            return None if values is None else [values[row] for row in kept]

        return replace(
            self,
            names=[self.names[row] for row in kept],
            target=rows(self.target),
            split=rows(self.split),
            folders=rows(self.folders),
            patients=rows(self.patients),
        )

    @property
    def fingerprint(self) -> str:
        """Digest that changes if the content of the files changes."""
        # Names do not contain NUL. Names that are not UTF-8 have surrogates.
        text = "\0".join([*self.names, "", *self.stamps])
        return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def stamp(path: str) -> str:
    """Return the size and modification time of a file."""
    try:
        status = os.stat(path)
    # The error is reported when the file is read. A ValueError is due to NUL.
    except (OSError, ValueError) as error:
        return str(error)
    return f"{status.st_size} {status.st_mtime_ns}"


def stamp_all(names: Iterable[str]) -> list[str]:
    """Return the real paths, sizes and modification times of files."""
    places = map(os.path.abspath, names)
    return [f"{place}\n{stamp(place)}" for place in places]


def folder_name(path: str) -> str:
    """Return the name of the folder of a file."""
    return os.path.basename(os.path.dirname(os.path.abspath(path)))


def name_some(names: Iterable[Any], shown: int = 5) -> str:
    """Return the first names of a list for an error message."""
    return list_some(list(map(short_repr, names)), shown)


def list_some(texts: Sequence[str], shown: int = 5, separator: str = ", ") -> str:
    """Return the first strings of a list for an error message."""
    rest = f" and {len(texts) - shown} more" if len(texts) > shown else ""
    return separator.join(texts[:shown]) + rest
