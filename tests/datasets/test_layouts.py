"""Folders and zip files as people have them."""

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from malariafuse.datasets import ImageReadError, load_cell_images, patient_ids
from malariafuse.datasets._classes import check_classes, class_key
from malariafuse.datasets._layout import place_files

from .conftest import save_cell

# What operating systems leave behind, as the notes of load_cell_images say.
LITTER = {
    "thumbs.db",
    "desktop.ini",
    "__macosx",
    "@eadir",
    "lost+found",
    "$recycle.bin",
    "system volume information",
}


def load(path, **options):
    return load_cell_images(path, **{"image_size": (8, 8), "cache": False, **options})


@pytest.fixture
def draw(tmp_path):
    """A function that draws cells of the given names below one folder."""
    root = tmp_path / "root"

    def draw(*names):
        for name in names:
            save_cell(root / name, seed=sum(1 for _ in root.rglob("*")))
        return root

    return draw


# --- names of class folders --------------------------------------------------------


@pytest.mark.parametrize(
    ("positive", "negative"),
    [
        ("Parasitized", "Uninfected"),
        ("INFECTED", "healthy"),
        ("Positive ", " negative"),
        ("1", "0"),
        ("P", "U"),
        ("parasitised", "normal"),
    ],
)
def test_usual_names_of_classes_are_known(draw, positive, negative):
    root = draw(f"{positive}/C1_a.png", f"{negative}/C2_a.png")

    cells = load(root)

    targets = dict(zip(cells.groups.tolist(), cells.target.tolist(), strict=True))
    assert targets == {1: 1, 2: 0}
    assert cells.target_names == ["uninfected", "parasitized"]


def test_other_names_are_listed_and_explained_by_classes(draw):
    root = draw("Krank/C1_a.png", "Krank/C1_b.png", "Gesund/C2_a.png")

    with pytest.raises(
        ValueError, match=r"'Gesund/ \(1\)', 'Krank/ \(2\)'.*classes=\{"
    ):
        load(root)

    expected = [0, 1, 1]
    for meaning in (
        {"Krank": 1, "Gesund": 0},
        {" krank": "parasitized", "GESUND": "Healthy"},
    ):
        assert load(root, classes=meaning).target.tolist() == expected


def test_one_unknown_class_folder_is_named_in_the_error(draw):
    root = draw("Parasitized/C1_a.png", "Clean/C2_a.png")

    with pytest.raises(ValueError, match=r"Found no uninfected.*'Clean/'.*classes="):
        load(root)


def test_images_in_other_folders_are_left_out_with_a_warning(draw):
    root = draw("Parasitized/C1_a.png", "Uninfected/C2_a.png", "Unsure/C3_a.png")
    (root / "notes").mkdir()
    (root / "notes" / "read_me.txt").write_text("no image")

    with pytest.warns(UserWarning, match=r"left out 1 image.*: 'Unsure/'\.") as seen:
        cells = load(root)

    assert seen[0].filename == __file__
    assert cells.target.tolist() == [1, 0]
    assert load(root, classes={"Unsure": None}).target.tolist() == [1, 0]
    assert load(root, classes={"Unsure": "healthy"}).target.tolist() == [1, 0, 0]


def test_life_stages_are_numbered_in_the_order_of_a_list(draw):
    root = draw("ring/C1_a.png", "schizont/C2_a.png", "none/C3_a.png")
    stages = ["none", "ring", "trophozoite", "schizont"]

    cells = load(root, classes=stages)

    assert [Path(name).parent.name for name in cells.filenames] == [
        "none",
        "ring",
        "schizont",
    ]
    assert cells.target.tolist() == [0, 1, 3]
    assert cells.target_names == stages
    assert "1 schizont (target 3), 0 trophozoite (target 2)" in cells.DESCR


def test_life_stages_may_be_joined_by_a_mapping(draw):
    root = draw("R/C1_a.png", "LateRing/C1_b.png", "T/C2_a.png", "S/C3_a.png")

    cells = load(
        root,
        classes={"R": "ring", "LateRing": "ring", "T": "trophozoite", "S": "schizont"},
    )

    assert cells.target_names == ["ring", "trophozoite", "schizont"]
    assert cells.target.tolist() == [0, 0, 2, 1]  # LateRing, R, S, T

    numbered = load(root, classes={"R": 0, "LateRing": 0, "T": 1, "S": 2})
    assert numbered.target.tolist() == [0, 0, 2, 1]
    assert numbered.target_names == ["R", "T", "S"]


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ({"Parasitized": 0, "Uninfected": 1}, "maps 'parasitized' to 0: 1 is paras"),
        (["parasitized", "uninfected"], "Pass classes=\\['uninfected', 'parasitized'"),
        ({"a": 1, "A ": 0}, "several values for 'a'"),
        ({"a": "ring"}, "at least two classes"),
        (["ring"], "at least two names"),
        (["ring", "Ring"], "without repetition"),
        ({"a": 0, "b": 2}, "consecutive integers"),
        ({"a": 0, "b": "ring"}, "either names of classes or consecutive"),
    ],
)
def test_wrong_classes_are_an_error(tmp_path, classes, message):
    with pytest.raises(ValueError, match=message):
        load(tmp_path, classes=classes)


@pytest.mark.parametrize(
    "classes", [3, "ring", [0, 1], {"a": 0.5}, {"a": [1]}, {"a": True, "b": False}]
)
def test_classes_of_a_wrong_type_are_an_error(tmp_path, classes):
    with pytest.raises(TypeError, match=r"classes.*: expected a mapping from the name"):
        load(tmp_path, classes=classes)


@pytest.mark.parametrize(
    ("label", "key"),
    [(1.0, "1"), ("1.000", "1"), ("-1.0", "-1"), ("1.050", "1.050"), ("v1.0", "v1.0")],
)
def test_only_whole_numbers_lose_their_decimals(label, key):
    assert class_key(label) == key


# --- where class folders lie -------------------------------------------------------


@pytest.mark.parametrize("packed", [False, True])
def test_splits_above_classes_become_a_column(draw, zip_folder, packed):
    root = draw(
        "train/Parasitized/C1_a.png",
        "train/Uninfected/C2_a.png",
        "valid/Uninfected/C3_a.png",
        "Test/Parasitized/C4_a.png",
    )

    cells = load(zip_folder(root) if packed else root)

    assert dict(zip(cells.groups.tolist(), cells.split.tolist(), strict=True)) == {
        1: "train",
        2: "train",
        3: "validation",
        4: "test",
    }


def test_splits_inside_classes_are_no_patients(draw):
    root = draw("Parasitized/train/x.png", "Uninfected/test/y.png")

    cells = load(root, patient_of=None)

    assert cells.split.tolist() == ["test", "train"]
    assert cells.target.tolist() == [0, 1]


def test_without_a_split_there_is_no_column(draw):
    assert load(draw("Parasitized/C1_a.png", "Uninfected/C2_a.png")).split is None


def test_patients_on_both_sides_of_a_split_are_named(draw):
    root = draw(
        "train/Parasitized/C1_a.png",
        "train/Uninfected/C2_a.png",
        "test/Uninfected/C1_b.png",
    )

    with pytest.warns(
        UserWarning, match=r"1 of 2 patients are in several.*: '1 \(test, train\)'"
    ):
        load(root)


def test_a_split_of_a_part_of_the_images_is_an_error(draw):
    root = draw("train/Parasitized/C1_a.png", "Uninfected/C2_a.png")

    with pytest.raises(ValueError, match="expected all images or none in a split"):
        load(root)


def test_class_folders_may_lie_deep_but_side_by_side(draw, zip_folder):
    root = draw("a/b/Parasitized/C1_a.png", "a/b/Uninfected/C2_a.png")
    assert load(root).target.tolist() == [1, 0]
    assert load(zip_folder(root)).target.tolist() == [1, 0]

    draw("backup/Uninfected/C3_a.png")
    with pytest.raises(ValueError, match=r"several places.*a/b/Paras.*backup/Uninf"):
        load(root)
    assert load(root, classes={"backup": None}).target.tolist() == [1, 0]


def test_a_class_folder_inside_another_is_an_error(draw):
    root = draw("Parasitized/C1_a.png", "Parasitized/Uninfected/C2_a.png")

    with pytest.raises(ValueError, match=r"'Uninfected', inside another, 'Parasitiz"):
        load(root)


def test_names_in_a_zip_may_have_backslashes(draw, tmp_path):
    root = draw("Parasitized/C1_a.png", "Uninfected/C2_a.png")
    with zipfile.ZipFile(tmp_path / "windows.zip", "w") as archive:
        for file in sorted(root.rglob("*.png")):
            archive.write(file, f"cells\\{file.parent.name}\\{file.name}")

    assert load(tmp_path / "windows.zip").target.tolist() == [1, 0]


# --- patients ----------------------------------------------------------------------


@pytest.mark.parametrize("packed", [False, True])
def test_a_folder_inside_a_class_folder_is_a_patient(draw, zip_folder, packed):
    root = draw("Parasitized/anna/1.png", "Uninfected/anna/2.png", "Uninfected/1/1.png")

    cells = load(zip_folder(root) if packed else root)

    assert cells.target.tolist() == [1, 0, 0]
    assert cells.groups.tolist() == ["anna", "1", "anna"]


def test_names_of_patients_count_before_folders_that_agree(draw):
    root = draw("Parasitized/C39/C39P4_1.png", "Uninfected/slide/C40P4_2.png")

    assert load(root).groups.tolist() == [39, 40]


def test_folders_and_names_that_disagree_are_an_error(draw):
    # Either C counts cells, and anna is one patient, or anna is a name of a slide.
    root = draw(
        "Parasitized/anna/C1.png", "Parasitized/anna/C2.png", "Uninfected/C3.png"
    )

    with pytest.raises(ValueError, match=r"ambiguous.*'anna \(C1, C2, ...\)'"):
        load(root)

    assert load(root, patient_of=patient_ids).groups.tolist() == [1, 2, 3]
    with pytest.raises(
        ValueError, match=r"1 of 3 files are not in a folder of a patient"
    ):
        load(root, patient_of="folder")
    (root / "Uninfected/bela").mkdir()
    (root / "Uninfected/C3.png").rename(root / "Uninfected/bela/C3.png")
    assert load(root, patient_of="folder").groups.tolist() == ["anna", "anna", "bela"]


def test_folders_of_a_part_of_the_patients_are_an_error(draw):
    root = draw("Parasitized/anna/1.png", "Uninfected/2.png")

    with pytest.raises(ValueError, match=r"1 file\(s\) are directly in class folders"):
        load(root)


def test_folders_within_folders_of_patients_are_an_error(draw):
    root = draw("Parasitized/anna/slide/1.png", "Uninfected/bela/1.png")

    with pytest.raises(
        ValueError, match=r"'Parasitized/anna/slide/1.png' is nested more"
    ):
        load(root)


def test_a_class_folder_is_no_patient(draw):
    root = draw("Parasitized/C1.png", "Uninfected/C2.png")

    with pytest.raises(
        ValueError, match="2 of 2 files are not in a folder of a patient"
    ):
        load(root, patient_of="folder")


@pytest.mark.parametrize(
    ("patient_of", "error"), [("name", ValueError), (3, TypeError), ([1, 2], TypeError)]
)
def test_another_patient_of_is_an_error(draw, patient_of, error):
    root = draw("Parasitized/C1.png", "Uninfected/C2.png")

    with pytest.raises(error, match=r"patient_of=.*expected 'auto', 'folder', a func"):
        load(root, patient_of=patient_of)


# --- without labels ----------------------------------------------------------------


@pytest.mark.parametrize("packed", [False, True])
def test_images_without_labels_are_loaded_for_prediction(draw, zip_folder, packed):
    root = draw("b.png", "a.png", "later/c.png")
    (root / "Thumbs.db").write_bytes(b"litter")

    cells = load(zip_folder(root) if packed else root, labels=False)

    assert [Path(name).name for name in cells.filenames] == ["a.png", "b.png", "c.png"]
    assert len(cells.images) == 3
    assert cells.target is None
    assert cells.target_names is None
    assert cells.groups is None
    assert "3 images" in cells.DESCR
    assert "without labels" in cells.DESCR


def test_patients_without_labels_are_found_where_something_says_them(draw, tmp_path):
    root = draw("anna/1.png", "bela/1.png")
    assert load(root, labels=False).groups.tolist() == ["anna", "bela"]

    save_cell(tmp_path / "flat" / "C7_1.png", 0)
    assert load(tmp_path / "flat", labels=False).groups.tolist() == [7]


def test_class_folders_are_no_patients_without_labels(draw):
    root = draw("Parasitized/a.png", "Uninfected/b.png")

    assert load(root, labels=False).groups is None


def test_images_outside_of_any_folder_lead_to_labels(draw):
    with pytest.raises(ValueError, match=r"2 image file\(s\) outside.*labels=False"):
        load(draw("a.png", "b.png"))


def test_skipping_may_not_lose_all_images(tmp_path):
    (tmp_path / "a.png").write_bytes(b"")

    with pytest.raises(ImageReadError):
        load(tmp_path, labels=False, on_error="skip")


def test_labels_is_a_boolean(tmp_path):
    with pytest.raises(ValueError, match="labels='no': expected True or False"):
        load(tmp_path, labels="no")


# --- odd names ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["C3_a\nb.png", "C3_\r.png", "C3_a.png ", "C3_\udcff.png", "C3_\x85.png", "C3"],
    ids=ascii,
)
def test_no_file_is_left_out_for_its_name(draw, name):
    root = draw("Parasitized/C1_a.png", "Uninfected/C2_a.png")
    os.rename(root / "Parasitized" / "C1_a.png", root / "Parasitized" / name)
    draw("Parasitized/C1_a.png")

    for cache in (False, root / ".cache", root / ".cache"):
        cells = load(root, cache=cache)

        assert cells.groups.tolist() == [1, 3, 2]
        assert cells.filenames[1] == str(root / "Parasitized" / name)


@given(
    st.lists(
        st.text(st.characters(exclude_characters="/"), min_size=1).filter(
            lambda name: not name.startswith(".") and name.casefold() not in LITTER
        ),
        min_size=1,
        unique=True,
    )
)
def test_every_file_in_a_class_folder_is_taken(names):
    names = [f"cell_images/Parasitized/{name}" for name in names]

    placed = place_files(names, check_classes(None), "somewhere")

    assert sorted(placed.names) == sorted(names)
    assert {place.target for place in placed.places} == {1}
    assert not placed.left_out


def test_a_name_with_a_newline_in_a_zip_is_read(draw, zip_folder):
    root = draw("Parasitized/C1_a\nb.png", "Uninfected/C2_a.png")

    assert load(zip_folder(root)).groups.tolist() == [1, 2]


def test_a_file_that_is_no_image_is_an_error_in_a_class_folder(draw):
    root = draw("Parasitized/C1_a.png", "Uninfected/C2_a.png")
    (root / "Uninfected" / "C3\nnotes").write_text("no image")

    with pytest.raises(ImageReadError, match="1 image"):
        load(root)


def test_a_link_to_a_folder_that_it_lies_in_ends_the_walk(draw):
    root = draw("Parasitized/C1_a.png", "Uninfected/C2_a.png")
    (root / "again").symlink_to(root)
    (root / "itself").symlink_to("itself")

    assert load(root).groups.tolist() == [1, 2]


def test_the_order_is_that_of_class_and_name(draw):
    names = ["Parasitized/C10_a.png", "Parasitized/C9_a.png", "Uninfected/C1_a.png"]

    cells = load(draw(*reversed(names)))

    np.testing.assert_array_equal(cells.groups, [10, 9, 1])
