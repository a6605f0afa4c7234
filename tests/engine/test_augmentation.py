"""Layers that would destroy images are refused before the training."""

import keras
import numpy as np
import pytest

from malariafuse._engine._augmentation import augmented, check_augmentation
from malariafuse.datasets import make_cell_images

IMAGES = make_cell_images(16, 4, image_size=(24, 24), random_state=0).images
layers = keras.layers


@keras.saving.register_keras_serializable("tests")
class Fails(layers.Layer):
    def call(self, images, training=False):
        raise RuntimeError("not today")


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (layers.RandomBrightness(0.2), r"value_range=\(0, 255\).*pass value_range="),
        (
            layers.Pipeline([layers.RandomBrightness(0.2)]),
            r"RandomBrightness with value_range=\(0, 255\)",
        ),
        (layers.Rescaling(1 / 255), "preserves .*% of the contrast"),
        (layers.Rescaling(255), r"whose output is in \[0, 2\d\d\]"),
        (layers.RandomCrop(8, 8), "expected a layer that preserves the shape"),
        (
            Fails(),
            r"(?s)a Fails that fails on images of shape \(24, 24, 3\).*not today",
        ),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_refused(layer, message):
    with pytest.raises(ValueError, match=message):
        check_augmentation([layer], IMAGES)


@pytest.mark.parametrize(
    "name", ["RandomColorJitter", "RandomContrast", "MixUp", "CutMix", "RandomShear"]
)
def test_refused_where_keras_has_them(name):
    kind = getattr(layers, name, None)
    if kind is None:
        pytest.skip(f"Keras {keras.__version__} has no {name}")
    layer = {
        "RandomContrast": lambda: kind(0.2),
        "RandomShear": lambda: kind(0.2, 0.2),
    }.get(name, kind)()
    if name == "RandomContrast" and not hasattr(layer, "value_range"):
        pytest.skip("this version does not clip")
    with pytest.raises(ValueError, match=name):
        check_augmentation([layer], IMAGES)


@pytest.mark.parametrize(
    "layer",
    [
        "flip",
        layers.RandomBrightness(0.2, value_range=(0, 1)),
        layers.RandomTranslation(0.1, 0.1, fill_mode="constant"),
        layers.RandomZoom(0.1),
        layers.GaussianNoise(0.05),
    ],
    ids=lambda layer: getattr(layer, "name", layer),
)
def test_taken(layer):
    check_augmentation([layer], IMAGES)


def test_images_without_contrast_cannot_lose_any():
    check_augmentation([layers.RandomZoom(0.1)], np.zeros_like(IMAGES))


def test_the_trial_draws_nothing_from_the_layer_that_is_given():
    layer = layers.GaussianNoise(0.1, seed=3)
    before = np.array(layer.seed_generator.state)
    check_augmentation([layer], IMAGES)
    np.testing.assert_array_equal(layer.seed_generator.state, before)


def test_without_layers_images_stay_as_they_are():
    assert augmented(IMAGES, ()) is IMAGES
