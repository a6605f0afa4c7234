"""The places that cell images are read from: a folder, an archive, a table."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import Any, Protocol

from malariafuse._files._read import read_file
from malariafuse._files._shown import short_repr
from malariafuse.datasets._layout import CLASS_FOLDERS, PREFIX_FOLDER, select_cells
from malariafuse.datasets._zip import ZipSource, is_zip

Listing = tuple[list[str], list[int]]


class Source(Protocol):
    """Labeled image files, listed and read on demand."""

    fingerprint: str
    """Changes whenever the files, their sizes or their times of change do."""

    patients: list[Any] | None
    """One for each row of the listing, where the source itself knows them."""

    def listing(self) -> Listing:
        """Return file names and targets."""

    @contextmanager
    def reader(self) -> Iterator[Callable[[str], bytes]]:
        """Give the function that returns the content of a file of the listing."""


def open_source(path: Any) -> Source:
    """Return the source that `path` is, or say why it is none."""
    if hasattr(path, "columns"):
        return TableSource(path)
    if not isinstance(path, str | os.PathLike):
        raise TypeError(
            f"path is of type {type(path).__name__}; expected the path of a folder or "
            "zip file, or a pandas DataFrame with the columns 'path' and 'label'."
        )
    where = os.path.abspath(os.path.expanduser(path))
    if os.path.isdir(where):
        return FolderSource(where)
    if not os.path.exists(where):
        raise FileNotFoundError(f"path={where!r} does not exist.")
    if not is_zip(where):
        raise ValueError(
            f"path={where!r} is neither a folder nor a zip file. To read single image "
            "files, use malariafuse.preprocessing.ImageLoader."
        )
    return ZipSource(where, _fingerprint([where, _stamp(where)]))


class FolderSource:
    """A folder with the layout of the NIH cell images."""

    patients: list[Any] | None = None

    def __init__(self, where: str) -> None:
        files = dict(_walk(where, ""))
        names, self._targets = select_cells(files, where)
        self._paths = [os.path.join(where, name) for name in names]
        self.fingerprint = _fingerprint([where, *(files[name] for name in names)])

    def listing(self) -> Listing:
        return self._paths, self._targets

    @contextmanager
    def reader(self) -> Iterator[Callable[[str], bytes]]:
        yield read_file


class TableSource:
    """A table with a path and a label in each row."""

    def __init__(self, table: Any) -> None:
        missing = {"path", "label"} - set(table.columns)
        if missing:
            raise ValueError(
                f"The table lacks the column(s) {sorted(missing)}; it has "
                f"{list(table.columns)}."
            )
        self._paths = [_as_path(path) for path in table["path"]]
        if not self._paths:
            raise ValueError("The table of paths and labels is empty.")
        self._targets = _as_targets(table["label"])
        self.patients: list[Any] | None = (
            _as_patients(table["patient"]) if "patient" in table else None
        )
        places = map(os.path.abspath, self._paths)
        stamps = [
            f"{path}\n{where}\n{_stamp(where)}"
            for path, where in zip(self._paths, places, strict=True)
        ]
        self.fingerprint = _fingerprint([*stamps, str(self._targets)])

    def listing(self) -> Listing:
        return self._paths, self._targets

    @contextmanager
    def reader(self) -> Iterator[Callable[[str], bytes]]:
        yield read_file


def _walk(
    where: str, prefix: str, above: tuple[str, ...] = ()
) -> Iterator[tuple[str, str]]:
    """Yield relative name and stamp of the files below, where images may lie.

    A link to a folder that it lies in counts as a file, so that the walk ends.
    """
    in_class = bool(prefix) and prefix.split("/")[-2].lower() in CLASS_FOLDERS
    above = (*above, os.path.realpath(where))
    with os.scandir(where) as entries:
        for entry in entries:
            name = prefix + entry.name
            if not _is_folder(entry) or os.path.realpath(entry.path) in above:
                yield name, f"{name}\n{_stamp(entry.path)}"
            elif in_class or entry.name.lower() in {*CLASS_FOLDERS, PREFIX_FOLDER}:
                yield from _walk(entry.path, name + "/", above)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself; refused when it is read
        return False


def _stamp(path: str) -> str:
    try:
        stat = os.stat(path)
    # Reported with its reason when the file is read.
    except (OSError, ValueError) as error:
        return str(error)
    return f"{stat.st_size} {stat.st_mtime_ns}"


def _fingerprint(parts: Sequence[str]) -> str:
    return sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _as_path(path: Any) -> str:
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"The column 'path' holds {short_repr(path)}; expected paths.")
    return os.fspath(path)


def _as_targets(labels: Any) -> list[int]:
    targets = {
        **CLASS_FOLDERS,
        "0": 0,
        "1": 1,
        "0.0": 0,
        "1.0": 1,
        "false": 0,
        "true": 1,
    }
    keys = [str(label).lower() for label in labels]
    wrong = sorted(set(keys) - set(targets))
    if wrong:
        raise ValueError(
            f"The column 'label' holds {wrong}; expected 'parasitized' or "
            "'uninfected', or 1 (parasitized) and 0."
        )
    return [targets[key] for key in keys]


def _as_patients(patients: Any) -> list[Any]:
    if patients.isna().any():
        raise ValueError(
            f"The column 'patient' lacks {int(patients.isna().sum())} value(s); fill "
            "them, drop those rows, or drop the column."
        )
    return list(patients)
