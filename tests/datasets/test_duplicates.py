"""Images that are there more than once."""

import shutil

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from malariafuse.datasets import find_duplicates, load_cell_images, make_cell_images

from .conftest import save_cell


def load(path, **options):
    return load_cell_images(path, **{"image_size": (8, 8), "cache": False, **options})


@pytest.fixture
def copies(tmp_path):
    """A function that draws two cells, and copies the first to other names."""
    root = tmp_path / "root"

    def copy(first, second, *names):
        save_cell(root / first, 0)
        save_cell(root / second, 1)
        for name in names:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / first, root / name)
        return root

    return copy


# --- in files ----------------------------------------------------------------------


def test_the_same_file_twice_is_reported(copies):
    root = copies("Parasitized/C1_a.png", "Uninfected/C2_a.png", "Parasitized/C1_b.png")

    with pytest.warns(
        UserWarning,
        match=r"1 image\(s\) occur more than once: '.*C1_a.png = .*C1_b",
    ):
        cells = load(root)

    table = cells.duplicates
    assert table["position"].tolist() == [0, 1]
    assert table["duplicate_set"].tolist() == [0, 0]
    assert table["path"].tolist() == cells.filenames[:2].tolist()
    assert table["same_file"].tolist() == [True, True]
    assert table["label"].tolist() == [1, 1]
    assert table["patient"].tolist() == [1, 1]
    assert not table["label_differs"].any()
    assert not table["patient_differs"].any()


@pytest.mark.parametrize(
    ("first", "second", "copy", "message", "column"),
    [
        (
            "Parasitized/C1_a.png",
            "Uninfected/C2_a.png",
            "Uninfected/C1_b.png",
            "in several classes",
            "label_differs",
        ),
        (
            "Parasitized/C1_a.png",
            "Uninfected/C2_a.png",
            "Parasitized/C3_b.png",
            "of several patients",
            "patient_differs",
        ),
        (
            "train/Parasitized/C1_a.png",
            "test/Uninfected/C2_a.png",
            "test/Parasitized/C3_a.png",
            "in several parts of the split",
            "split_differs",
        ),
    ],
)
def test_copies_that_do_harm_are_warned_of_by_name(
    copies, first, second, copy, message, column
):
    root = copies(first, second, copy)

    with pytest.warns(UserWarning, match="occur") as seen:
        cells = load(root)

    texts = [str(warning.message) for warning in seen]
    assert any(message in text and first in text and copy in text for text in texts)
    assert all(warning.filename == __file__ for warning in seen)
    assert cells.duplicates[column].tolist() == [True, True]


def test_equal_pixels_in_unequal_files_are_reported(copies):
    root = copies("Parasitized/C1_a.png", "Uninfected/C2_a.png")
    with Image.open(root / "Parasitized/C1_a.png") as image:
        image.save(root / "Parasitized/C1_a.bmp")

    with pytest.warns(UserWarning, match="more than once"):
        cells = load(root)

    assert cells.duplicates["same_file"].tolist() == [False, False]


def test_a_row_that_is_there_twice_is_reported(copies):
    root = copies("a.png", "b.png")
    table = pd.DataFrame({"path": ["a.png", "b.png", "a.png"], "label": [1, 0, 0]})

    with pytest.warns(UserWarning, match=r"several classes: '.*a.png = .*a.png'"):
        cells = load(table, root=root, patient_of=None)

    assert cells.duplicates["position"].tolist() == [0, 2]


def test_a_warning_of_many_equal_images_is_short(copies):
    root = copies("a.png", "b.png")
    table = pd.DataFrame(
        {"path": ["a.png"] * 300 + ["b.png"], "label": [0, 1] * 150 + [0], "pid": "x"}
    )

    with pytest.warns(
        UserWarning, match=r"1 image.*= .*= .*a\.png and 297 more'"
    ) as seen:
        load(table, root=root)

    assert len(str(seen[0].message)) < 1000


def test_a_cached_call_reports_the_same(copies, tmp_path):
    root = copies("Parasitized/C1_a.png", "Uninfected/C2_a.png", "Uninfected/C1_b.png")
    reports = []
    for _ in range(2):
        with pytest.warns(UserWarning, match="in several classes") as seen:
            cells = load(root, cache=tmp_path / "cache")
        reports.append((cells.duplicates, [str(warning.message) for warning in seen]))

    assert isinstance(cells.images, np.memmap)
    pd.testing.assert_frame_equal(reports[0][0], reports[1][0])
    assert reports[0][1] == reports[1][1]


def test_positions_are_those_of_the_images_that_were_not_skipped(copies):
    root = copies("Parasitized/C1_b.png", "Uninfected/C2_a.png", "Parasitized/C1_c.png")
    (root / "Parasitized/C1_a.png").write_bytes(b"damaged")

    with pytest.warns(UserWarning, match="occur|Skipped") as seen:
        cells = load(root, on_error="skip")

    assert len(seen) == 2  # the skipped file, and the duplicate
    assert cells.duplicates["position"].tolist() == [0, 1]
    assert (cells.images[0] == cells.images[1]).all()


def test_without_duplicates_the_table_is_empty(cell_folder):
    table = load(cell_folder).duplicates

    assert len(table) == 0
    assert table.columns.tolist() == [
        "duplicate_set",
        "position",
        "path",
        "same_file",
        "label",
        "patient",
        "label_differs",
        "patient_differs",
    ]


# --- in arrays ---------------------------------------------------------------------


def test_equal_images_of_training_and_test_are_found():
    train = make_cell_images(20, 4, image_size=(16, 16), random_state=0).images
    test = np.concatenate([train[[3, 5]], 255 - train[:2]])

    table = find_duplicates(
        np.concatenate([train, test]), split=["train"] * 20 + ["test"] * 4
    )

    pd.testing.assert_frame_equal(
        table,
        pd.DataFrame(
            {
                "duplicate_set": [0, 0, 1, 1],
                "position": [3, 20, 5, 21],
                "split": ["train", "test", "train", "test"],
                "split_differs": [True] * 4,
            }
        ),
    )


def test_one_bit_makes_a_difference_and_the_layout_in_memory_none():
    images = np.zeros((4, 4, 4, 3), dtype=np.uint8)
    images[0, 1, 2] = images[1, 1, 2] = 7
    images[3, 0, 0, 0] = 1

    for same in (images, np.asfortranarray(images), images[:, ::-1], images / 255):
        table = find_duplicates(same, y=[1, 0, 1, 1], groups=["x", "x", "y", "y"])
        assert table["position"].tolist() == [0, 1]
        assert table["label_differs"].tolist() == [True, True]
        assert table["patient_differs"].tolist() == [False, False]


@given(
    arrays(
        np.uint8,
        st.tuples(st.integers(1, 8), *map(st.just, (1, 2, 1))),
        elements=st.sampled_from([9, 10]),
    )
)
def test_sets_are_those_of_comparing_all_with_all(images):
    table = find_duplicates(images)

    found = {
        (a, b)
        for _, rows in table.groupby("duplicate_set")
        for a in rows["position"]
        for b in rows["position"]
    }
    n = len(images)
    equal = {
        (a, b)
        for a in range(n)
        for b in range(n)
        if (images[a] == images[b]).all()
        and (images == images[a]).all(axis=(1, 2, 3)).sum() > 1
    }
    assert found == equal


@pytest.mark.parametrize("name", ["y", "groups", "split", "filenames"])
def test_arrays_of_other_lengths_are_an_error_that_names_them(name):
    images = np.full((3, 4, 4, 3), 9, dtype=np.uint8)

    with pytest.raises(ValueError, match=rf"{name} has shape \(2,\) for 3 images"):
        find_duplicates(images, **{name: [1, 2]})


@pytest.mark.parametrize("name", ["y", "groups", "split"])
def test_values_that_cannot_be_compared_are_an_error_that_names_them(name):
    images = np.full((3, 4, 4, 3), 9, dtype=np.uint8)

    with pytest.raises(ValueError, match=f"{name} has values of different types"):
        find_duplicates(images, **{name: [1, "1", 2]})
    with pytest.raises(ValueError, match=f"{name} has 1 missing values"):
        find_duplicates(images, **{name: ["a", None, "b"]})


def test_what_is_no_array_of_images_is_an_error():
    with pytest.raises(ValueError, match="X has shape"):
        find_duplicates(np.zeros((3, 3)))
