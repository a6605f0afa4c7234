"""Results on standard output, and in files that are there as a whole or not at all."""

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

FORCE = click.option("--force", is_flag=True, help="Replace an output that exists.")
JSON = click.option(
    "--json", "as_json", is_flag=True, help="Print results as JSON, for other programs."
)
OUTPUT = click.Path(path_type=Path)


def check_output(path: Path, *, force: bool, folder: bool = False) -> None:
    """Refuse an output that cannot be written, before the work begins."""
    if not path.absolute().parent.is_dir():
        raise InputError(
            f"--output {path}: there is no folder {path.absolute().parent}."
        )
    if not path.exists():
        return
    if path.is_dir() != folder:
        kinds = ("a folder", "a file") if folder else ("a file", "a folder")
        raise InputError(f"--output {path}: expected {kinds[0]}, is {kinds[1]}.")
    if not force and (not folder or any(path.iterdir())):
        raise InputError(
            f"--output {path} exists. Choose another one, or replace it by --force."
        )


def write_csv(path: Path, table: "pd.DataFrame") -> None:
    """Write a table; numbers keep all their digits."""
    write_whole(path, table.to_csv(index=False).encode())


def as_text(table: "pd.DataFrame", *, left: Sequence[str]) -> str:
    """Return a table to read; the columns `left` begin on the left."""
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
    """Print a value; what is no number is null, as JSON asks for."""
    click.echo(json.dumps(plain(value), indent=indent, ensure_ascii=False))


def plain(value: Any) -> Any:
    """Return a value as JSON takes it."""
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
    """Delete a folder, or raise InputError if it holds something else."""
    check_replaceable(path, is_ours)
    shutil.rmtree(path)


def check_replaceable(path: Path, is_ours: Callable[[Path], bool]) -> None:
    """Refuse to replace a folder that holds something else.

    Raises
    ------
    InputError
        If it does.
    """
    if path.is_dir() and any(path.iterdir()) and not is_ours(path):
        raise InputError(
            f"--output {path} holds something else: only what this command wrote is "
            "replaced."
        )
