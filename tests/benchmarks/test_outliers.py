"""Whether what a masker leaves of two cells that touch is one of them."""

import cv2
import numpy as np
import outliers
import pytest

# As ymin, xmin, ymax, xmax: cells of radius 10 in a crop of 48 pixels.
BOXES = np.array([[4, 4, 24, 24], [20, 20, 40, 40]])


def left(*circles):
    """Draw circles (x, y, radius) on black."""
    crop = np.zeros((48, 48, 3), np.uint8)
    for x, y, radius in circles:
        cv2.circle(crop, (x, y), radius, (200, 150, 160), cv2.FILLED)
    return crop


@pytest.mark.parametrize(
    ("circles", "is_one"),
    [
        ([(14, 14, 10)], True),
        ([(30, 30, 10)], True),
        ([(30, 30, 9)], True),  # 81 % of the area
        ([(30, 30, 7)], False),  # 49 %: a part
        ([(14, 14, 10), (30, 30, 10)], False),  # both
        ([], False),
    ],
)
def test_one_cell_is_about_the_ellipse_in_its_box(circles, is_one):
    assert outliers.shows_one_cell(left(*circles), BOXES) == is_one
