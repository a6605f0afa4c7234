"""Masks that other segmentations would have made, on cells drawn as disks."""

import numpy as np
import pytest
from _masks import (
    PLASMA,
    PLASMA_NOISE,
    dilated,
    ellipse_like,
    elliptic,
    eroded,
    masks_of,
    natural,
)

COLOR = np.array([200, 120, 150])
SHAPES = pytest.mark.parametrize(
    "function",
    [
        lambda images, random: eroded(images, 1 / 64),
        lambda images, random: dilated(images, 1 / 64, random),
        elliptic,
        natural,
    ],
    ids=["eroded", "dilated", "elliptic", "natural"],
)


@pytest.fixture
def random():
    return np.random.default_rng(0)


def disk(size, radius, middle=None):
    middle = ((size - 1) / 2,) * 2 if middle is None else middle
    rows, columns = np.indices((size, size))
    return np.hypot(rows - middle[0], columns - middle[1]) <= radius


def cells(*masks):
    return np.array([mask[..., None] * COLOR for mask in masks]).astype(np.uint8)


@SHAPES
def test_shape_and_dtype_stay_and_the_input_too(function, random):
    images = cells(disk(48, 20), disk(48, 12))
    before = images.copy()
    result = function(images, random)
    assert result.shape == images.shape
    assert result.dtype == np.uint8
    assert (images == before).all()
    assert (result != images).any()


@SHAPES
def test_an_image_without_a_cell_stays_black(function, random):
    assert not function(np.zeros((1, 16, 16, 3), dtype=np.uint8), random).any()


def test_erosion_takes_a_share_of_the_diameter_off_the_radius():
    images = cells(disk(97, 40))
    # The diameter is 80 pixels, and 5 % of it are 4.
    lit = masks_of(eroded(images, 0.05))[0]
    assert lit.sum() == pytest.approx(np.pi * 36**2, rel=0.02)
    assert (lit <= disk(97, 40)).all()


def test_a_cell_that_is_cut_by_the_frame_is_eroded_there_too():
    images = cells(np.ones((20, 20), dtype=bool))
    # The disk of 400 pixels is 2 * sqrt(400 / pi) = 22.6 wide, and a tenth is 2.3.
    lit = masks_of(eroded(images, 0.1))[0]
    assert lit[2:18, 2:18].all()
    assert lit.sum() == 16**2


def test_dilation_adds_plasma_by_a_share_of_the_diameter(random):
    images = cells(disk(97, 40))
    result = dilated(images, 0.05, random)
    lit = masks_of(result)[0]
    assert lit.sum() == pytest.approx(np.pi * 44**2, rel=0.02)
    gained = lit & ~disk(97, 40)
    expected = COLOR * PLASMA
    # Light of 220, 180 and 162, each pixel with a noise of 1.5.
    assert result[0][gained].mean(axis=0) == pytest.approx(expected, abs=0.3)
    assert result[0][gained].std(axis=0) == pytest.approx(PLASMA_NOISE, abs=0.3)
    assert (result[0][disk(97, 40)] == COLOR).all()


def test_plasma_is_no_brighter_than_white(random):
    bright = np.where(disk(33, 12)[None, ..., None], 250, 0).astype(np.uint8)
    bright = np.repeat(bright, 3, axis=-1)
    # 250 * 1.1, 1.5 and 1.08 are more than 255.
    assert (natural(bright, random)[0, 0, 0] == 255).all()


def test_a_natural_background_has_no_black(random):
    result = natural(cells(disk(48, 20)), random)
    assert result.min() > 100


def test_an_ellipse_keeps_center_area_and_axes():
    rows, columns = np.indices((81, 81)) - 40
    mask = (rows / 30) ** 2 + (columns / 15) ** 2 <= 1
    assert np.mean(ellipse_like(mask) ^ mask) < 0.005


def test_the_ellipse_of_a_notched_disk_closes_the_notch(random):
    notched = disk(97, 40) & ~disk(97, 8, (48, 86))
    result = elliptic(cells(notched), random)
    # The middle of the notch, 38 right of the center, shows plasma.
    assert result[0, 48, 85] == pytest.approx(COLOR * PLASMA, abs=6)
    assert masks_of(result)[0].sum() == pytest.approx(notched.sum(), rel=0.01)
