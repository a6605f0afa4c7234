"""The whole benchmark on drawn cells, with a classifier that is fitted in no time."""

import json
from argparse import Namespace
from unittest import mock

import numpy as np
import pandas as pd
import pytest
import robustness
from _photographs import write_drawn
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from malariafuse.datasets import make_cell_images

CELLS = make_cell_images(48, 12, image_size=(24, 24), random_state=0)
# Easily told apart: parasitized cells have half the green.
CELLS.images[CELLS.target == 1, ..., 1] //= 2


def by_color(random_state):
    color = FunctionTransformer(np.mean, kw_args={"axis": (1, 2)})
    return make_pipeline(color, LogisticRegression(random_state=random_state))


@pytest.fixture
def arguments(tmp_path):
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    write_drawn(CELLS, photographs)
    makers = {"color": (by_color, False)}
    with mock.patch.object(robustness, "CLASSIFIERS", makers):
        yield Namespace(
            classifier=["color"],
            yardsticks=["folds", "photographs"],
            photographs=photographs,
            folds=2,
            seeds=[0, 1],
            step=2,
            image_size=24,
            jobs=1,
            output=tmp_path / "output",
            slides=True,
            tiny=True,
        )


def run(arguments):
    robustness.run(CELLS, lambda: list(CELLS.images), arguments)
    records = (arguments.output / "records.jsonl").read_text().splitlines()
    return [json.loads(line) for line in records]


def test_each_fold_has_a_record_of_each_set(arguments, capsys):
    records = run(arguments)
    # Two seeds, two folds, and the clean cells and three ways of masking photographs.
    assert len(records) == 2 * 2 * 4
    table = pd.read_csv(arguments.output / "table.csv", index_col=["seed", "set"])
    # As they are, and adapted to slides.
    assert len(table) == 2 * 2 * 4
    shown = capsys.readouterr().out
    assert "color, adapted, at .5, over patients and over photographs" in shown
    table = table[table["classifier"] == "color"]
    mean = table["AUC"].xs("photographs/ellipse", level="set").mean()
    assert f"| photographs/ellipse | {mean:.4f} |" in shown


def test_another_run_goes_on_without_training(arguments):
    before = run(arguments)
    with mock.patch.object(LogisticRegression, "fit", side_effect=AssertionError):
        assert run(arguments) == before
        arguments.yardsticks = ["folds", "masks"]
        records = run(arguments)
    assert records[: len(before)] == before
    # Nine masks of two folds and two seeds.
    assert len(records) - len(before) == 9 * 2 * 2


def test_other_settings_need_another_folder(arguments):
    run(arguments)
    arguments.folds = 3
    with pytest.raises(SystemExit, match="Choose another --output"):
        run(arguments)


def test_unknown_classifiers_are_refused():
    with pytest.raises(SystemExit, match="expected one of boosting, spots"):
        robustness.find_classifier("forest")


def test_functions_of_other_modules_make_classifiers():
    make, on_features = robustness.find_classifier("sklearn.dummy:DummyClassifier")
    assert make.__name__ == "DummyClassifier"
    assert not on_features
    _, on_features = robustness.find_classifier("spots+sklearn.dummy:DummyClassifier")
    assert on_features
