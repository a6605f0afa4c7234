"""Output of results to standard output and, atomically, to files."""

import json
import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from malariafuse._files._write import write_whole
from malariafuse.cli._command import InputError

if TYPE_CHECKING:
    import pandas as pd

FORCE = click.option("--force", is_flag=True, help="Replace an existing output.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print results as JSON.")
OUTPUT = click.Path(path_type=Path)


def check_output(path: Path, *, force: bool, folder: bool = False) -> None:
    """Raise if an output cannot be written, before the computation."""
    if not path.absolute().parent.is_dir():
        raise InputError(
            f"--output {path}: folder {path.absolute().parent} does not exist."
        )
    if not path.exists():
        return
    if path.is_dir() != folder:
        kinds = ("a folder", "a file") if folder else ("a file", "a folder")
        raise InputError(f"--output {path}: expected {kinds[0]}, is {kinds[1]}.")
    if not force and (not folder or any(path.iterdir())):
        raise InputError(
            f"--output {path} exists. Choose another output, or use --force to replace "
            "it."
        )


def write_csv(path: Path, table: "pd.DataFrame") -> None:
    """Write a table, with all digits of numbers."""
    write_whole(path, table.to_csv(index=False).encode(errors="surrogateescape"))


def as_text(table: "pd.DataFrame", *, left: Sequence[str]) -> str:
    """Return a table as text, with the columns `left` aligned left."""
    columns = []
    for name in table:
        texts = [
            ""
            if each is None or each != each
            else f"{each:.4f}"
            if isinstance(each, float)
            else str(each)
            for each in table[name]
        ]
        texts = [str(name), *texts]
        width = max(map(len, texts))
        align = "<" if name in left else ">"
        columns.append([f"{text:{align}{width}}" for text in texts])
    return "\n".join("  ".join(row).rstrip() for row in zip(*columns, strict=True))


def echo_json(value: Any, *, indent: int | None = None) -> None:
    """Print a value as JSON, with null for NaN and infinity."""
    click.echo(json.dumps(plain(value), indent=indent, ensure_ascii=False))


def plain(value: Any) -> Any:
    """Return a value that JSON can represent."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, str | int | None) else str(value)


def remove_folder(path: Path, is_ours: Callable[[Path], bool]) -> None:
    """Delete a folder, or raise InputError if it has other files."""
    check_replaceable(path, is_ours)
    shutil.rmtree(path)


def check_replaceable(path: Path, is_ours: Callable[[Path], bool]) -> None:
    """Raise if a folder to be replaced has other files.

    Raises
    ------
    InputError
        If the folder has other files.
    """
    if path.is_dir() and any(path.iterdir()) and not is_ours(path):
        raise InputError(
            f"--output {path} has other files: only the output of this command is "
            "replaced."
        )
