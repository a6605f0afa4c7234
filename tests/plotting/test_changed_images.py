"""Channels, smoothing and augmentation."""

import keras
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from support import dark_spots, linear_network

from malariafuse import GaussianSmoother, HSVConverter, KerasImageClassifier
from malariafuse.plotting import AugmentationDisplay, ChannelsDisplay

X = dark_spots()[0][:3]


def columns(display):
    return [
        np.stack([axes.images[0].get_array() for axes in column])
        for column in display.axes_.T
    ]


@pytest.mark.parametrize("images", [X, (X / 255).astype(np.float32)])
def test_channels(images):
    rgb, smooth, hue, saturation, value = columns(
        ChannelsDisplay.from_images(images, kernel_size=3)
    )
    np.testing.assert_array_equal(rgb, images)
    expected = GaussianSmoother(3).fit_transform(images)
    np.testing.assert_array_equal(smooth, expected)
    if images.dtype == np.uint8:
        expected = (expected / 255).astype(np.float32)
    hsv = HSVConverter().fit_transform(expected)
    np.testing.assert_allclose(np.stack([hue, saturation, value], -1), hsv, atol=1e-6)


def test_hue_is_drawn_as_a_circle():
    display = ChannelsDisplay.from_images(X)
    hue = display.axes_[0, 2].images[0]
    assert hue.get_clim() == (0, 1)
    ends = hue.cmap([0.0, 1.0])
    np.testing.assert_allclose(ends[0], ends[1], atol=0.05)


def test_channels_need_three():
    with pytest.raises(ValueError, match=r"X has 1 channel\(s\), expected 3"):
        ChannelsDisplay.from_images(X[..., :1])


def changed(random_state=0, augmentation=("flip", "quarter_turn")):
    return AugmentationDisplay.from_estimator(
        KerasImageClassifier(linear_network, augmentation=augmentation),
        X,
        n_changes=4,
        random_state=random_state,
    )


def test_augmentation_of_a_classifier():
    display = changed()
    original, *changes = columns(display)
    np.testing.assert_array_equal(original, X)
    np.testing.assert_array_equal(changes, display.augmented)
    # Flips and turns move pixels and change none.
    np.testing.assert_allclose(
        display.augmented.sum(axis=(2, 3)),
        np.broadcast_to(X.sum(axis=(1, 2)) / 255, (4, 3, 3)),
        rtol=1e-5,
    )
    assert any(not np.allclose(change, X / 255) for change in changes)


def test_an_integer_draws_the_same_changes_again():
    np.testing.assert_array_equal(changed(3).augmented, changed(3).augmented)
    assert not np.array_equal(changed(3).augmented, changed(4).augmented)


def test_layers_of_ones_own():
    brighter = keras.layers.Rescaling(0.5)
    np.testing.assert_allclose(
        changed(augmentation=[brighter]).augmented[0], X / 510, rtol=1e-5
    )


def test_without_augmentation_there_is_nothing_to_show():
    with pytest.raises(ValueError, match="augmentation=None: expected an augmentation"):
        changed(augmentation=None)


def test_other_estimators_are_refused():
    with pytest.raises(TypeError, match="LogisticRegression without the parameter"):
        AugmentationDisplay.from_estimator(LogisticRegression(), X)
