"""Training a model with all that belongs to it."""

from importlib.metadata import PackageNotFoundError

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from malariafuse.datasets import make_cell_images
from malariafuse.evaluation import PatientTest
from malariafuse.model_selection import SlideAdapter, choose_threshold
from malariafuse.pretrained import (
    _train,
    load_smear_reader,
    save_pretrained,
    train_pretrained,
)
from malariafuse.quality import CellGuard

CELLS = make_cell_images(240, 12, image_size=(24, 24), random_state=0)
NATURAL = np.where(
    CELLS.images.max(axis=-1, keepdims=True) < 60,
    np.array([235, 225, 215], dtype=np.uint8),
    CELLS.images,
)


class Known(ClassifierMixin, BaseEstimator):
    """Recognize each cell, with a little doubt, and remember what it was given."""

    def __init__(self, threshold=0.5):
        self.threshold = threshold

    def fit(self, X, y):
        self.classes_ = np.array([0, 1])
        self.X_ = X
        return self

    def predict_proba(self, X):
        digests = {x.tobytes(): i for i, x in enumerate(CELLS.images)}
        rows = [digests.get(x.tobytes(), 0) for x in X]
        doubt = np.random.default_rng(0).uniform(-0.3, 0.3, len(CELLS.target))[rows]
        p = np.where(CELLS.target[rows], 0.7, 0.3) + doubt
        return np.stack([1 - p, p], axis=1)

    def predict(self, X):
        return (self.predict_proba(X)[:, 1] >= self.threshold).astype(int)


@pytest.fixture(scope="module", autouse=True)
def quick():
    """The guard takes long to fit, and is tested elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CellGuard, "fit", lambda self, X, y=None: self)
        yield


def trained(images=CELLS.images, classifier=None, **parameters):
    settings = {
        "slide_adapter": SlideAdapter(min_cells=3),
        "patient_test": PatientTest(cell_specificity=0.95),
        "random_state": 0,
        **parameters,
    }
    return train_pretrained(
        classifier or Known(), images, CELLS.target, CELLS.groups, **settings
    )


def test_parts_are_learned_out_of_fold():
    model = trained(min_specificity=0.9)
    expected = Known().predict_proba(CELLS.images)[:, 1]
    np.testing.assert_array_equal(model.y_prob, expected)
    threshold = choose_threshold(CELLS.target, expected, min_specificity=0.9)
    assert list(model.pipeline.named_steps) == ["load", "mask", "guard", "classify"]
    assert model.pipeline["classify"].threshold == threshold
    assert model.card["threshold"]["value"] == threshold
    adapter = SlideAdapter(threshold=threshold, min_cells=3)
    adapter.fit(CELLS.target, expected, CELLS.groups)
    assert model.slide_adapter.reference_ == adapter.reference_
    test = PatientTest(cell_specificity=0.95).fit(
        CELLS.target, adapter.adapt(expected, CELLS.groups), CELLS.groups
    )
    assert model.patient_test.cell_threshold_ == test.cell_threshold_
    assert model.card["training_data"] == {
        "patients": 12,
        "cells": 240,
        "parasitized": 120,
    }
    called = expected >= threshold
    recall, low, high = model.card["out_of_fold"]["measures"]["recall"]
    assert recall == pytest.approx(called[CELLS.target == 1].mean(), abs=1e-4)
    assert low < recall < high


def test_natural_backgrounds_are_made_black_before_the_training():
    with pytest.warns(UserWarning, match="has no"):
        given = trained(NATURAL).pipeline["classify"].X_
    assert (given[:, 0, 0] == 0).all()
    # The classifier of all cells.
    assert len(given) == 240


def test_a_classifier_without_a_threshold_gets_one(tmp_path):
    class Means(BaseEstimator):
        def fit(self, X, y=None):
            self.fitted_ = True
            return self

        def transform(self, X):
            return Known().predict_proba(X)

    classifier = Pipeline([("means", Means()), ("linear", LogisticRegression(C=100))])
    model = trained(classifier=classifier)
    assert list(model.pipeline.named_steps)[2:] == ["guard", "means", "classify"]
    last = model.pipeline["classify"]
    assert last.threshold == model.card["threshold"]["value"]
    p = last.predict_proba(Means().transform(CELLS.images))[:, 1]
    decisions = last.predict(Means().transform(CELLS.images))
    np.testing.assert_array_equal(decisions, p >= last.threshold)


def test_few_cells_leave_out_the_adapter(tmp_path):
    """No patient has the 200 uninfected cells that it asks for."""
    with pytest.warns(
        UserWarning, match="no slide adapter, and works without it: 0 patients"
    ):
        model = trained(slide_adapter=SlideAdapter(min_cells=200))
    assert model.slide_adapter is None
    assert model.patient_test is not None


def test_a_reader_needs_no_adapter(tmp_path):
    with pytest.warns(UserWarning, match="no slide adapter"):
        model = trained(slide_adapter=SlideAdapter(min_cells=200))
    steps = Pipeline(model.pipeline.steps[:2])
    save_pretrained(tmp_path, steps, patient_test=model.patient_test, card=model.card)
    assert load_smear_reader(tmp_path).slide_adapter_ is None


def test_versions_of_what_is_installed(monkeypatch):
    """TensorFlow has several distributions."""

    def version(name):
        if name == "tensorflow":
            raise PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(_train, "version", version)
    versions = trained().card["versions"]
    assert versions.keys() == {"python", "keras", "scikit-learn"}


def test_entries_of_the_card():
    card = trained(card={"task": "Other cells.", "name": "ours"}).card
    assert (card["task"], card["name"]) == ("Other cells.", "ours")


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"min_specificity": 0}, ValueError, "min_specificity=0"),
        ({"patient_test": 0.9}, TypeError, "patient_test=0.9"),
        ({"slide_adapter": 0.9}, TypeError, "slide_adapter=0.9"),
        ({"card": "good"}, TypeError, "card='good'"),
        # 1 / (1 - 0.9975) = 400 uninfected cells.
        ({"patient_test": PatientTest()}, ValueError, "120 uninfected .* requires 400"),
    ],
)
def test_wrong_arguments(parameters, error, message):
    with pytest.raises(error, match=message):
        trained(**parameters)
