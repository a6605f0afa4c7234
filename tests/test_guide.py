"""The Python code of the documentation runs, page by page, from top to bottom.

It runs in a folder of drawn files, which have the names that the pages use. Networks
are not trained: each fit gives a tiny network, and probabilities follow the darkness
of a cell, so that a page takes about a second. A comment ``.. not run: REASON`` above
a block leaves it out; its syntax, and the names that it takes from malariafuse, are
still checked.
"""

import ast
import importlib
import re
import shutil
import textwrap
import warnings
from functools import cache
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import sklearn
from drawn_files import write_cells, write_photos
from sklearn.ensemble import HistGradientBoostingClassifier
from support import linear_network

from malariafuse import evaluation
from malariafuse._engine._data import ImageInputs
from malariafuse._engine._inference import FrozenNetwork
from malariafuse._engine._training import Training
from malariafuse.classifiers import BaseImageClassifier, _base
from malariafuse.features import _spots

DOCS = Path(__file__).parents[1] / "docs"
BLOCK = re.compile(
    r"^(?P<not_run>\.\. not run: .+\n(?: {3}.+\n)*\n)?"
    r"\.\. code-block:: python\n(?: {4}:.*\n)*\n"
    r"(?P<code>(?: {4}.*\n|\n(?= *\n* {4}))+)",
    re.M,
)
PAGES = {
    path.relative_to(DOCS).with_suffix("").as_posix(): path.read_text()
    for path in [*DOCS.glob("*.rst"), *DOCS.glob("user_guide/*.rst")]
    if ".. code-block:: python" in path.read_text()
}
KNOWN = {}


def blocks_of(page):
    """Return the first line, the code, and whether it is to run, of each block."""
    return [
        (
            page.count("\n", 0, found.start("code")) + 1,
            textwrap.dedent(found["code"]),
            found["not_run"] is None,
        )
        for found in BLOCK.finditer(page)
    ]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A folder with labeled cells, cells without labels, and photographs."""
    folder = tmp_path_factory.mktemp("guide")
    write_cells(folder / "cell_images", 160, 16)
    write_cells(folder / "other_cells", 80, 16, random_state=1)
    shutil.make_archive(str(folder / "cell_images"), "zip", folder / "cell_images")
    (folder / "cells").mkdir()
    rows = []
    for number, path in enumerate(sorted(folder.glob("cell_images/*/*.png"))):
        rows.append(
            {
                "path": path.relative_to(folder).as_posix(),
                "label": path.parent.name.lower(),
                "patient": path.name.partition("P")[0],
                "stage": "uninfected"
                if path.parent.name == "Uninfected"
                else ("ring", "trophozoite")[number % 2],
                "age": 20 + number % 50,
            }
        )
        if number % 10 == 0:
            shutil.copy(path, folder / "cells")
    shutil.copy(path, folder / "cell.png")
    table = pd.DataFrame(rows)
    table.to_csv(folder / "cells.csv", index=False)
    table.drop(columns="label").rename(columns={"stage": "label"}).to_csv(
        folder / "stages.csv", index=False
    )
    for place, patient in enumerate(("ada", "bob")):
        write_photos(folder / "photographs" / patient, 1, random_state=place)
    return folder


@pytest.fixture
def working_directory(drawn, tmp_path, monkeypatch):
    shutil.copytree(drawn, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv("MALARIAFUSE_DATA", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    plt.close("all")


@pytest.fixture
def quick(monkeypatch):
    """Few trees and resamples; features of a cell are computed once for all pages."""
    few = {"max_iter": 25, "n_resamples": 100}
    functions = [HistGradientBoostingClassifier.__init__]
    functions += [getattr(evaluation, name) for name in evaluation.__all__]
    for function in functions:
        for name, value in few.items():
            if name in (getattr(function, "__kwdefaults__", None) or {}):
                monkeypatch.setitem(function.__kwdefaults__, name, value)

    measure = _spots._measure

    def known(images):
        keys = [image.tobytes() for image in images]
        new = {key: row for row, key in enumerate(keys) if key not in KNOWN}
        if new:
            KNOWN.update(zip(new, measure(images[[*new.values()]]), strict=True))
        return np.array([KNOWN[key] for key in keys])

    monkeypatch.setattr(_spots, "_measure", known)
    monkeypatch.setattr(_spots, "_FEWEST_SHARED", 10**6)


@cache
def frozen_network(input_shape, n_outputs):
    return FrozenNetwork(linear_network(input_shape, n_outputs))


@pytest.fixture
def untrained(monkeypatch):
    """Networks that are not trained and say how dark the middle of a cell is."""

    def train(build, inputs, data, settings, watch, **_):
        shape, n_classes = data.samples.images.shape[1:], data.n_classes
        network = frozen_network(shape, 1 if n_classes == 2 else n_classes)
        names = {"loss", "accuracy", "recall", settings.monitor.removeprefix("val_")}
        measures = {name: [0.7, 0.6] for name in names}
        if settings.early_stopping or data.validation is not None:
            measures |= {f"val_{name}": values for name, values in measures.items()}
        return Training(network, ImageInputs(), measures, "float32", None)

    def outputs(self, X, network):
        images = np.asarray(X) / (255 if np.asarray(X).dtype == np.uint8 else 1)
        darkest = 1 - images[:, 12:-12, 12:-12].min(axis=(1, 2, 3))
        if len(self.classes_) == 2:
            return darkest[:, None].astype(np.float32)
        others = np.tile((1 - darkest)[:, None], len(self.classes_) - 1)
        rates = np.column_stack([darkest, others / (len(self.classes_) - 1)])
        return rates.astype(np.float32)

    monkeypatch.setattr(_base, "train", train)
    monkeypatch.setattr(BaseImageClassifier, "_outputs", outputs)


def check_names(code):
    """Compile, and import what the code takes from malariafuse."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("malariafuse"):
            module = importlib.import_module(node.module)
            for name in node.names:
                assert hasattr(module, name.name), f"{node.module} has no {name.name}"


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.usefixtures("quick", "untrained")
def test_code_of_page(page, working_directory):
    namespace = {"__name__": "guide"}
    blocks = blocks_of(PAGES[page])
    assert len(blocks) == PAGES[page].count(".. code-block:: python\n")
    # Drawn cells are few and look unusual: warnings about that are no faults of a page.
    with sklearn.config_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for line, code, runs in blocks:
            check_names(code)
            if runs:
                # Errors show the line of the page.
                program = compile(
                    "\n" * (line - 1) + code, DOCS / f"{page}.rst", "exec"
                )
                exec(program, namespace)
