"""Images far from those of training are predicted with a warning."""

import warnings

import numpy as np
import pytest
from support import dark_spots, fast, linear_network

from malariafuse import KerasImageClassifier

X, Y, _ = dark_spots()


@pytest.fixture(scope="module")
def classifier():
    return KerasImageClassifier(linear_network, **fast(epochs=1)).fit(X, Y)


@pytest.mark.parametrize(
    "images",
    [X, X[:1], X[:5] / 255, X[:, ::-1], (X * 0.9).astype(np.uint8)],
    ids=["all", "one", "floating", "turned", "a little darker"],
)
def test_images_like_those_of_fit_pass(classifier, images):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        classifier.predict(images)


@pytest.mark.parametrize(
    ("images", "what"),
    [
        (X / 255 / 10, r"mean of channel 0 0\.0\d, in fit .*brightest value 0\.10"),
        (X * np.array([1, 1, 0.2]) / 255, r"\(median .* white is 1: mean of channel 2"),
        (np.full_like(X, 255), "darkest value 1.00"),
        (np.zeros_like(X[:1]), "brightest value 0.00"),
    ],
    ids=["divided again", "another color", "white", "black"],
)
def test_other_images_are_named(classifier, images, what):
    with pytest.warns(UserWarning, match=f"X differs from the images of fit.*{what}"):
        classifier.predict_proba(images)


def test_a_few_odd_images_pass(classifier):
    images = X.copy()
    images[:5] = 255
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        classifier.predict(images)


def test_after_partial_fit_the_images_of_every_call_are_known():
    continued = KerasImageClassifier(linear_network, **fast(epochs=1))
    for label in (0, 1):
        continued.partial_fit(X[label == Y], Y[label == Y], classes=[0, 1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        continued.predict(X[Y == 0])
        continued.predict(X[Y == 1])


def test_the_range_counts_channels_and_extremes_by_hand():
    from malariafuse.classifiers._familiar import ImageRange

    # Two images of 1 x 2 pixels: means .1 and .3 of one channel, darkest 0 and .2.
    images = np.array([[[[0.0], [0.2]]], [[[0.2], [0.4]]]])
    seen = ImageRange.of(images)
    np.testing.assert_allclose(seen.low, [0.102, 0.002, 0.202])
    np.testing.assert_allclose(seen.high, [0.298, 0.198, 0.398])
