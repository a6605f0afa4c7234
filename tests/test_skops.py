"""skops writes and reads what is fitted, and needs trust in types of ours alone."""

from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from support import dark_spots, fast

from malariafuse import (
    BackgroundMasker,
    CellGuard,
    ConvNetClassifier,
    FeatureFusionClassifier,
    GaussianSmoother,
    HSVConverter,
    ImageLoader,
    KerasImageClassifier,
    SpotFeatureExtractor,
    load_pretrained,
)
from malariafuse.networks import build_convnet
from malariafuse.pretrained import load_patient_test, load_slide_adapter

skops = pytest.importorskip("skops")
skops_io = pytest.importorskip("skops.io")

X, Y, _ = dark_spots()


def stored_and_read(estimator):
    content = skops_io.dumps(estimator)
    types = skops_io.get_untrusted_types(data=content)
    assert all(name.startswith("malariafuse.") for name in types), types
    return skops_io.loads(content, trusted=types)


@pytest.mark.parametrize(
    "transformer",
    [
        BackgroundMasker(on_error="keep"),
        CellGuard(),
        GaussianSmoother(3),
        HSVConverter(),
        ImageLoader((16, 16)),
        SpotFeatureExtractor(),
    ],
    ids=lambda transformer: type(transformer).__name__,
)
@pytest.mark.filterwarnings("ignore:.*images of X do not look like single stained red")
def test_transformers(transformer):
    transformer.fit(X)
    np.testing.assert_array_equal(
        stored_and_read(transformer).transform(X[:5]), transformer.transform(X[:5])
    )


@pytest.mark.parametrize(
    "classifier",
    [
        make_pipeline(GaussianSmoother(3), ConvNetClassifier(filters=2, **fast())),
        FeatureFusionClassifier(
            [("rgb", "passthrough"), ("spots", SpotFeatureExtractor())],
            backbone="convnet",
            filters=2,
            training_views=1,
            **fast(),
        ),
        KerasImageClassifier(
            build_convnet((16, 16, 3), 1, filters=2),
            **fast(
                loss=keras.losses.BinaryFocalCrossentropy(),
                optimizer=keras.optimizers.Adam(0.01),
                augmentation=[
                    "flip",
                    keras.layers.RandomContrast(0.1, value_range=(0, 1), seed=0),
                ],
            ),
        ),
    ],
    ids=lambda classifier: type(classifier).__name__,
)
def test_classifiers(classifier):
    classifier.fit(X, Y)
    np.testing.assert_array_equal(
        stored_and_read(classifier).predict_proba(X), classifier.predict_proba(X)
    )


@pytest.mark.filterwarnings("ignore:.*images of X do not look like single stained red")
@pytest.mark.filterwarnings("ignore:X differs from the images of fit")
def test_the_model_of_the_package():
    model = load_pretrained()
    images = list(X[:5])
    np.testing.assert_array_equal(
        stored_and_read(model).predict_proba(images), model.predict_proba(images)
    )
    test = stored_and_read(load_patient_test())
    assert test.specificity == load_patient_test().specificity
    adapted = stored_and_read(load_slide_adapter()).adapt([0.2, 0.9], ["a", "a"])
    np.testing.assert_array_equal(
        adapted, load_slide_adapter().adapt([0.2, 0.9], ["a", "a"])
    )


def test_the_guide(tmp_path, monkeypatch):
    page = Path(__file__).parents[1] / "docs/user_guide/saving.rst"
    block = page.read_text().split("    import skops.io\n")[1].split("\n\nGradient")[0]
    monkeypatch.chdir(tmp_path)
    given = {"skops": skops, "cells": SimpleNamespace(images=X)}
    exec(block.replace("\n    ", "\n"), given)
    np.testing.assert_array_equal(
        given["smoother"].transform(X), GaussianSmoother(5).fit_transform(X)
    )
