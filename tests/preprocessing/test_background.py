import pickle
import zipfile

import cv2
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from malariafuse.datasets import make_cell_images
from malariafuse.preprocessing import BackgroundMasker

PLASMA = {
    "warm": (236, 226, 214),
    "cold": (222, 226, 234),
    "dim": (190, 186, 176),
}


@pytest.fixture(scope="module")
def masked():
    return make_cell_images(40, 8, image_size=(64, 64), random_state=0).images


def add_plasma(images, plasma):
    """Return crops with plasma around the cell, and where the cells are."""
    rng = np.random.default_rng(0)
    margin = ((0, 0), (6, 6), (6, 6), (0, 0))
    images = np.pad(images, margin).astype(float)
    cells = images.max(axis=-1, keepdims=True) > 40
    uneven = np.linspace(0.97, 1.03, images.shape[2])[:, None]
    background = uneven * plasma + rng.normal(0, 2, images.shape)
    natural = np.where(cells, images * plasma / (236, 224, 214), background)
    return natural.clip(0, 255).astype(np.uint8), cells[..., 0]


def intersection_over_union(masks, others):
    return (masks & others).sum(axis=(1, 2)) / (masks | others).sum(axis=(1, 2))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_crops_on_black_stay_as_they_are(masked, dtype):
    images = masked if dtype == np.uint8 else (masked / 255).astype(dtype)
    result = BackgroundMasker().fit_transform(images)
    assert result.dtype == dtype
    assert result is not images
    np.testing.assert_array_equal(result, images)


@pytest.mark.parametrize("angle", [0.0, 0.8, 2.0])
def test_neighbors_that_touch_along_a_wide_line_are_cut_off(angle):
    # Disks of radius 20 whose centers are 33 apart share a line of
    # 2 * (20**2 - 16.5**2) ** 0.5 = 22.6 pixels, more than half of their diameter.
    crop = np.full((1, 56, 56, 3), PLASMA["warm"], dtype=np.uint8)
    y, x = np.mgrid[:56, :56]
    cell = np.hypot(y - 28, x - 28) <= 20
    neighbor = np.hypot(y - 28 - 33 * np.sin(angle), x - 28 - 33 * np.cos(angle)) <= 20
    crop[:, cell | neighbor] = 200, 140, 150
    found = BackgroundMasker().fit_transform(crop).max(axis=-1) > 0
    assert intersection_over_union(found, cell[None])[0] > 0.93


@pytest.mark.real_data
def test_nih_crops_stay_as_they_are(real_cells_zip):
    with zipfile.ZipFile(real_cells_zip) as archive:
        names = [name for name in archive.namelist() if name.endswith(".png")]
        for name in names[::50]:
            data = np.frombuffer(archive.read(name), dtype=np.uint8)
            image = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)[None]
            result = BackgroundMasker().fit_transform(image)
            np.testing.assert_array_equal(result, image, err_msg=name)


@pytest.mark.parametrize("plasma", PLASMA.values(), ids=PLASMA)
def test_plasma_turns_black_and_the_cell_stays(masked, plasma):
    natural, cells = add_plasma(masked, plasma)
    result = BackgroundMasker().fit_transform(natural)
    kept = result.any(axis=-1)
    overlap = intersection_over_union(kept, cells)
    assert overlap.min() > 0.85
    assert np.median(overlap) > 0.95
    np.testing.assert_array_equal(result[kept], natural[kept])


def test_bytes_and_floats_give_the_same_mask(masked):
    natural, _ = add_plasma(masked, PLASMA["warm"])
    expected = BackgroundMasker().fit_transform(natural)
    result = BackgroundMasker().fit_transform(natural / 255)
    assert result.dtype == np.float64
    np.testing.assert_array_equal(result, np.where(expected > 0, natural / 255, 0))


def test_a_second_time_changes_nothing(masked):
    natural, _ = add_plasma(masked, PLASMA["warm"])
    once = BackgroundMasker().fit_transform(natural)
    np.testing.assert_array_equal(BackgroundMasker().fit_transform(once), once)


def draw_disk(image, center, radius, color):
    y, x = np.ogrid[: image.shape[0], : image.shape[1]]
    image[np.hypot(y - center[0], x - center[1]) < radius] = color


def test_neighbors_go_and_a_pale_center_and_chromatin_stay():
    image = np.full((60, 60, 3), PLASMA["warm"], dtype=np.uint8)
    salmon = (205, 150, 150)
    draw_disk(image, (30, 30), 20, salmon)
    draw_disk(image, (30, 30), 7, PLASMA["warm"])
    draw_disk(image, (20, 38), 4, (130, 40, 130))
    cell = np.zeros((60, 60), dtype=bool)
    draw_disk(cell, (30, 30), 20, True)
    draw_disk(image, (0, 0), 15, salmon)
    draw_disk(image, (59, 59), 14, salmon)

    kept = BackgroundMasker().fit_transform(image[None])[0].any(axis=-1)
    assert intersection_over_union(kept[None], cell[None])[0] > 0.97
    assert not kept[:12, :12].any()


def test_black_bars_do_not_make_a_crop_count_as_masked(masked):
    natural, cells = add_plasma(masked[:4], PLASMA["warm"])
    bars = ((0, 0), (0, 0), (20, 20), (0, 0))
    result = BackgroundMasker().fit_transform(np.pad(natural, bars))
    kept = result.any(axis=-1)[:, :, 20:-20]
    assert intersection_over_union(kept, cells).min() > 0.85


EMPTY = {
    "plasma": np.full((30, 30, 3), 230),
    "noise": np.random.default_rng(0).normal(220, 2, (30, 30, 3)),
    "speck": np.where(np.hypot(*np.ogrid[-15:15, -15:15])[..., None] < 2, 90, 230),
    "pixel": np.full((1, 1, 3), 200),
}


@pytest.mark.parametrize("image", EMPTY.values(), ids=EMPTY)
def test_a_crop_without_a_cell_is_named_or_kept(image):
    image = np.broadcast_to(image, (*image.shape[:2], 3)).astype(np.uint8)
    images = np.stack([np.zeros_like(image), image])
    with pytest.raises(
        ValueError, match=r"in 1 of 2 image\(s\) of X, at index 1\. Inspect"
    ):
        BackgroundMasker().fit_transform(images)
    kept = BackgroundMasker(on_error="keep").fit_transform(images)
    np.testing.assert_array_equal(kept, images)


def test_bad_input_is_refused(masked):
    with pytest.raises(
        ValueError, match="on_error='skip': expected one of 'raise', 'k"
    ):
        BackgroundMasker(on_error="skip").fit(masked)
    with pytest.raises(NotFittedError):
        BackgroundMasker().transform(masked)
    masker = BackgroundMasker().fit(masked)
    with pytest.raises(ValueError, match="was fitted on images of shape"):
        masker.transform(masked[:, 1:])
    with pytest.raises(ValueError, match="expected 3 in the last"):
        masker.transform(masked[..., :1])


def test_is_a_scikit_learn_transformer(masked):
    masker = clone(BackgroundMasker(on_error="keep")).fit(masked)
    assert masker.get_params() == {"on_error": "keep"}
    assert "BackgroundMasker" in masker._repr_html_()
    again = pickle.loads(pickle.dumps(masker))
    np.testing.assert_array_equal(again.transform(masked), masked)
