"""The Python of the README runs as it stands there, on drawn photographs and cells."""

import re
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from malariafuse.datasets import make_cell_images, make_smear_photos

README = Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README.read_text("utf-8"), re.M | re.S)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Photographs of two patients, and cells with a table of their labels."""
    for seed, patient in enumerate(["ada", "bob"]):
        photo = make_smear_photos(
            1, 40, photo_size=(400, 500), random_state=seed
        ).photos[0]
        (tmp_path / "photographs" / patient).mkdir(parents=True)
        Image.fromarray(photo).save(tmp_path / "photographs" / patient / "1.png")
    cells = make_cell_images(72, 12, image_size=(48, 48), random_state=0)
    (tmp_path / "cells").mkdir()
    rows = []
    for i, image in enumerate(cells.images):
        Image.fromarray(image).save(tmp_path / "cells" / f"{i}.png")
        rows.append((f"cells/{i}.png", cells.target[i], cells.groups[i]))
    table = pd.DataFrame(rows, columns=["path", "label", "patient"])
    table.to_csv(tmp_path / "cells.csv", index=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MALARIAFUSE_DATA", str(tmp_path / "cache"))
    return tmp_path


def run(block: str) -> dict[str, object]:
    names: dict[str, object] = {}
    exec(compile(block, README.name, "exec"), names)
    return names


# Drawn cells are not those that the ready model was trained on, and few.
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_photographs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(BLOCKS[0])
    printed = capsys.readouterr().out.splitlines()
    for line, patient in zip(printed, ["Ada", "Bob"], strict=True):
        assert re.fullmatch(rf"{patient} .+ \d+\.\d\d% of \d+ cells", line)
        assert (folder / f"report_{patient}.html").stat().st_size > 10_000


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_cells(folder: Path) -> None:
    probability = run(BLOCKS[1])["probability"]
    assert len(probability) == len(list((folder / "cells").iterdir())) == 72
    assert 0 <= probability.min() < probability.max() <= 1


def test_training(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(BLOCKS[2])
    assert re.search(
        r"^roc_auc +\d\.\d+ +\d\.\d+ +\d\.\d+", capsys.readouterr().out, re.M
    )


def test_all_blocks_are_tested() -> None:
    assert len(BLOCKS) == 3
