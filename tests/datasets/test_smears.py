import numpy as np
import pytest

from malariafuse.datasets import make_smear_photos
from malariafuse.smears import detection_scores, load_smear_photos


@pytest.fixture(scope="module")
def smear():
    return make_smear_photos(
        2,
        20,
        photo_size=(240, 320),
        diameter=40,
        parasitized_fraction=0.1,
        random_state=0,
    )


def test_what_is_drawn(smear):
    assert smear.photos.shape == (2, 240, 320, 3)
    assert smear.photos.dtype == np.uint8
    assert smear.photo.tolist() == [0] * 20 + [1] * 20
    assert smear.target.sum() == 4  # a tenth of 40


def test_boxes_lie_in_the_photograph_and_hold_the_cells(smear):
    x, y, width, height = smear.boxes.T
    assert (x >= 0).all()
    assert (y >= 0).all()
    assert (x + width <= 320).all()
    assert (y + height <= 240).all()
    plasma = np.median(smear.photos[0][:5, 100:200], axis=(0, 1))
    for place in np.flatnonzero(smear.photo == 0):
        left, top, wide, tall = smear.boxes[place]
        center = smear.photos[0][top + tall // 2, left + wide // 2]
        assert center[1] < plasma[1] - 10  # stained


def test_seed(smear):
    again, other = (
        make_smear_photos(1, 5, photo_size=(120, 160), diameter=30, random_state=seed)
        for seed in (0, 1)
    )
    same = make_smear_photos(1, 5, photo_size=(120, 160), diameter=30, random_state=0)
    assert (again.photos == same.photos).all()
    assert (again.photos != other.photos).any()


def test_cells_are_found_again():
    drawn = make_smear_photos(1, 40, photo_size=(480, 640), random_state=1)
    found = load_smear_photos(list(drawn.photos), keep_flagged=True, n_jobs=1)
    assert detection_scores(drawn.boxes, found.boxes).pooled["f1"] > 0.85


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_cells": 10_000}, "n_cells=10000 cells of diameter=56 do not fit"),
        ({"n_photos": 0}, "n_photos=0"),
        ({"diameter": 4}, "diameter=4"),
        ({"parasitized_fraction": 1.5}, "parasitized_fraction=1.5"),
        ({"photo_size": 300}, "photo_size=300"),
        ({"photo_size": (10, 300)}, "photo_size=10"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_smear_photos(**arguments)
