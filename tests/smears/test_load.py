import pickle

import cv2
import numpy as np
import pandas as pd
import pytest
from drawn_smears import draw_photo, on_grid
from numpy.testing import assert_array_equal
from PIL import Image

from malariafuse.datasets import ImageReadError
from malariafuse.preprocessing import ImageLoader
from malariafuse.smears import CellSegmenter, load_smear_photos, read_photo


@pytest.fixture
def folder(tmp_path):
    """Three photographs with 12, 8 and 4 cells, and a file that is none."""
    for rows in (3, 2, 1):
        photo = draw_photo(on_grid(rows=rows))
        Image.fromarray(photo).save(tmp_path / f"photo_{4 - rows}.png")
    (tmp_path / "notes.txt").write_text("Giemsa")
    return tmp_path


def test_cells_of_a_folder(folder):
    cells = load_smear_photos(folder)
    assert cells.images.shape == (24, 48, 48, 3)
    assert cells.images.dtype == np.uint8
    assert_array_equal(np.bincount(cells.photo), [12, 8, 4])
    assert cells.photos["n_cells"].tolist() == [12, 8, 4]
    assert cells.photos["name"].str.endswith(".png").all()
    assert cells.groups is None
    assert (cells.flags == "").all()
    assert cells.refused == {}


def test_images_are_tight_boxes_black_outside_resized_as_the_loader_does(folder):
    path = folder / "photo_1.png"
    cells = load_smear_photos([path], image_size=(32, 40))
    photo = read_photo(path)
    for number in (0, 7):
        x, y, width, height = cells.boxes[number]
        mask = cells.masks[number]
        assert mask.shape == (height, width)
        assert mask.sum() == cells.areas[number]
        # The box is tight: the cell reaches all four sides.
        assert mask[0].any() and mask[-1].any()  # noqa: PT018
        assert mask[:, 0].any() and mask[:, -1].any()  # noqa: PT018
        crop = photo[y : y + height, x : x + width] * mask[..., None]
        expected = ImageLoader((32, 40)).transform([crop])[0]
        assert_array_equal(cells.images[number], expected)


@pytest.mark.parametrize("n_jobs", [1, 2, None])
def test_number_of_threads_changes_nothing(folder, n_jobs):
    expected = load_smear_photos(folder, n_jobs=1)
    cells = load_smear_photos(folder, n_jobs=n_jobs)
    assert_array_equal(cells.images, expected.images)
    assert_array_equal(cells.boxes, expected.boxes)


def test_patients_of_a_dict_a_table_and_an_argument(folder):
    paths = [str(folder / f"photo_{i}.png") for i in (1, 2, 3)]
    expected = ["Eve"] * 20 + ["Adam"] * 4
    table = pd.DataFrame({"path": paths, "patient": ["Eve", "Eve", "Adam"]})
    for cells in (
        load_smear_photos({"Eve": paths[:2], "Adam": paths[2]}),
        load_smear_photos(table),
        load_smear_photos(paths, patients=["Eve", "Eve", "Adam"]),
    ):
        assert cells.groups.tolist() == expected
        assert cells.photos["patient"].tolist() == ["Eve", "Eve", "Adam"]


def test_bytes_open_files_arrays_and_patterns_are_photographs(folder):
    path = folder / "photo_3.png"
    expected = load_smear_photos([path]).images
    with open(path, "rb") as file:
        for photos in (
            [path.read_bytes()],
            file,
            read_photo(path),
            str(folder / "*_3.png"),
        ):
            assert_array_equal(load_smear_photos(photos).images, expected)


def test_a_function_of_the_user_takes_the_place_of_the_segmenter(folder):
    def squares(photo):
        labels = np.zeros(photo.shape[:2], dtype=np.int64)
        labels[130:170, 30:65] = 7
        labels[230:270, 30:65] = 3
        return labels

    cells = load_smear_photos([folder / "photo_1.png"], segmenter=squares)
    # In the order of their labels, 3 before 7.
    assert cells.boxes.tolist() == [[30, 230, 35, 40], [30, 130, 35, 40]]
    assert cells.masks[0].all()


def test_errors_of_the_segmenter_name_the_photograph(folder):
    with pytest.raises(ValueError, match="labels has shape") as info:
        load_smear_photos(folder / "photo_2.png", segmenter=lambda photo: photo)
    assert "photo_2.png" in info.value.__notes__[0]


def test_flagged_regions_come_on_demand():
    photo = draw_photo(on_grid())
    cv2.circle(photo, (400, 100), 30, (205, 130, 160), cv2.FILLED)
    assert load_smear_photos([photo]).photos["n_flagged"].tolist() == [1]
    cells = load_smear_photos([photo], keep_flagged=True)
    assert sorted(cells.flags) == [""] * 12 + ["cut"]
    assert cells.photos["n_cells"].tolist() == [12]


def test_damaged_photographs_are_named_all_at_once_or_skipped(folder):
    for name in ("photo_0.png", "photo_2.png"):
        (folder / name).write_bytes(b"damaged")
    with pytest.raises(ImageReadError, match=r"2 image\(s\)") as info:
        load_smear_photos(folder)
    names = [str(folder / name) for name in ("photo_0.png", "photo_2.png")]
    assert list(info.value.refused) == names
    with pytest.warns(UserWarning, match=r"Skipped: 2 image\(s\)"):
        cells = load_smear_photos(folder, on_error="skip")
    assert list(cells.refused) == names
    assert_array_equal(np.bincount(cells.photo), [12, 4])


def test_patients_of_skipped_photographs_leave_with_them(folder):
    (folder / "photo_2.png").write_bytes(b"damaged")
    with pytest.warns(UserWarning, match="Skipped"):
        cells = load_smear_photos(folder, patients=[5, 6, 7], on_error="skip")
    assert cells.groups.tolist() == [5] * 12 + [7] * 4


def test_photographs_without_cells_and_twice_the_same_are_warned_of():
    photo = draw_photo(on_grid())
    with pytest.warns(UserWarning, match=r"1 photograph\(s\) have the same pixels"):
        load_smear_photos([photo, photo])
    with pytest.warns(UserWarning, match=r"1 of 1 .*\(no cells\)"):
        cells = load_smear_photos([draw_photo([])])
    assert cells.images.shape == (0, 48, 48, 3)
    assert cells.boxes.shape == (0, 4)


def test_the_result_survives_pickle(folder):
    cells = pickle.loads(pickle.dumps(load_smear_photos(folder)))
    assert_array_equal(cells.masks[1:3][0], cells.masks[1])
    assert len(cells.masks) == 24


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"photos": []}, ValueError, "photos is empty"),
        ({"photos": 3}, TypeError, "photos=3: expected a folder"),
        ({"photos": [3]}, TypeError, r"photos\[0\]=3: expected a path"),
        ({"photos": pd.DataFrame({"file": ["a"]})}, ValueError, r"columns \['file'\]"),
        ({"photos": "no/such/*.png"}, FileNotFoundError, "No file matches"),
        ({"photos": [np.zeros((9, 9))]}, ValueError, r"photos\[0\] has shape"),
        ({"patients": [1, 2]}, ValueError, "2 patients for 1"),
        ({"segmenter": CellSegmenter}, ValueError, "segmenter=.*a CellSegmenter"),
        ({"on_error": "warn"}, ValueError, "on_error='warn': expected one of"),
        ({"on_problem": "skip"}, ValueError, "on_problem='skip': expected one of"),
        ({"segmenter": CellSegmenter(-1)}, ValueError, "diameter=-1: expected None"),
        ({"keep_flagged": 1}, ValueError, "keep_flagged=1: expected True or False"),
    ],
)
def test_bad_arguments_are_named(arguments, error, match):
    with pytest.raises(error, match=match):
        load_smear_photos(**{"photos": [draw_photo(on_grid())]} | arguments)
