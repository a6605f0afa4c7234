import json

import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from malariafuse import (
    ConvNetClassifier,
    FeatureFusionClassifier,
    ResNet18Classifier,
    SpotFeatureExtractor,
)
from malariafuse.cli import _train
from malariafuse.pretrained import load_pretrained


@pytest.fixture
def small(monkeypatch):
    """Train few trees, whatever is asked for."""

    def classifier(name, epochs, seed):
        assert (name, epochs, seed) == ("boosting", None, 3)
        trees = HistGradientBoostingClassifier(max_iter=10, random_state=seed)
        return make_pipeline(SpotFeatureExtractor(), trees)

    monkeypatch.setattr(_train, "_classifier", classifier)
    with threadpool_limits(1):
        yield


def test_a_model_that_the_other_commands_take(run, small, cells, tmp_path):
    """With 30 uninfected cells, a test of patients needs a low specificity."""
    output = tmp_path / "model"
    result = run(
        "train", cells, "-o", output, "--classifier", "boosting", "--seed", 3,
        "--folds", 2, "--min-specificity", 0.9, "--cell-specificity", 0.9, "--json",
    )  # fmt: skip
    assert [file.name for file in tmp_path.iterdir()] == ["model"]
    card = json.loads(result.stdout)
    assert card["name"] == "model"
    assert card["training_data"] == {
        "patients": 6,
        "cells": 60,
        "parasitized": 30,
        "name": cells.name,
    }
    assert "60 cells of 6 patients, 3 trainings.\n" in result.stderr
    threshold = card["threshold"]["value"]
    pipeline = load_pretrained(output)
    file = next((cells / "Uninfected").iterdir())
    (line,) = run(
        "predict", file, "--model", output, "--json", "-q"
    ).stdout.splitlines()
    row = json.loads(line)
    assert row["probability"] == pytest.approx(pipeline.predict_proba([file])[0, 1])
    assert row["decision"] == (
        "parasitized" if row["probability"] >= threshold else "uninfected"
    )
    # So few patients give neither a slide adapter nor a test of patients.
    assert json.loads(run("card", output, "--json").stdout)["protocol"] == (
        "boosting on crops of 48 x 48 pixels, random seed 3. Model on all patients. By "
        "2 folds of patients: threshold."
    )


def test_too_few_cells_are_refused_before_the_training(run, small, cells, tmp_path):
    """The default needs 1 / (1 - 0.9975) = 400 uninfected cells."""
    output = tmp_path / "model"
    options = ("--classifier", "boosting", "--seed", 3)
    result = run("train", cells, "-o", output, *options, code=2)
    assert "y has 30 uninfected cells" in result.stderr
    assert "requires 400" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_only_models_are_replaced(run, cells, tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    result = run("train", cells, "-o", tmp_path, code=2)
    assert (
        "exists. Choose another output, or use --force to replace it." in result.stderr
    )
    result = run("train", cells, "-o", tmp_path, "--force", code=2)
    assert "only the output of this command is replaced." in result.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_model_is_replaced_as_a_whole(run, monkeypatch, cells, tmp_path):
    output = tmp_path / "model"
    output.mkdir()
    (output / "model_card.json").write_text("old")
    (output / "references.npz").write_text("old")

    def fail(*_):
        raise ValueError("no")

    monkeypatch.setattr(_train, "_classifier", fail)
    run("train", cells, "-o", output, "--force", code=1)
    assert {file.name for file in output.iterdir()} == {
        "model_card.json",
        "references.npz",
    }
    assert [file.name for file in tmp_path.iterdir()] == ["model"]


def test_epochs_are_for_networks(run, cells, tmp_path):
    options = ("--classifier", "boosting", "--epochs", 3)
    result = run("train", cells, "-o", tmp_path / "model", *options, code=2)
    assert "--epochs is not valid for boosting, which has no network." in result.stderr


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("fusion", FeatureFusionClassifier),
        ("resnet18", ResNet18Classifier),
        ("convnet", ConvNetClassifier),
    ],
)
def test_networks(name, kind, monkeypatch):
    monkeypatch.setattr(_train, "shows_progress", lambda: True)
    network = _train._classifier(name, 4, 7)
    assert type(network) is kind
    assert (network.epochs, network.random_state, network.verbose) == (4, 7, 1)
    assert _train._classifier(name, None, 7).epochs == kind().epochs
