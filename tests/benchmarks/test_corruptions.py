"""Corruptions of cells on black."""

import numpy as np
import pytest
from _corruptions import KINDS, corrupted, scaled

COLOR = np.array([200, 100, 150])


@pytest.fixture
def random():
    return np.random.default_rng(0)


@pytest.fixture
def inside():
    rows, columns = np.indices((64, 64)) - 31.5
    return np.hypot(rows, columns) <= 28


@pytest.fixture
def images(inside):
    return (inside[None, ..., None] * COLOR).astype(np.uint8)


@pytest.mark.parametrize("kind", KINDS)
def test_black_stays_black_and_the_cell_changes(kind, images, inside, random):
    before = images.copy()
    result = corrupted(images, kind, 3, random)
    assert (images == before).all()
    assert result.shape == images.shape
    assert result.dtype == np.uint8
    assert (result != images).any()
    if kind != "tight":
        assert not result[0][~inside].any()


@pytest.mark.parametrize("kind", KINDS)
def test_each_severity_changes_more(kind, images, inside, random):
    # A cell with a spot: flat colors hide what blur does inside.
    images[0, 20:24, 20:24] //= 2

    def change(severity):
        result = corrupted(images, kind, severity, np.random.default_rng(0))
        return np.abs(result.astype(float) - images).mean()

    assert change(1) < change(3) < change(5)


def test_noise_has_the_deviation_of_the_severity(inside, random):
    gray = np.repeat(inside[None, ..., None] * np.uint8(128), 3, axis=-1)
    noise = corrupted(gray, "noise", 1, random)[0][inside] - 128.0
    # .08 of 255 is 20.4.
    assert noise.std() == pytest.approx(20.4, rel=0.03)


def test_brightness_is_added_to_the_value_and_hue_stays(images, random):
    # The value is 200, and .1 of 255 is 25.5: all channels grow by 225.5 / 200.
    result = corrupted(images, "brightness", 1, random)[0, 32, 32]
    assert result == pytest.approx(COLOR * 225.5 / 200, abs=0.5)
    result = corrupted(images, "darkness", 1, random)[0, 32, 32]
    assert result == pytest.approx(COLOR * 174.5 / 200, abs=0.5)


def test_a_warm_lamp_has_more_red_and_less_blue(images, random):
    # 1.05 cubed is 1.157625.
    warm = corrupted(images, "warm", 3, random)[0, 32, 32]
    assert warm == pytest.approx([231.525, 100, 129.576], abs=0.5)
    cool = corrupted(images, "cool", 3, random)[0, 32, 32]
    assert cool == pytest.approx([172.768, 100, 173.644], abs=0.5)


def test_blur_mixes_the_rim_with_plasma(images, inside, random):
    rim = inside & ~np.roll(inside, 1, axis=0)
    # Green is 1.5 times as bright in plasma as in the cell, which black is not.
    assert corrupted(images, "blur", 3, random)[0][rim][:, 1].min() >= 100


def test_jpeg_keeps_the_order_of_channels(images, random):
    result = corrupted(images, "jpeg", 1, random)[0, 32, 32].astype(int)
    assert result == pytest.approx(COLOR, abs=12)


def test_scaling_changes_the_area_by_the_square(images, inside):
    lit = scaled(images, 0.75)[0].max(axis=-1) > 75
    assert lit.sum() == pytest.approx(0.75**2 * inside.sum(), rel=0.02)
    rows, columns = np.nonzero(lit)
    # The middle of 64 pixels is 31.5.
    assert (rows.mean(), columns.mean()) == pytest.approx((31.5, 31.5), abs=0.1)
