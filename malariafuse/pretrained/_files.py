"""Files of a trained model."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from malariafuse._files._write import whole_files
from malariafuse._version import __version__

# Increased if older versions cannot read the files of this version.
FORMAT = 1
_STRUCTURE, _ARRAYS, _CARD = "model.json", "weights.npz", "model_card.json"


def write_model(
    folder: Path, structure: str, arrays: dict[str, NDArray[Any]], card: dict[str, Any]
) -> None:
    """Write a model: JSON, arrays, and the card with the digests of both.

    Raises
    ------
    TypeError
        If the card cannot be stored as JSON. No file is written.
    """
    try:
        json.dumps(card)
    except (TypeError, ValueError) as error:
        raise TypeError(f"card cannot be stored as JSON: {error}.") from error
    with whole_files(folder, last=_CARD) as new:
        np.savez_compressed(new / _ARRAYS, allow_pickle=False, **arrays)
        (new / _STRUCTURE).write_text(structure + "\n", encoding="utf-8")
        digests = {name: _digest(new / name) for name in (_STRUCTURE, _ARRAYS)}
        card = {**card, "format": FORMAT, "malariafuse": __version__, "sha256": digests}
        text = json.dumps(card, indent=1) + "\n"
        (new / _CARD).write_text(text, encoding="utf-8")


def read_card(folder: Path) -> dict[str, Any]:
    """Return the card of a model.

    Raises
    ------
    FileNotFoundError
        If there is no model in the folder.
    ValueError
        If the card is damaged, or has an unsupported format.
    """
    file = folder / _CARD
    if not file.is_file():
        raise FileNotFoundError(
            f"folder={str(folder)!r} has no {_CARD}: expected a folder written by "
            "save_pretrained."
        )
    try:
        card: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        stored, version = card["format"], card["malariafuse"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file} is damaged: {error}. {_remedy()}") from error
    if stored != FORMAT:
        raise ValueError(
            f"{file} was stored by malariafuse {version} in format {stored}, but "
            f"malariafuse {__version__} reads format {FORMAT}. Load it with the "
            "version that stored it."
        )
    return card


def read_model(folder: Path) -> tuple[str, dict[str, NDArray[Any]]]:
    """Return the JSON and the arrays of a model.

    Raises
    ------
    FileNotFoundError
        As in `read_card`, or if a file is missing.
    ValueError
        As in `read_card`, or if a file has changed.
    """
    for name, expected in read_card(folder)["sha256"].items():
        file = folder / name
        if not file.is_file():
            raise FileNotFoundError(f"{file} is missing. {_remedy()}")
        if _digest(file) != expected:
            raise ValueError(
                f"{file} is damaged: its SHA-256 differs from {_CARD}. {_remedy()}"
            )
    with np.load(folder / _ARRAYS, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    return (folder / _STRUCTURE).read_text(encoding="utf-8"), arrays


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _remedy() -> str:
    return "Install malariafuse again, or copy the folder again."
