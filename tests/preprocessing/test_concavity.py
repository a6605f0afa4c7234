import pickle

import cv2
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial import ConvexHull
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from malariafuse.datasets import make_cell_images
from malariafuse.preprocessing import ConcavityMarker

TEAL = (0, 128, 128)


@pytest.fixture(scope="module")
def images():
    return make_cell_images(12, 3, image_size=(48, 48), random_state=0).images


def disk(center, radius, size=40):
    y, x = np.ogrid[:size, :size]
    return np.hypot(y - center[0], x - center[1]) < radius


def colored(mask, color=(200, 140, 150)):
    return (mask[..., None] * np.array(color)).astype(np.uint8)


def mark(image):
    return ConcavityMarker().fit_transform(image[None])[0]


def painted(image):
    return (mark(image) != image).any(axis=-1)


def test_black_pixels_within_the_convex_hull_are_painted(images):
    n_painted = 0
    for image in images:
        mask = (image.max(axis=-1) > 10).astype(np.uint8)
        assert cv2.connectedComponents(mask)[0] == 2  # background and one cell
        hull = ConvexHull(np.argwhere(mask))
        places = np.argwhere(mask == 0)
        outside = (places @ hull.equations[:, :2].T + hull.equations[:, 2]).max(axis=1)
        result = mark(image)
        changed = (result != image).any(axis=-1)
        assert (result[changed] == TEAL).all()
        assert not changed[mask > 0].any()
        changed = changed[mask == 0]
        np.testing.assert_array_equal(changed, outside < 1e-6)
        n_painted += changed.sum()
    assert n_painted > 50


def test_a_bite_is_painted_and_a_convex_cell_is_not():
    whole, bite = disk((20, 20), 15), disk((6, 20), 6)
    missing = whole & bite
    # But for the flat cap beyond the chord over the bite.
    assert painted(colored(whole & ~bite))[missing].mean() > 0.6
    square = np.zeros((40, 40), dtype=bool)
    square[5:30, 5:30] = True
    assert not painted(colored(square)).any()


def test_holes_debris_and_the_rest_of_the_background_stay_black():
    cell = disk((20, 20), 15) & ~disk((6, 20), 6)
    hole, debris = disk((24, 20), 3), disk((8, 20), 2)
    image = colored(cell & ~hole) + colored(debris, (90, 30, 110))
    changed = painted(image)
    assert changed.any()
    assert not changed[hole | debris].any()
    assert not changed[:3].any()


@pytest.mark.parametrize("value", [0, 10, 200])
def test_without_a_cell_on_black_nothing_is_painted(value):
    image = np.full((20, 20, 3), value, dtype=np.uint8)
    assert not painted(image).any()
    speck = np.zeros_like(image)
    speck[2:5, 2:5] = speck[2:4, 5:9] = 200  # fewer than 30 pixels, not convex
    assert not painted(speck).any()


@given(arrays(bool, (9, 9)), st.integers(0, 3))
def test_turned_images_are_painted_alike(mask, turns):
    image = colored(np.kron(mask, np.ones((4, 4))) > 0)
    outlines, _ = cv2.findContours(
        image[..., 0], cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    areas = sorted(map(cv2.contourArea, outlines))
    assume(areas[-2:-1] != areas[-1:])  # else the cell may be either
    turned = np.rot90(painted(image), turns)
    np.testing.assert_array_equal(painted(np.rot90(image, turns).copy()), turned)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_bytes_and_floats_are_painted_alike(images, dtype):
    expected = ConcavityMarker().fit_transform(images)
    assert (expected != images).any()
    given_images = (images / 255).astype(dtype)
    before = given_images.copy()
    result = ConcavityMarker().fit_transform(given_images)
    assert result.dtype == dtype
    np.testing.assert_allclose(result, expected / 255, atol=1e-3)
    np.testing.assert_array_equal(given_images, before)


def test_bad_input_is_refused(images):
    with pytest.raises(NotFittedError):
        ConcavityMarker().transform(images)
    marker = ConcavityMarker().fit(images)
    with pytest.raises(ValueError, match="was fitted on images of shape"):
        marker.transform(images[:, 1:])
    with pytest.raises(ValueError, match="expected 3 in the last"):
        marker.transform(images[..., :1])


def test_is_a_scikit_learn_transformer(images):
    marker = clone(ConcavityMarker()).fit(images)
    assert marker.get_params() == {}
    assert "ConcavityMarker" in marker._repr_html_()
    again = pickle.loads(pickle.dumps(marker))
    np.testing.assert_array_equal(again.transform(images), marker.transform(images))
