"""A step of a pipeline that warns of images that are no cells."""

from copy import copy

import numpy as np
import pytest

from malariafuse import CellGuard, CellOutlierDetector
from malariafuse.datasets import make_cell_images

SIZE = 40
CELLS = make_cell_images(240, 30, image_size=(SIZE, SIZE), random_state=0).images
OTHERS = make_cell_images(40, 3, image_size=(SIZE, SIZE), random_state=1).images[:20]
NOISE = np.random.default_rng(0).integers(0, 256, (10, SIZE, SIZE, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def guard():
    return CellGuard().fit(CELLS)


def test_cells_pass_without_a_word(guard):
    assert guard.transform(CELLS) is CELLS


def test_others_pass_with_a_warning(guard):
    with pytest.warns(
        UserWarning, match="10 of 10 images .* not look like single stained red"
    ):
        passed = guard.transform(NOISE)
    np.testing.assert_array_equal(passed, NOISE)


def test_a_few_others_are_no_matter(guard):
    mixed = np.concatenate([CELLS, NOISE])
    guard.transform(mixed)
    strict = copy(guard).set_params(max_share=0.04)
    with pytest.warns(UserWarning, match="of 250 images"):
        strict.transform(mixed)


def test_swapped_channels_are_named(guard):
    with pytest.warns(UserWarning, match="red and blue swapped, .* RGB images"):
        guard.transform(OTHERS[..., ::-1])


def test_the_detector_is_that_of_the_user():
    detector = CellOutlierDetector(contamination=0.5)
    guard = CellGuard(detector=detector).fit(CELLS)
    assert guard.detector_.contamination == 0.5
    assert not hasattr(detector, "offset_")
    # Half of the training cells are refused, and nobody is.
    with pytest.warns(UserWarning, match="120 of 240 images"):
        guard.transform(CELLS)


def test_bad_parameters():
    with pytest.raises(ValueError, match=r"max_share=0.*\(0, 1\]|above 0"):
        CellGuard(max_share=0).fit(CELLS)
    with pytest.raises(ValueError, match=r"detector='cells'.*a CellOutlierDetector"):
        CellGuard(detector="cells").fit(CELLS)
