"""How cells are cut out, framed, focused and stored, at random."""

import io

import numpy as np
import pytest
from PIL import Image

from malariafuse.networks import (
    RandomBackground,
    RandomBlur,
    RandomCropJitter,
    RandomJPEG,
    RandomMaskJitter,
)

N = 64
# A square cell of 20 x 20 pixels on black, red 0.6, green 0.4 and blue 0.5.
CELL = np.zeros((N, 40, 40, 3), dtype="float32")
CELL[:, 10:30, 10:30] = 0.6, 0.4, 0.5


def changed(layer, images=CELL):
    return np.asarray(layer(images, training=True))


class TestMask:
    def test_the_outline_moves_by_no_more_than_the_width(self):
        # 0.05 of 40 pixels are 2 pixels, which end within the third.
        moved = changed(RandomMaskJitter(0.05, seed=0))
        np.testing.assert_allclose(moved[:, 13:27, 13:27], CELL[:, 13:27, 13:27])
        outside = moved.copy()
        outside[:, 7:33, 7:33] = 0
        assert not outside.any()

    def test_it_moves_inward_and_outward_and_not_evenly(self):
        areas = (changed(RandomMaskJitter(0.05, seed=0)).max(axis=-1) > 0.1).sum((1, 2))
        assert areas.min() < 20 * 20 - 20
        assert areas.max() > 20 * 20 + 20
        left = (changed(RandomMaskJitter(0.05, seed=0)).max(axis=-1) > 0.1)[:, 20, :20]
        right = (changed(RandomMaskJitter(0.05, seed=0)).max(axis=-1) > 0.1)[:, 20, 20:]
        assert (left.sum(1) != right.sum(1)).any()

    def test_beyond_the_outline_is_the_color_of_the_cell_or_brighter(self):
        moved = changed(RandomMaskJitter(0.05, seed=0))
        # The row of pixels next to the outline, where it moved past them.
        past = moved[:, 9, 15:25][moved[:, 8, 15:25].min(axis=-1) > 0.1]
        assert len(past) > 10
        assert (past >= np.float32([0.6, 0.4, 0.5]) - 1e-5).all()
        # Plasma in red, green and blue is at most 1.43, 1.8 and 1.48 times as bright.
        assert (past <= np.float32([0.6 * 1.43, 0.4 * 1.8, 0.5 * 1.48]) + 1e-5).all()

    def test_a_width_of_0_changes_nothing(self):
        np.testing.assert_array_equal(changed(RandomMaskJitter(0)), CELL)


class TestBackground:
    def test_plasma_is_brighter_than_the_cell_by_factors_of_photographs(self):
        filled = changed(RandomBackground(1, noise=0, seed=0))
        np.testing.assert_array_equal(filled[:, 10:30, 10:30], CELL[:, 10:30, 10:30])
        ratios = filled[:, 0, 0] / np.float32([0.6, 0.4, 0.5])
        assert (ratios >= np.float32([1.05, 1.36, 1.05]) - 1e-5).all()
        assert (ratios <= np.float32([1.43, 1.8, 1.48]) + 1e-5).all()
        assert len(np.unique(ratios[:, 0])) == N

    def test_some_images_stay_on_black(self):
        black = (changed(RandomBackground(0.25, seed=0))[:, 0, 0] == 0).all(axis=1)
        # 48 of 64 on average, give or take (64 * 0.25 * 0.75) ** 0.5 = 3.5.
        assert 38 <= black.sum() <= 58

    def test_half_covered_pixels_are_filled_up(self):
        images = CELL.copy()
        images[:, 9, 10:30] = CELL[:, 10, 10:30] / 2
        filled = changed(RandomBackground(1, noise=0, seed=0), images)
        expected = (filled[:, 0, 0] + CELL[:, 20, 20]) / 2
        np.testing.assert_allclose(filled[:, 9, 20], expected, rtol=0.05)


class TestCrop:
    def test_scale(self):
        sides = (changed(RandomCropJitter(0.3, offset=0, seed=0)) > 0.2)[:, 20, :, 0]
        sides = sides.sum(axis=1)
        # 20 pixels times 0.7 to 1.3.
        assert 14 <= sides.min() < 17
        assert 23 < sides.max() <= 27

    def test_offset(self):
        rows = (changed(RandomCropJitter(0, offset=0.1, seed=0)) > 0.2)[..., 0].any(2)
        first = rows.argmax(axis=1)
        # 0.1 of 40 pixels are 4.
        assert 6 <= first.min() < 9
        assert 11 < first.max() <= 14
        assert set(rows.sum(axis=1)) <= {19, 20, 21}

    def test_nothing_to_change(self):
        same = changed(RandomCropJitter(0, offset=0))
        np.testing.assert_allclose(same, CELL, atol=1e-6)


class TestBlur:
    def test_a_dot_spreads_and_black_stays(self):
        images = CELL.copy()
        images[:, 20, 20] = 0.1
        blurred = changed(RandomBlur(0.05, seed=0), images)
        assert (blurred[:, 20, 20] > 0.1).all()
        assert (blurred[:, 20, 21] < 0.6).all()
        assert not blurred[CELL == 0].any()
        # The same color all around: the black beyond does not seep in.
        np.testing.assert_allclose(blurred[:, 10, 10], CELL[:, 10, 10], rtol=1e-4)

    def test_no_sigma(self):
        np.testing.assert_array_equal(changed(RandomBlur(0)), CELL)


class TestJPEG:
    def test_is_what_pillow_stores(self):
        random = np.random.default_rng(0)
        smooth = np.cumsum(random.normal(0, 4, (24, 24, 3)), axis=1) + 128
        image = np.clip(smooth, 30, 220).astype(np.uint8)
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=95, subsampling=0)
        expected = np.asarray(Image.open(file)) / 255
        stored = changed(RandomJPEG(95, seed=0), image[None] / np.float32(255))[0]
        # Pillow rounds to whole numbers on its way.
        apart, lost, lost_by_pillow = (
            np.abs(first - second).mean()
            for first, second in [
                (stored, expected),
                (stored, image / 255),
                (expected, image / 255),
            ]
        )
        assert lost == pytest.approx(lost_by_pillow, rel=0.05)
        assert apart < lost / 2

    def test_low_quality_loses_more(self):
        images = np.random.default_rng(0).uniform(0.3, 0.7, (N, 20, 20, 3))
        images = images.astype("float32")
        losses = np.abs(changed(RandomJPEG(5, seed=0), images) - images).mean((1, 2, 3))
        assert losses.max() > 2 * losses.min() > 0

    def test_black_stays(self):
        assert not changed(RandomJPEG(5, seed=0))[CELL == 0].any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomMaskJitter(0.3), "width=0.3: expected a number in"),
        (lambda: RandomBackground(2), "probability=2: expected a number in"),
        (lambda: RandomBackground(noise=-1), "noise=-1: expected a number in"),
        (lambda: RandomCropJitter(1), "scale=1: expected a number in"),
        (lambda: RandomCropJitter(offset=1), "offset=1: expected a number in"),
        (lambda: RandomBlur(1), "sigma=1: expected a number in"),
        (lambda: RandomJPEG(0), "lowest_quality=0: expected an integer in"),
        (lambda: RandomBlur(seed=-1), "seed=-1: expected"),
    ],
)
def test_bad_parameters(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    "layer", [RandomBackground(), RandomMaskJitter(), RandomJPEG()]
)
def test_needs_three_channels(layer):
    with pytest.raises(ValueError, match=f"{type(layer).__name__} requires RGB images"):
        layer(np.zeros((1, 8, 8, 1), dtype="float32"), training=True)
