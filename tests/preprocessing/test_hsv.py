import colorsys
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from malariafuse.preprocessing import GaussianSmoother, HSVConverter


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (3, 5, 4, 3), dtype=np.uint8)


def to_hsv(rgb):
    """HSV of RGB pixels in 0..1 by the standard library, all channels in 0..1."""
    return np.array([colorsys.rgb_to_hsv(*pixel) for pixel in rgb.reshape(-1, 3)])


def distance_on_circle(a, b, circumference):
    difference = np.abs(a - b) % circumference
    return np.minimum(difference, circumference - difference)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_agree_with_colorsys(images, dtype):
    rgb = (images / 255).astype(dtype)
    hsv = HSVConverter().fit_transform(rgb)
    assert hsv.dtype == np.float32
    expected = to_hsv(rgb.astype(np.float64)).reshape(rgb.shape)
    assert distance_on_circle(hsv[..., 0], expected[..., 0], 1).max() < 1e-5
    np.testing.assert_allclose(hsv[..., 1:], expected[..., 1:], atol=1e-5)


def test_bytes_agree_with_colorsys_over_the_full_range(images):
    hsv = HSVConverter().fit_transform(images).reshape(-1, 3).astype(float)
    expected = to_hsv(images / 255)
    # OpenCV divides by means of rounded tables, hence a bit more than half a step.
    assert distance_on_circle(hsv[:, 0], 256 * expected[:, 0], 256).max() <= 0.65
    np.testing.assert_allclose(hsv[:, 1], 255 * expected[:, 1], atol=0.53)
    np.testing.assert_array_equal(hsv[:, 2], images.reshape(-1, 3).max(axis=1))


def test_bytes_and_floats_agree(images):
    from_bytes = HSVConverter().fit_transform(images) / 255
    from_floats = HSVConverter().fit_transform(images / 255)
    assert distance_on_circle(from_bytes, from_floats, 1).max() < 0.006


@given(arrays(np.uint8, (1, 2, 3, 3)).filter(lambda rgb: rgb.max() > 1))
def test_round_trip_of_bytes_is_within_rounding(rgb):
    converter = HSVConverter().fit(rgb)
    back = converter.inverse_transform(converter.transform(rgb))
    assert back.dtype == np.uint8
    assert np.abs(back.astype(int) - rgb).max() <= 4


@given(
    arrays(np.float32, (1, 2, 3, 3), elements=st.floats(0, 1, width=32)).filter(
        lambda rgb: rgb.max() > 0.01
    )
)
def test_round_trip_of_floats_is_exact(rgb):
    converter = HSVConverter().fit(rgb)
    hsv = converter.transform(rgb)
    assert hsv.min() >= 0
    assert hsv.max() <= 1
    np.testing.assert_allclose(converter.inverse_transform(hsv), rgb, atol=1e-5)


def test_many_images_give_the_same_as_one_by_one():
    images = np.random.default_rng(0).random((40, 64, 64, 3), dtype=np.float32)
    converter = HSVConverter().fit(images)
    one_by_one = [converter.transform(image[None])[0] for image in images]
    np.testing.assert_array_equal(converter.transform(images), one_by_one)


def test_images_that_are_not_contiguous_and_input_that_stays_as_it_was(images):
    before = images.copy()
    flipped = HSVConverter().fit_transform(images[:, ::-1, ::-1])
    np.testing.assert_array_equal(
        flipped, HSVConverter().fit_transform(before)[:, ::-1, ::-1]
    )
    np.testing.assert_array_equal(images, before)


def test_smoothing_after_the_conversion_invents_hues():
    red = np.zeros((1, 1, 8, 3), dtype=np.uint8)
    red[..., 0] = 200
    red[..., ::2, 1] = 10  # a little toward yellow
    red[..., 1::2, 2] = 10  # a little toward purple
    first, last = HSVConverter(), GaussianSmoother(3)
    hue_smoothed_last = make_pipeline(first, last).fit_transform(red)[..., 0]
    hue_smoothed_first = make_pipeline(clone(last), clone(first)).fit_transform(red)[
        ..., 0
    ]
    assert distance_on_circle(hue_smoothed_last.astype(int), 0, 256).min() > 100
    assert distance_on_circle(hue_smoothed_first.astype(int), 0, 256).max() < 3


def test_is_a_scikit_learn_transformer(images):
    converter = HSVConverter().fit(images)
    assert converter.image_shape_ == (5, 4, 3)
    assert "HSVConverter" in converter._repr_html_()
    again = pickle.loads(pickle.dumps(converter))
    np.testing.assert_array_equal(again.transform(images), converter.transform(images))


@pytest.mark.parametrize("method", ["transform", "inverse_transform"])
def test_bad_input_is_refused(images, method):
    with pytest.raises(NotFittedError):
        getattr(HSVConverter(), method)(images)
    convert = getattr(HSVConverter().fit(images), method)
    with pytest.raises(ValueError, match="was fitted on images of shape"):
        convert(images[:, :4])
    with pytest.raises(ValueError, match="expected 3 in the last"):
        convert(images[..., :1])
    with pytest.raises(ValueError, match=r"expected values in \[0, 1\]"):
        convert(images.astype(float))
