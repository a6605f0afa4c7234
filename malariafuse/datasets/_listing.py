"""Image files and all that is known of them before they are read."""

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
    """Give the function that returns the content of a file on disk."""
    yield read_file


@dataclass
class Listing:
    """Image files, one for each row, in the order in which they are loaded.

    Attributes
    ----------
    names : list of str
        Names of the files, as the reader takes them and as `filenames` has them.
    stamps : list of str
        Text that changes whenever a file, its size or its time of change does.
    target : list of int or None
        The classes; None if there are no labels.
    split : list of str or None
        The sides of a split that was made before, such as "train".
    folders : list of (str or None), or None
        The folders of patients; None where a file lies in none.
    patients : list or None
        The patients, where a column of a table says them.
    patient_column : str or None
        The name of that column.
    remarks : list of str
        Warnings for the user.
    reader : callable
        The context that gives the function from a name to the content of a file.
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
        """Return a listing that lacks some files."""
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
        """Changes whenever what would be read from the files does."""
        # No name holds NUL; names that are not UTF-8 have surrogates.
        text = "\0".join([*self.names, "", *self.stamps])
        return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def stamp(path: str) -> str:
    """Return the size and time of change of a file."""
    try:
        status = os.stat(path)
    # Reported with its reason when the file is read; a ValueError is of a NUL.
    except (OSError, ValueError) as error:
        return str(error)
    return f"{status.st_size} {status.st_mtime_ns}"


def stamp_all(names: Iterable[str]) -> list[str]:
    """Return the places, sizes and times of change of files, however they are named."""
    places = map(os.path.abspath, names)
    return [f"{place}\n{stamp(place)}" for place in places]


def folder_name(path: str) -> str:
    """Return the name of the folder that a file lies in."""
    return os.path.basename(os.path.dirname(os.path.abspath(path)))


def name_some(names: Iterable[Any], shown: int = 5) -> str:
    """List the first names of many in an error message."""
    return list_some(list(map(short_repr, names)), shown)


def list_some(texts: Sequence[str], shown: int = 5, separator: str = ", ") -> str:
    """List the first texts of many as they are."""
    rest = f" and {len(texts) - shown} more" if len(texts) > shown else ""
    return separator.join(texts[:shown]) + rest
