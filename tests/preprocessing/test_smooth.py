import pickle

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.ndimage import correlate1d
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from malariafuse.preprocessing import GaussianSmoother


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (70, 17, 13, 3), dtype=np.uint8)


def smooth_by_scipy(images, weights):
    weights = np.asarray(weights, dtype=float) / np.sum(weights)
    rows = correlate1d(images.astype(float), weights, axis=1, mode="mirror")
    return correlate1d(rows, weights, axis=2, mode="mirror")


def gaussian(kernel_size, sigma):
    offset = np.arange(kernel_size) - kernel_size // 2
    return np.exp(-(offset**2) / (2 * sigma**2))


@pytest.mark.parametrize(
    ("params", "weights"),
    [
        ({}, [1, 4, 6, 4, 1]),
        ({"kernel_size": 1}, [1]),
        ({"kernel_size": 3}, [1, 2, 1]),
        ({"kernel_size": 13}, gaussian(13, 0.3 * ((13 - 1) * 0.5 - 1) + 0.8)),
        ({"kernel_size": 7, "sigma": 2.5}, gaussian(7, 2.5)),
    ],
    ids=str,
)
def test_agrees_with_scipy(images, params, weights):
    expected = smooth_by_scipy(images, weights)
    smoothed = GaussianSmoother(**params).fit_transform(images)
    assert smoothed.dtype == np.uint8
    np.testing.assert_allclose(smoothed, expected, atol=0.501)
    for dtype in (np.float32, np.float64):
        smoothed = GaussianSmoother(**params).fit_transform(
            (images / 255).astype(dtype)
        )
        assert smoothed.dtype == dtype
        np.testing.assert_allclose(smoothed, expected / 255, atol=1e-6)


def is_taken(images):
    """Return whether these may be images: not black, and not channels first."""
    _, height, width, channels = images.shape
    first = height in (1, 3, 4) and width > 4 and channels > 4
    in_the_middle = width in (1, 3, 4) and height > 4 and channels > 4
    bright = images.max(axis=(1, 2, 3)).min() > 1
    return bright and not first and not in_the_middle


@given(
    arrays(np.uint8, array_shapes(min_dims=4, max_dims=4, max_side=9)).filter(is_taken),
    st.sampled_from([1, 3, 5, 7, 11]),
)
def test_every_image_is_smoothed_by_itself(images, kernel_size):
    smoother = GaussianSmoother(kernel_size).fit(images)
    together = smoother.transform(images)
    for image, smoothed in zip(images, together, strict=True):
        np.testing.assert_array_equal(smoother.transform(image[None])[0], smoothed)
    weights = {
        1: [1],
        3: [1, 2, 1],
        5: [1, 4, 6, 4, 1],
        7: [4, 14, 28, 36, 28, 14, 4],
        11: gaussian(11, 2.0),
    }[kernel_size]
    np.testing.assert_allclose(together, smooth_by_scipy(images, weights), atol=0.501)


@given(st.integers(2, 255), st.sampled_from([1, 3, 5, 9, 15]))
def test_an_image_of_one_color_stays_as_it_is(level, kernel_size):
    images = np.full((2, 6, 5, 3), level, dtype=np.uint8)
    smoothed = GaussianSmoother(kernel_size).fit_transform(images)
    np.testing.assert_array_equal(smoothed, images)


@pytest.mark.parametrize(("kernel_size", "steps"), [(5, 1), (7, 1), (13, 2)])
def test_is_close_to_the_blur_of_opencv(images, kernel_size, steps):
    smoothed = GaussianSmoother(kernel_size).fit_transform(images).astype(int)
    size = (kernel_size, kernel_size)
    blurred = np.array([cv2.GaussianBlur(image, size, 0) for image in images])
    assert np.abs(smoothed - blurred).max() <= steps


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kernel_size", [9, 11, 13, 15, 21])
def test_floats_stay_in_their_range(kernel_size, dtype):
    images = np.ones((2, 6, 5, 3), dtype=dtype)
    smoothed = GaussianSmoother(kernel_size).fit_transform(images)
    np.testing.assert_allclose(smoothed, 1, atol=1e-6)
    assert smoothed.max() <= 1


def test_half_precision_gives_single_precision(images):
    half = (images / 255).astype(np.float16)
    assert GaussianSmoother().fit_transform(half).dtype == np.float32


def test_images_that_are_not_contiguous_and_input_that_stays_as_it_was(images):
    before = images.copy()
    smoother = GaussianSmoother().fit(images)
    flipped = images[:, ::-1, ::-1]
    np.testing.assert_array_equal(
        smoother.transform(flipped), smoother.transform(flipped.copy())
    )
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("kernel_size", [0, -3, 4, 2.5, "5", (5, 5), True])
def test_a_kernel_without_a_center_is_refused(images, kernel_size):
    with pytest.raises(
        ValueError, match=r"kernel_size=.*odd integer from 1 to 999, so"
    ):
        GaussianSmoother(kernel_size).fit(images)


@pytest.mark.parametrize("sigma", [0, -1.0, np.inf, np.nan, "1", True])
def test_a_sigma_that_is_no_width_is_refused(images, sigma):
    with pytest.raises(ValueError, match=r"sigma=.*expected None or a number abo"):
        GaussianSmoother(sigma=sigma).fit(images)


def test_bad_input_is_refused(images):
    with pytest.raises(NotFittedError):
        GaussianSmoother().transform(images)
    smoother = GaussianSmoother().fit(images)
    with pytest.raises(ValueError, match="was fitted on images of shape"):
        smoother.transform(images[:, :4])
    with pytest.raises(ValueError, match="expected 4 dimensions"):
        smoother.transform(images[0])
    with pytest.raises(ValueError, match=r"expected values in \[0, 1\]"):
        smoother.transform(images.astype(float))


def test_is_a_scikit_learn_transformer(images):
    smoother = clone(GaussianSmoother(3, sigma=1.0)).fit(images)
    assert smoother.get_params() == {"kernel_size": 3, "sigma": 1.0}
    assert "GaussianSmoother" in smoother._repr_html_()
    again = pickle.loads(pickle.dumps(smoother))
    np.testing.assert_array_equal(again.transform(images), smoother.transform(images))


def test_many_images_are_smoothed_by_threads_one_by_one():
    images = np.random.default_rng(0).integers(0, 256, (1200, 6, 6, 3), dtype=np.uint8)
    smoother = GaussianSmoother().fit(images)
    expected = np.concatenate(
        [smoother.transform(images[i : i + 1]) for i in range(1200)]
    )
    np.testing.assert_array_equal(smoother.transform(images), expected)
