"""Files of an exported classifier."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from malariafuse._plain import from_plain, to_plain
from malariafuse._version import __version__

# Increased if older versions cannot read the folders of this version.
FORMAT = 1
MODEL, MANIFEST, GOLDEN = "model.onnx", "manifest.json", "golden"
_STEPS, _ARRAYS = "library.json", "library.npz"
_PROBABILITIES = "probabilities.json"
_OWN_DIGEST = "manifest_sha256"


def write_library(folder: Path, library: Mapping[str, Any]) -> None:
    """Write the steps outside of the graph as JSON and plain arrays."""
    structure, arrays = to_plain(dict(library))
    (folder / _STEPS).write_text(structure + "\n", encoding="utf-8")
    np.savez_compressed(folder / _ARRAYS, allow_pickle=False, **arrays)


def read_library(folder: Path) -> dict[str, Any]:
    """Return the argument of `write_library`."""
    with np.load(folder / _ARRAYS, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    library: dict[str, Any] = from_plain(
        (folder / _STEPS).read_text(encoding="utf-8"), arrays
    )
    return library


def write_golden(
    folder: Path, images: NDArray[np.uint8], probabilities: NDArray[np.float32]
) -> None:
    """Write RGB images as PNG files, and their probabilities."""
    place = folder / GOLDEN
    place.mkdir()
    names = [f"cell_{number}.png" for number in range(len(images))]
    for name, image in zip(names, images, strict=True):
        encoded = cv2.imencode(".png", image[..., ::-1])[1]
        (place / name).write_bytes(encoded.tobytes())
    listed = dict(zip(names, probabilities.astype(float).tolist(), strict=True))
    (place / _PROBABILITIES).write_text(json.dumps(listed, indent=1) + "\n")


def read_golden(folder: Path) -> tuple[list[Path], NDArray[np.float64]]:
    """Return the paths of the golden cells, and their probabilities."""
    place = folder / GOLDEN
    listed = json.loads((place / _PROBABILITIES).read_text())
    return [place / name for name in listed], np.array(list(listed.values()))


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write the manifest, with the digests of all other files and of itself."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    files = [file for file in files if file != folder / MANIFEST]
    manifest = {
        "format": FORMAT,
        **manifest,
        "sha256": {
            file.relative_to(folder).as_posix(): _digest(file.read_bytes())
            for file in files
        },
    }
    manifest[_OWN_DIGEST] = _digest(_canonical(manifest))
    text = json.dumps(manifest, indent=1) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8")


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a folder, after verification of all files.

    Raises
    ------
    FileNotFoundError
        If there is no manifest, or a file is missing.
    ValueError
        If a file has changed, or the folder has an unsupported format.
    """
    file = folder / MANIFEST
    if not file.is_file():
        raise FileNotFoundError(
            f"folder={str(folder)!r} has no {MANIFEST}: expected a folder written by "
            "export_onnx."
        )
    try:
        manifest: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        own, stored = manifest.pop(_OWN_DIGEST), manifest["format"]
        digests, versions = manifest["sha256"], manifest["versions"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{file} is damaged: {error}. {_REMEDY}") from error
    if stored != FORMAT:
        raise ValueError(
            f"{file} was written by malariafuse {versions['malariafuse']} in format "
            f"{stored}, but malariafuse {__version__} reads format {FORMAT}. Export "
            "again."
        )
    if own != _digest(_canonical(manifest)):
        raise ValueError(f"{file} is damaged: its SHA-256 has changed. {_REMEDY}")
    for name, expected in digests.items():
        listed = folder / name
        if not listed.is_file():
            raise FileNotFoundError(f"{listed} is missing. {_REMEDY}")
        if _digest(listed.read_bytes()) != expected:
            raise ValueError(
                f"{listed} is damaged: its SHA-256 differs from {MANIFEST}. {_REMEDY}"
            )
    return manifest


_REMEDY = "Copy the folder again, or export again."


def _canonical(manifest: Mapping[str, Any]) -> bytes:
    return json.dumps(manifest, sort_keys=True).encode()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
