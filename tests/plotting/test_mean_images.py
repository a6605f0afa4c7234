import numpy as np
import pytest
from support import dark_spots

from malariafuse.plotting import MeanImageDisplay, _mean_images

X, y, _ = dark_spots()


@pytest.mark.parametrize("block_bytes", [1, 2**25])
@pytest.mark.parametrize("scale", [1, 255])
def test_moments_do_not_depend_on_blocks_or_dtype(block_bytes, scale, monkeypatch):
    monkeypatch.setattr(_mean_images, "_BLOCK_BYTES", block_bytes)
    display = MeanImageDisplay.from_images(X if scale == 1 else X / 255, y)
    for label in (0, 1):
        unit = X[y == label] / 255
        np.testing.assert_allclose(display.means[label], unit.mean(axis=0))
        np.testing.assert_allclose(
            display.standard_deviations[label], unit.std(axis=0), atol=1e-9
        )


def test_a_memory_map_is_read_block_by_block(tmp_path, monkeypatch):
    np.save(tmp_path / "images.npy", X)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    monkeypatch.setattr(_mean_images, "_BLOCK_BYTES", 8 * 5 * X[0].size)
    np.testing.assert_array_equal(
        MeanImageDisplay.from_images(mapped, y).means,
        MeanImageDisplay.from_images(X, y).means,
    )


def test_difference_of_two_classes():
    display = MeanImageDisplay.from_images(X, y)
    means, spreads = (row[2].images[0] for row in display.axes_)
    np.testing.assert_allclose(
        means.get_array(), (display.means[1] - display.means[0]).mean(axis=-1)
    )
    # The spot in the middle of parasitized cells is dark.
    assert means.get_array()[8, 8] < -0.3
    for image in (means, spreads):
        low, high = image.get_clim()
        assert low == -high  # so that no difference is white
    assert display.axes_[0, 2].get_title() == "parasitized\nminus uninfected"


def test_three_classes_have_no_difference():
    display = MeanImageDisplay.from_images(X, np.arange(48) % 3)
    assert display.axes_.shape == (2, 3)
    np.testing.assert_allclose(
        display.axes_[0, 2].images[0].get_array(), display.means[2]
    )


@pytest.mark.parametrize("scale", [1, 255])
def test_grey_means_are_drawn_on_one_scale(scale):
    gray = X[..., :1] if scale == 1 else X[..., :1] / 255
    display = MeanImageDisplay.from_images(gray, y)
    for axes in display.axes_[0, :2]:
        assert axes.images[0].get_clim() == (0, 1)


def test_one_value_only_has_no_spread():
    constant = np.full((4, 8, 8, 3), 7, dtype=np.uint8)
    display = MeanImageDisplay.from_images(constant, [0, 0, 1, 1])
    assert not display.standard_deviations.any()
