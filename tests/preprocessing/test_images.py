"""What every step says about images out of their range, and what it takes."""

import numpy as np
import pandas as pd
import pytest

from malariafuse._images import check_images

LOOKS_LIKE = "They look like values in [0, 255]: pass X.astype('uint8') or X / 255."
OVERSHOOTS = "Interpolation such as bicubic overshoots: pass np.clip(X, 0, 1)."


def with_value(value, dtype=np.float32):
    images = np.full((1, 4, 4, 3), 0.5, dtype=dtype)
    images[0, 0, 0, 0] = value
    return images


def message(value, dtype=np.float32):
    with pytest.raises(
        ValueError, match=r"X has floating values .* expected values in \[0, 1\]"
    ) as e:
        check_images(with_value(value, dtype))
    return str(e.value)


@pytest.mark.parametrize("high", [2.5, 255])
def test_values_up_to_255_are_told_what_they_look_like(high):
    assert message(high).endswith(f"expected values in [0, 1]. {LOOKS_LIKE}")


@pytest.mark.parametrize("value", [-0.5, -0.0002, 1.0002, 1.5])
def test_values_near_0_and_1_are_told_what_overshoots(value):
    assert message(value).endswith(f"expected values in [0, 1]. {OVERSHOOTS}")


@pytest.mark.parametrize("value", [-1, -0.51, 1.51, 2, 256])
def test_other_values_are_told_nothing(value):
    assert message(value).endswith("expected values in [0, 1].")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_range_is_shown_with_all_its_digits(dtype):
    high = np.nextafter(dtype(1.0002), dtype(2))
    assert f"[0.5, {high}]" in message(high, dtype)


@pytest.mark.parametrize(
    ("value", "dtype", "clipped"),
    [
        (1.0000001, np.float32, 1),
        (1.00009, np.float32, 1),
        (1 + 1e-4, np.float64, 1),
        (-1e-8, np.float32, 0),
        (-0.00009, np.float64, 0),
        # The next number above 1.
        (1.001, np.float16, 1),
        (-0.0009, np.float16, 0),
    ],
)
def test_values_that_rounding_left_are_clipped(value, dtype, clipped):
    images = with_value(value, dtype)
    before = images.copy()
    taken = check_images(images)
    assert taken.dtype == dtype
    assert taken[0, 0, 0, 0] == clipped
    assert (taken.ravel()[1:] == 0.5).all()
    np.testing.assert_array_equal(images, before)
    assert images[0, 0, 0, 0] != clipped


@pytest.mark.parametrize("value", [0.01, 0.3, 1])
def test_images_in_their_range_are_not_copied(value, tmp_path):
    images = np.memmap(tmp_path / "x", np.float32, "w+", shape=(2, 4, 4, 3))
    images[:] = value
    assert np.shares_memory(check_images(images), images)


LEVELS = np.arange(2 * 8 * 8 * 3, dtype=np.uint8).reshape(2, 8, 8, 3)


@pytest.mark.parametrize(
    "images",
    [
        LEVELS / 255 / 255,
        (LEVELS / 255 / 255).astype(np.float32),
        (LEVELS / 255).astype(np.uint8),  # all 0
        (LEVELS // 191).astype(np.uint8),  # 0 and 1
        LEVELS[:1] / 255 / 255,
    ],
    ids=["float64", "float32", "zeros", "ones", "one image"],
)
def test_images_divided_by_255_too_often_are_refused(images):
    with pytest.raises(ValueError, match=r"X is nearly black.* second division"):
        check_images(images)


def test_a_black_image_may_be_one_of_many():
    images = LEVELS.copy()
    images[0] = 0
    np.testing.assert_array_equal(check_images(images), images)
    np.testing.assert_array_equal(check_images(images[:1]), images[:1])


@pytest.mark.parametrize(
    ("axes", "way_out"),
    [
        ((0, 3, 1, 2), "np.moveaxis(X, 1, -1)"),
        ((1, 2, 3, 0), "np.moveaxis(X, -1, 0)"),
    ],
    ids=["channels first", "samples last"],
)
@pytest.mark.parametrize("n_channels", [1, 3, 4])
def test_another_order_of_dimensions_is_named(axes, way_out, n_channels):
    images = np.full((6, 8, 9, n_channels), 99, dtype=np.uint8)
    turned = images.transpose(axes)
    with pytest.raises(ValueError, match=r"This looks like") as error:
        check_images(turned)
    assert str(error.value).endswith(f"pass {way_out}.")
    mended = eval(way_out, {"np": np, "X": turned})
    np.testing.assert_array_equal(check_images(mended), images)


@pytest.mark.parametrize(
    ("shape", "way_out", "mended"),
    [
        ((8, 9, 3), "X[None]", (1, 8, 9, 3)),
        ((3, 8, 9), "np.moveaxis(X, 0, -1)[None]", (1, 8, 9, 3)),
        ((6, 8, 9), "X[..., None]", (6, 8, 9, 1)),
    ],
)
def test_three_dimensions_are_told_what_lacks(shape, way_out, mended):
    images = np.full(shape, 99, dtype=np.uint8)
    with pytest.raises(ValueError, match="expected 4 dimensions") as error:
        check_images(images)
    assert way_out in str(error.value)
    assert eval(way_out, {"np": np, "X": images}).shape == mended


def test_masked_values_are_refused_and_an_empty_mask_is_not():
    masked = np.ma.masked_greater(LEVELS, 250)
    n = int((LEVELS > 250).sum())
    with pytest.raises(ValueError, match=rf"X has {n} masked values"):
        check_images(masked)
    nothing = np.ma.masked_array(LEVELS)
    np.testing.assert_array_equal(check_images(nothing), LEVELS)


def test_a_series_of_images_is_an_array_of_them():
    images = np.random.default_rng(0).random((3, 4, 5, 3))
    series = pd.Series(list(images), index=[7, 8, 9])

    np.testing.assert_array_equal(check_images(series), images)
    np.testing.assert_array_equal(check_images(series.to_numpy()), images)
    with pytest.raises(ValueError, match=r"images have different sizes.*ImageLoader"):
        check_images(pd.Series([images[0], images[1, 1:]]))
    with pytest.raises(ValueError, match=r"X has shape \(2,\)"):
        check_images(pd.Series(["a.png", "b.png"]))
