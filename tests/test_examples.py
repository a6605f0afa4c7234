"""The example that the README begins with, run as a user runs it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest
from PIL import Image

from malariafuse.datasets import make_cell_images

QUICKSTART = Path(__file__).parents[1] / "examples" / "quickstart.py"


def run_quickstart(*arguments: str | Path) -> str:
    finished = subprocess.run(
        [sys.executable, QUICKSTART, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "MPLBACKEND": "Agg"},
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def check_output(printed: str, output: Path) -> None:
    for name in ("recall", "specificity", "precision", "f1", "accuracy", "roc_auc"):
        found = re.search(
            rf"^{name} +([01]\.\d+) +([01]\.\d+) +([01]\.\d+)$", printed, re.M
        )
        assert found is not None, printed
        value, low, high = map(float, found.groups())
        assert low <= value <= high
    with Image.open(output / "quickstart.png") as figure:
        assert min(figure.size) > 400
    saved = joblib.load(output / "quickstart.joblib")
    cell = output / "cell.png"
    of_file = saved.predict_proba([cell])
    assert str(of_file) in printed  # of another process
    with Image.open(cell) as image:
        of_array = saved.predict_proba(np.asarray(image)[None])
    np.testing.assert_array_equal(of_file, of_array)


def test_drawn_images(tmp_path: Path) -> None:
    printed = run_quickstart("--samples", "800", "--output", tmp_path)
    check_output(printed, tmp_path)
    assert "say nothing about diagnosis" in printed


def test_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALARIAFUSE_DATA", str(tmp_path / "cache"))
    cells = make_cell_images(240, 20, image_size=(40, 36), random_state=0)
    for image, target, name in zip(
        cells.images, cells.target, cells.filenames, strict=True
    ):
        path = tmp_path / "data" / ["Uninfected", "Parasitized"][target] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)

    output = tmp_path / "output"
    printed = run_quickstart("--data", tmp_path / "data", "--output", output)

    check_output(printed, output)
    assert printed.startswith("240 cells, 120 parasitized, of 20 patients")
    assert "about diagnosis" not in printed
