"""What every step says about images out of their range."""

import numpy as np
import pytest

from malariafuse._images import check_images

HINT = "They look like 0..255"


def message(high, dtype=np.float32):
    images = np.zeros((1, 4, 4, 3), dtype=dtype)
    images[0, 0, 0, 0] = high
    with pytest.raises(
        ValueError, match=r"X has floating values .* expected 0\.\.1"
    ) as e:
        check_images(images)
    return str(e.value)


@pytest.mark.parametrize("high", [2.5, 255])
def test_values_up_to_255_are_told_what_they_look_like(high):
    assert HINT in message(high)


@pytest.mark.parametrize("high", [1.5, 2, 256])
def test_other_values_are_not(high):
    assert HINT not in message(high)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_value_barely_above_1_is_shown_with_all_its_digits(dtype):
    high = np.nextafter(dtype(1), dtype(2))
    assert f"[0.0, {high}]" in message(high, dtype)
    assert f"{high}" != "1.0"
