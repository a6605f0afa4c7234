import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

CELLS = [
    "Parasitized/C1P1ThinF_cell_1.png",
    "Parasitized/C2P3ThinF_cell_7.png",
    "Uninfected/C1P1ThinF_cell_2.png",
    "Uninfected/C30NThinF_cell_1.png",
    "Uninfected/C30NThinF_cell_2.png",
]


def save_cell(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    height, width = rng.integers(20, 40, size=2)
    pixels = rng.integers(0, 256, size=(height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def cell_folder(tmp_path: Path) -> Path:
    """Five small images of three patients, laid out as the NIH set, with its litter."""
    folder = tmp_path / "cells"
    for seed, name in enumerate(CELLS):
        save_cell(folder / "cell_images" / name, seed)
    (folder / "cell_images" / "Parasitized" / "Thumbs.db").write_bytes(b"litter")
    return folder


@pytest.fixture
def zip_folder(tmp_path: Path) -> Callable[[Path], Path]:
    """A function that packs a folder."""

    def pack(folder: Path) -> Path:
        path = tmp_path / "packed.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for file in sorted(folder.rglob("*")):
                archive.write(file, file.relative_to(folder))
        return path

    return pack
