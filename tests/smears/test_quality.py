import time

import cv2
import numpy as np
import pytest
from drawn_smears import CELL, draw_photo, draw_thick_smear, on_grid
from numpy.testing import assert_allclose

from malariafuse.smears import CellSegmenter, load_smear_photos, photo_quality


def sharp(**options):
    """Draw twelve cells with outlines as a lens leaves them."""
    return cv2.GaussianBlur(draw_photo(on_grid(), **options), (0, 0), 1)


def stripes(width):
    gray = np.where(np.arange(400) // width % 2, 230, 120)
    return np.broadcast_to(gray[:, None], (300, 400, 3)).astype(np.uint8)


def noise(shape=(300, 400)):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (*shape, 3), dtype=np.uint8)


def flowers():
    """Draw petals of many sizes and colors."""
    rng = np.random.default_rng(0)
    photo = np.full((300, 400, 3), (90, 140, 60), dtype=np.uint8)
    for _ in range(25):
        x, y, a, b, angle = (int(v) for v in rng.integers(20, (400, 300, 90, 40, 180)))
        color = rng.integers(60, 256, 3).tolist()
        cv2.ellipse(photo, (x, y), (a, b), angle, 0, 360, color, cv2.FILLED)
    return photo


def heap():
    """Draw far more cells than lie side by side."""
    photo = np.full((300, 400, 3), (235, 225, 230), dtype=np.float64)
    stain = np.array(CELL) / (235, 225, 230)
    for x, y in np.random.default_rng(0).integers((0, 0), (400, 300), (250, 2)):
        mask = np.zeros((300, 400), dtype=np.uint8)
        cv2.circle(mask, (int(x), int(y)), 30, 1, cv2.FILLED)
        photo[mask > 0] *= stain
    return photo.astype(np.uint8)


SPOILED = {
    "blank": (draw_photo([]), "no cells"),
    "white": (np.full((300, 400, 3), 255, np.uint8), "overexposed"),
    "black": (np.zeros((300, 400, 3), np.uint8), "dark"),
    "gradient": (
        np.linspace(60, 250, 400)[:, None] * np.ones((300, 1, 3)),
        "no cells",
    ),
    "noise": (noise(), "not a thin smear"),
    "stripes": (stripes(40), "gray"),
    "narrow stripes": (stripes(4), "not a thin smear"),
    "gray": (np.dstack([sharp()[..., 1]] * 3), "gray"),
    "blurred": (cv2.GaussianBlur(sharp(), (0, 0), 7), "out of focus"),
    "bleached": (np.minimum(sharp() * 1.3, 255), "overexposed"),
    "darkened": (sharp() * 0.3, "underexposed"),
    "thick smear": (draw_thick_smear(), "not a thin smear"),
    "flowers": (flowers(), "not a thin smear"),
    "small cells": (
        draw_photo(on_grid(10, 7, step=40), radius=10),
        "cells too small",
    ),
    "large cell": (draw_photo([(200, 150)], radius=120), "cells too large"),
}


@pytest.mark.parametrize("name", SPOILED)
def test_what_cannot_be_judged_has_a_reason(name):
    photo, problem = SPOILED[name]
    quality = photo_quality(photo.astype(np.uint8))
    assert quality["problem"] == problem
    assert quality["n_cells"] == 0


def test_cells_in_heaps_cannot_be_judged():
    assert photo_quality(heap())["problem"] in {"too dense", "not a thin smear"}


def test_measures_of_a_good_photograph():
    photo = sharp(noise=0)
    quality = photo_quality(photo)
    assert quality["problem"] == ""
    assert quality["n_cells"] == 12
    assert_allclose(quality["diameter"], 60, rtol=0.15)
    assert_allclose(quality["stain"], np.log(225 / 130), atol=0.02)
    # Red 205 / 235, green 130 / 225 and blue 160 / 230 of the light go through.
    red, green, blue = 205 / 235, 130 / 225, 160 / 230
    hue = 360 - 60 * (blue - green) / (red - green)
    assert_allclose(quality["hue"], hue, atol=2)
    assert_allclose(quality["covered"], 12 * np.pi * 30**2 / (300 * 400), rtol=0.05)
    assert_allclose(quality["brightness"], 235, atol=1)
    assert_allclose(quality["evenness"], 1, atol=0.01)
    assert quality["separate"] == 1
    assert quality["clipped_white"] == quality["clipped_black"] == 0


def test_clipping_counts_pixels_of_the_field():
    photo = sharp()
    photo[:30] = 255
    photo[90:110, 90:110] = 0
    quality = photo_quality(photo)
    assert_allclose(quality["clipped_white"], 30 / 300)
    assert_allclose(quality["clipped_black"], 20 * 20 / (300 * 400))


def test_evenness_compares_dim_and_bright_light():
    light = np.linspace(0.6, 1, 400)[:, None]
    quality = photo_quality((sharp() * light).astype(np.uint8))
    # The 0.05 and 0.95 quantiles of a light that grows evenly from 0.6 to 1.
    assert_allclose(quality["evenness"], 0.62 / 0.98, atol=0.02)


@pytest.mark.parametrize("change", ["darker", "larger"])
def test_sharpness_does_not_depend_on_exposure_and_magnification(change):
    photo = cv2.GaussianBlur(draw_photo(on_grid(), noise=0), (0, 0), 3)
    expected = photo_quality(photo)["sharpness"]
    photo = (
        (photo * 0.6).astype(np.uint8)
        if change == "darker"
        else cv2.resize(photo, None, fx=2, fy=2)
    )
    assert_allclose(photo_quality(photo)["sharpness"], expected, rtol=0.06)


def test_sharpness_falls_with_blur():
    found = [
        photo_quality(cv2.GaussianBlur(sharp(), (0, 0), sigma))["sharpness"]
        for sigma in (1, 2, 4, 8)
    ]
    assert found == sorted(found, reverse=True)


@pytest.mark.parametrize("radius", [13, 30, 150])
def test_cells_of_many_sizes_can_be_judged(radius):
    photo = draw_photo(
        on_grid(step=4 * radius), radius=radius, shape=(12 * radius, 16 * radius)
    )
    quality = photo_quality(photo)
    assert (quality["problem"], quality["n_cells"]) == ("", 12)


def test_a_small_photograph_can_be_judged():
    quality = photo_quality(draw_photo(on_grid(2, 2), shape=(200, 200)))
    assert (quality["problem"], quality["n_cells"]) == ("", 4)


def test_noise_is_refused_as_fast_as_cells_are_found():
    cells = draw_photo(on_grid(8, 6), shape=(600, 800))
    photo_quality(cells)

    def seconds(photo):
        start = time.process_time()
        photo_quality(photo)
        return time.process_time() - start

    assert seconds(noise((600, 800))) < 2 * seconds(cells) + 0.5


def test_a_function_of_the_user_counts_the_cells():
    def one(photo):
        labels = np.zeros(photo.shape[:2], dtype=int)
        labels[20:80, 20:80] = 1
        return labels

    assert photo_quality(sharp(), segmenter=one)["n_cells"] == 1
    nothing = photo_quality(sharp(), segmenter=lambda photo: one(photo) * 0)
    assert nothing["problem"] == "no cells"


def test_cells_of_bad_photographs_are_left_out_and_named():
    photos = [sharp(), cv2.GaussianBlur(sharp(), (0, 0), 7), np.zeros_like(sharp())]
    match = r"2 of 3 .*photos\[1\] \(out of focus\), photos\[2\] \(dark\).*left out"
    with pytest.warns(UserWarning, match=match):
        cells = load_smear_photos(photos)
    assert cells.photos["problem"].tolist() == ["", "out of focus", "dark"]
    assert cells.photos["n_cells"].tolist() == [12, 0, 0]
    assert cells.photo.tolist() == [0] * 12
    assert (cells.photos["sharpness"] < 4.5).tolist() == [False, True, False]


def test_cells_of_bad_photographs_are_found_on_demand():
    photos = [cv2.GaussianBlur(sharp(), (0, 0), 7), np.zeros_like(sharp())]
    with pytest.warns(UserWarning, match="2 of 2 .* found all the same"):
        cells = load_smear_photos(photos, on_problem="keep")
    assert cells.photos["n_cells"].tolist() == [12, 0]
    with pytest.raises(ValueError, match=r"2 of 2 .*out of focus.*on_problem='warn'"):
        load_smear_photos(photos, on_problem="raise")


def test_a_table_of_load_has_the_measures_of_the_function():
    photo = sharp()
    row = load_smear_photos([photo]).photos.iloc[0]
    for measure, value in photo_quality(photo).items():
        assert row[measure] == value


def test_one_photograph_under_two_patients_is_named():
    photo, other = sharp(), sharp(noise=3)
    with (
        pytest.warns(UserWarning, match=r"1 photograph\(s\) have the same pixels"),
        pytest.warns(UserWarning, match=r"photos\[2\] \(patients Ada and Eve\)"),
    ):
        cells = load_smear_photos({"Ada": [photo, other], "Eve": [photo]})
    assert cells.photos["same_as"].tolist() == ["", "", "photos[0]"]


def test_one_file_under_two_patients_is_named(tmp_path):
    path = str(tmp_path / "photo.png")
    cv2.imwrite(path, sharp())
    with (
        pytest.warns(UserWarning, match="have the same pixels"),
        pytest.warns(UserWarning, match=r"png \(patients 1 and 2\)"),
    ):
        load_smear_photos([path, path], patients=[1, 2])


def test_photographs_unlike_the_others_of_their_patient_are_flagged():
    bright, dark = (205, 175, 190), (195, 90, 130)
    green = (160, 205, 130)
    photos = {
        "Ada": [sharp(noise=n) for n in (1, 2, 3)]
        + [
            draw_photo(on_grid(), radius=40),
            sharp(color=dark),
            sharp(color=bright),
            sharp(color=green),
        ],
        "Eve": [draw_photo(on_grid(), radius=40, noise=3)],
    }
    with pytest.warns(UserWarning, match=r"4 photograph\(s\) differ from the others"):
        table = load_smear_photos(photos).photos
    unlike = table["unlike_others"].tolist()
    assert unlike[:3] == ["", "", ""]
    assert unlike[3] == "diameter"
    assert all(words.startswith("stain") for words in unlike[4:6])
    assert "hue" in unlike[6]
    assert unlike[7] == ""


def test_photographs_of_several_sizes_go_together():
    small = draw_photo(on_grid(2, 2), shape=(200, 200))
    cells = load_smear_photos({"Ada": [small, sharp()]})
    assert cells.photos[["height", "width"]].to_numpy().tolist() == [
        [200, 200],
        [300, 400],
    ]
    assert (cells.photos["unlike_others"] == "").all()


def test_diameter_of_the_segmenter_is_taken():
    quality = photo_quality(sharp(), segmenter=CellSegmenter(61.5))
    assert quality["diameter"] == 61.5
