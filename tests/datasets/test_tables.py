"""Tables, lists, patterns and dicts of paths."""

import re

import numpy as np
import pandas as pd
import pytest

from malariafuse.datasets import load_cell_images

from .conftest import CELLS, save_cell


def load(path, **options):
    return load_cell_images(path, **{"image_size": (8, 8), "cache": False, **options})


@pytest.fixture
def flat(tmp_path):
    """Four cells in one folder, whose names say neither class nor patient."""
    folder = tmp_path / "flat"
    for seed, name in enumerate("abcd"):
        save_cell(folder / f"{name}.png", seed)
    return folder


FILES = ["a.png", "b.png", "c.png", "d.png"]
LABELS = [1, 1, 0, 0]


# --- columns -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "names",
    [
        ("path", "label", "patient", "split"),
        ("filename", "class", "patient_id", "subset"),
        ("File Name", "Diagnosis", "Patient ID", "Split"),
        ("image", "target", "SubjectID", "partition"),
    ],
)
def test_columns_with_usual_names_are_found(flat, names):
    table = pd.DataFrame(
        zip(FILES, LABELS, "xyzw", ["train", "train", "validation", "7"], strict=True),
        columns=names,
    )

    cells = load(table, root=flat)

    assert cells.target.tolist() == LABELS
    assert cells.groups.tolist() == list("xyzw")
    assert cells.split.tolist() == ["train", "train", "validation", "7"]
    assert cells.filenames.tolist() == [str(flat / name) for name in FILES]


def test_columns_with_other_names_are_named(flat):
    table = pd.DataFrame({"scan": FILES, "result": LABELS, "case": list("xxyy")})

    with pytest.raises(ValueError, match=r"without.*\['label', 'path'\].*columns=\{"):
        load(table, root=flat)

    columns = {"path": "scan", "label": "result", "patient": "case"}
    assert load(table, root=flat, columns=columns).groups.tolist() == list("xxyy")


def test_two_columns_of_patients_are_an_error_unless_they_agree(flat):
    table = pd.DataFrame(
        {
            "path": FILES,
            "label": LABELS,
            "patient": list("xxyy"),
            "subject": [1, 2, 3, 3],
        }
    )

    with pytest.raises(ValueError, match=r"columns 'patient', 'subject' .*may all be"):
        load(table, root=flat)

    named = load(table, root=flat, columns={"patient": "subject"})
    assert named.groups.tolist() == [1, 2, 3, 3]
    table["subject"] = [1, 1, 3, 3]
    assert load(table, root=flat).groups.tolist() == list("xxyy")


def test_a_column_of_patients_and_patient_of_exclude_each_other(flat):
    table = pd.DataFrame({"path": FILES, "label": LABELS, "patient_id": list("xxyy")})

    with pytest.raises(ValueError, match="'patient_id' of the table and `patient_of`"):
        load(table, root=flat, patient_of=None)

    cells = load(table, root=flat, patient_of=None, columns={"patient": None})
    assert cells.groups is None


def test_a_column_that_parts_patients_of_the_file_names_is_warned_of(cell_folder):
    paths = [cell_folder / "cell_images" / name for name in CELLS]
    # Two patients, 1 and 30, have two cells each: C1P1_..., C2P3_..., C1P1_..., ...
    table = pd.DataFrame(
        {"path": paths, "label": [1, 1, 0, 0, 0], "patient": [10, 20, 11, 300, 300]}
    )

    with pytest.warns(UserWarning, match=r"'patient', which is used.*C1 \('10', '1"):
        cells = load(table)

    assert cells.groups.tolist() == [10, 20, 11, 300, 300]
    table["patient"] = [10, 20, 10, 300, 300]
    assert load(table).groups.tolist() == [10, 20, 10, 300, 300]


def test_a_column_of_lists_is_an_error(flat):
    table = pd.DataFrame({"path": FILES, "label": LABELS, "patient": [["x"]] * 4})

    with pytest.raises(TypeError, match=r"'patient' has \['x'\]: expected names"):
        load(table, root=flat)


def test_patients_lose_blanks_around_them(flat):
    table = pd.DataFrame(
        {"path": FILES, "label": LABELS, "patient": ["x", "x ", "y", " y"]}
    )

    assert load(table, root=flat).groups.tolist() == list("xxyy")


@pytest.mark.parametrize(
    ("columns", "error", "message"),
    [
        ({"group": "x"}, ValueError, r"keys 'group': expected \['path', 'label', 'pat"),
        ({"label": "x"}, ValueError, r"columns\['label'\] is 'x': the table has 0 col"),
        ("path", TypeError, "columns='path': expected a mapping"),
    ],
)
def test_wrong_columns_are_an_error(flat, columns, error, message):
    with pytest.raises(error, match=message):
        load(pd.DataFrame({"path": FILES, "label": LABELS}), columns=columns)


def test_columns_are_for_tables(flat):
    with pytest.raises(ValueError, match="path is not a table"):
        load(flat, columns={"path": "file"})


# --- labels ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "labels",
    [
        ["infected", "Infected ", "healthy", "HEALTHY"],
        ["P", "p", "U", "u"],
        ["positive", " Positive", "negative", "negative\n"],
        [True, True, False, False],
        ["1", "1.0", "0", "0.0"],
        np.array([1.0, 1.0, 0.0, 0.0], dtype=np.float32),
    ],
)
def test_labels_may_be_words(flat, labels):
    table = pd.DataFrame({"path": FILES, "label": labels})

    assert load(table, root=flat, patient_of=None).target.tolist() == LABELS


def test_labels_of_minus_one_are_not_those_of_one(flat):
    table = pd.DataFrame({"path": FILES, "label": [1, 1, -1, -1]})

    with pytest.raises(
        ValueError, match=r"'label' has unknown classes '-1'.*classes=\{'-1': ..."
    ):
        load(table, root=flat, patient_of=None)

    cells = load(table, root=flat, patient_of=None, classes={-1: 0})
    assert cells.target.tolist() == LABELS


def test_life_stages_of_a_table_are_names_or_numbers(flat):
    stages = ["none", "ring", "trophozoite"]
    for labels in (["ring", "none", "Trophozoite ", "ring"], [1, 0, 2, 1]):
        cells = load(
            pd.DataFrame({"path": FILES, "label": labels}),
            root=flat,
            classes=stages,
            patient_of=None,
        )

        assert cells.target.tolist() == [1, 0, 2, 1]
        assert cells.target_names == stages


def test_rows_may_be_left_out(flat):
    table = pd.DataFrame(
        {"path": FILES, "label": [1, "unsure", 0, 0], "patient": list("wxyz")}
    )

    cells = load(table, root=flat, classes={"unsure": None})

    assert cells.target.tolist() == [1, 0, 0]
    assert cells.groups.tolist() == ["w", "y", "z"]
    assert len(cells.images) == len(cells.filenames) == 3


def test_a_table_without_labels_is_loaded_for_prediction(flat):
    cells = load(pd.DataFrame({"file": FILES}), root=flat, labels=False)

    assert cells.target is None
    assert cells.groups is None
    assert len(cells.images) == 4


# --- labels against folders --------------------------------------------------------


@pytest.fixture
def by_class(tmp_path):
    """Ten paths in each of Parasitized/ and Uninfected/."""
    for seed in range(20):
        folder = "Parasitized" if seed < 10 else "Uninfected"
        save_cell(tmp_path / "cells" / folder / f"C{seed}_a.png", seed)
    return sorted((tmp_path / "cells").rglob("*.png"))


def test_labels_that_number_parasitized_as_0_are_an_error(by_class):
    table = pd.DataFrame({"path": by_class, "label": [0] * 10 + [1] * 10})

    with pytest.raises(
        ValueError, match=r"reversed: 20 of 20 .*Parasitized.*classes=\{0: 1, 1: 0\}"
    ):
        load(table)

    cells = load(table, classes={0: 1, 1: 0})
    assert cells.target.tolist() == [1] * 10 + [0] * 10
    table["label"] = cells.target
    assert load(table).target.tolist() == [1] * 10 + [0] * 10


def test_nearly_all_labels_are_enough(by_class):
    # 9 of 10 in each folder.
    table = pd.DataFrame({"path": by_class, "label": [1] + [0] * 9 + [0] + [1] * 9})

    with pytest.raises(ValueError, match="reversed: 18 of 20"):
        load(table)


def test_some_labels_that_contradict_their_folders_are_warned_of(by_class):
    labels = [1] * 9 + [0] + [0] * 10
    table = pd.DataFrame({"path": by_class, "label": labels})

    with pytest.warns(
        UserWarning, match=r"1 of 20 images.*Parasitized/C9_a.png \(uninfected\)"
    ):
        cells = load(table)

    assert cells.target.tolist() == labels


def test_folders_of_infected_patients_may_hold_uninfected_cells(tmp_path):
    # Of one infected and one healthy patient; most cells of the first are uninfected.
    names = [f"infected/{i}.png" for i in range(20)] + ["healthy/1.png"]
    for seed, name in enumerate(names):
        save_cell(tmp_path / name, seed)
    table = pd.DataFrame(
        {"path": names, "label": [1] + [0] * 20, "patient": ["x"] * 20 + ["y"]}
    )

    with pytest.warns(UserWarning, match="19 of 21 images are in a class folder"):
        assert load(table, root=tmp_path).target.sum() == 1


def test_folders_of_one_letter_contradict_nothing(tmp_path):
    for seed, name in enumerate(["n/a.png", "n/b.png"]):
        save_cell(tmp_path / name, seed)
    table = pd.DataFrame({"path": ["n/a.png", "n/b.png"], "label": [1, 0]})

    assert load(table, root=tmp_path, patient_of=None).target.tolist() == [1, 0]


def test_life_stages_in_another_order_are_an_error(tmp_path):
    stages = ["ring", "schizont", "trophozoite"]
    names = [f"{stage}/{i}.png" for stage in stages for i in range(2)]
    for seed, name in enumerate(names):
        save_cell(tmp_path / name, seed)
    table = pd.DataFrame({"path": names, "label": [0, 0, 1, 1, 2, 2]})
    options = {"root": tmp_path, "patient_of": None}

    assert load(table, classes=stages, **options).target.tolist() == [0, 0, 1, 1, 2, 2]
    with pytest.raises(
        ValueError, match="another order: 6 of 6 images are in a folder"
    ):
        load(table, classes=["schizont", "trophozoite", "ring"], **options)
    with pytest.warns(
        UserWarning, match=r"4 of 6 images .*trophozoite/0.png \(schizont"
    ):
        load(table, classes=["ring", "trophozoite", "schizont"], **options)


def test_a_dict_that_swaps_the_classes_is_an_error(by_class):
    folder = by_class[0].parent.parent

    with pytest.raises(ValueError, match="reversed: 20 of 20"):
        load({0: folder / "Parasitized", 1: folder / "Uninfected"})


# --- CSV files ---------------------------------------------------------------------


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_paths_in_a_csv_file_start_from_its_folder(
    flat, tmp_path, monkeypatch, separator, start
):
    lines = ["path,label,patient", "a.png,P,007", "b.png,U,7", "c.png,P,1e3"]
    text = "\n".join(lines).replace(",", separator)
    (flat / "cells.csv").write_text(start + text, "utf-8")
    monkeypatch.chdir(tmp_path)

    for path in (flat / "cells.csv", "flat/cells.csv"):
        cells = load(path)

        assert cells.target.tolist() == [1, 0, 1]
        assert cells.groups.tolist() == ["007", "7", "1e3"]
        assert cells.filenames.tolist() == [str(flat / name) for name in FILES[:3]]


def test_paths_in_a_csv_file_may_start_elsewhere(flat, tmp_path):
    (tmp_path / "cells.csv").write_text("file,class,patient\na.png,1,x\nb.png,0,y\n")

    assert load(tmp_path / "cells.csv", root=flat).target.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"path,label\na.png,1\n\xff.png,0\n", "cannot be read as a UTF-8 table"),
        (b"", "cannot be read as a UTF-8 table"),
        (b"path,label\n", "is an empty table"),
        (b"path,label,patient\na.png,1,\nb.png,0,x\n", "'patient' has 1 missing value"),
        (b"path,label\na.png,\n", "'label' has"),
        (b"path,label\na.png,1,too,many\n", "cannot be read as a UTF-8 table"),
    ],
)
def test_a_wrong_csv_file_is_an_error(tmp_path, content, message):
    (tmp_path / "cells.csv").write_bytes(content)

    with pytest.raises(ValueError, match=message):
        load(tmp_path / "cells.csv")


def test_relative_paths_of_a_table_start_from_the_working_directory(flat, monkeypatch):
    monkeypatch.chdir(flat)
    table = pd.DataFrame({"path": FILES, "label": LABELS, "patient": FILES})

    assert load(table).filenames.tolist() == FILES


@pytest.mark.parametrize(
    ("root", "error"), [("nowhere", FileNotFoundError), (3, TypeError)]
)
def test_a_wrong_root_is_an_error(flat, root, error):
    with pytest.raises(error, match="root="):
        load(pd.DataFrame({"path": FILES, "label": LABELS}), root=root)


def test_root_is_not_for_folders(flat):
    with pytest.raises(ValueError, match="`root` is for tables, lists"):
        load(flat, root=flat)


# --- lists and patterns ------------------------------------------------------------


@pytest.mark.parametrize("kind", [list, tuple, np.array, pd.Series, pd.Index])
def test_paths_in_class_folders_keep_their_order(cell_folder, kind):
    paths = [str(cell_folder / "cell_images" / CELLS[i]) for i in (3, 0, 2)]

    cells = load(kind(paths))

    assert cells.filenames.tolist() == paths
    assert cells.target.tolist() == [0, 1, 0]
    assert cells.groups.tolist() == [30, 1, 1]


def test_a_pattern_finds_what_a_folder_holds(cell_folder, monkeypatch):
    expected = load(cell_folder)
    monkeypatch.chdir(cell_folder)

    for pattern, options in (
        (f"{cell_folder}/**/*.*", {}),
        ("cell_images/*/C*", {}),
        ("*/*", {"root": cell_folder / "cell_images"}),
    ):
        cells = load(pattern, **options)
        np.testing.assert_array_equal(cells.images, expected.images)
        np.testing.assert_array_equal(cells.target, expected.target)


def test_a_pattern_with_a_nul_is_an_error():
    with pytest.raises(ValueError, match="is not a valid pattern"):
        load("cells\0/*.png")


def test_a_pattern_without_files_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not match any file"):
        load(f"{tmp_path}/*.png")


def test_paths_say_splits_and_patients(tmp_path):
    names = ["train/Parasitized/anna/1.png", "test/Uninfected/bela/1.png"]
    for seed, name in enumerate(names):
        save_cell(tmp_path / name, seed)

    cells = load(names, root=tmp_path)

    assert cells.split.tolist() == ["train", "test"]
    assert cells.groups.tolist() == ["anna", "bela"]


def test_folders_above_all_paths_say_nothing(tmp_path):
    # The folder 1 that holds everything is no class.
    names = ["1/Parasitized/C1.png", "1/Uninfected/C2.png"]
    for seed, name in enumerate(names):
        save_cell(tmp_path / name, seed)

    assert load(names, root=tmp_path).target.tolist() == [1, 0]


def test_paths_of_one_class_are_an_error(cell_folder):
    paths = [cell_folder / "cell_images" / name for name in CELLS[:2]]

    with pytest.raises(ValueError, match="Found no uninfected cell among 2 image"):
        load(paths)


def test_paths_without_classes_are_an_error_that_says_what_to_do(flat):
    paths = [flat / name for name in FILES]

    with pytest.raises(ValueError, match=r"4 of 4 paths.*a\.png.*labels=False.*'flat'"):
        load(paths)

    assert load(paths, labels=False).target is None


@pytest.mark.parametrize(
    ("paths", "error", "message"),
    [
        ([], ValueError, "path is an empty list"),
        ([3], TypeError, "path holds 3: expected paths"),
        ([""], TypeError, "path holds '': expected paths"),
    ],
)
def test_wrong_lists_are_an_error(paths, error, message):
    with pytest.raises(error, match=message):
        load(paths)


# --- dicts -------------------------------------------------------------------------


def test_a_dict_has_folders_patterns_and_lists(flat, tmp_path):
    for seed, name in enumerate(["sick/anna/1.png", "sick/bela/1.png"], start=9):
        save_cell(tmp_path / name, seed)

    cells = load(
        {"infected": tmp_path / "sick", "healthy": [flat / "a.png", flat / "b.png"]},
        patient_of=None,
    )
    assert cells.target.tolist() == [1, 1, 0, 0]

    cells = load({1: "sick", 0: "flat/[ab].png"}, root=tmp_path, patient_of=None)
    assert cells.target.tolist() == [1, 1, 0, 0]


def test_folders_in_the_folders_of_a_dict_are_patients_or_splits(tmp_path):
    names = ["sick/train/anna/1.png", "sick/test/bela/1.png", "well/test/cora/1.png"]
    for seed, name in enumerate(names):
        save_cell(tmp_path / name, seed)

    cells = load({"infected": "sick", "healthy": "well"}, root=tmp_path)

    assert cells.groups.tolist() == ["bela", "anna", "cora"]
    assert cells.split.tolist() == ["test", "train", "test"]


def test_classes_of_a_dict_go_by_classes(flat):
    paths = {"ring": [flat / "a.png"], "none": [flat / "b.png"]}

    with pytest.raises(ValueError, match="path has unknown classes 'ring', 'none'"):
        load(paths)

    cells = load(paths, classes=["none", "ring"], patient_of=None)
    assert cells.target.tolist() == [1, 0]
    assert cells.target_names == ["none", "ring"]


@pytest.mark.parametrize(
    ("paths", "error", "message"),
    [
        ({}, ValueError, "has no image file"),
        ({"infected": 3}, TypeError, r"path\['infected'\] is 3: expected a folder"),
        (
            {"infected": "nowhere"},
            FileNotFoundError,
            "'nowhere' does not match any file",
        ),
        ({"infected": __file__}, ValueError, "a file: expected a folder"),
    ],
)
def test_wrong_dicts_are_an_error(paths, error, message):
    with pytest.raises(error, match=message):
        load(paths)


def test_a_dict_has_labels(flat):
    with pytest.raises(ValueError, match="with labels as keys"):
        load({1: flat, 0: flat}, labels=False)


def test_folders_deep_in_the_folders_of_a_dict_are_an_error_as_in_one_folder(tmp_path):
    for seed, name in enumerate(["par/A/s1/x.png", "par/B/s2/x.png", "un/C/s3/x.png"]):
        save_cell(tmp_path / name, seed)
    classes = {"par": 1, "un": 0}

    for path, options in (
        (tmp_path, {"classes": classes}),
        (sorted(tmp_path.rglob("*.png")), {"classes": classes}),
        (f"{tmp_path}/**/*.png", {"classes": classes}),
        ({"infected": tmp_path / "par", "healthy": tmp_path / "un"}, {}),
    ):
        with pytest.raises(ValueError, match=r"x\.png' is nested more"):
            load(path, **options)


@pytest.mark.parametrize("kind", ["folder", "list", "dict"])
def test_splits_that_contradict_each_other_are_an_error(tmp_path, kind):
    for seed, name in enumerate(["infected/train/test/1.png", "healthy/train/2.png"]):
        save_cell(tmp_path / name, seed)
    path = {
        "folder": tmp_path,
        "list": sorted(tmp_path.rglob("*.png")),
        "dict": {1: tmp_path / "infected", 0: tmp_path / "healthy"},
    }[kind]

    with pytest.raises(ValueError, match=r"several splits, 'train', 'test'"):
        load(path, patient_of=None)


def test_folders_of_classes_in_the_folders_of_a_dict_are_no_patients(tmp_path):
    for seed, name in enumerate(["a/1/1.png", "a/unsure/2.png", "b/2/3.png"]):
        save_cell(tmp_path / name, seed)
    paths = {"infected": tmp_path / "a", "healthy": tmp_path / "b"}

    cells = load(paths, classes={"unsure": None})

    assert cells.groups.tolist() == ["1", "2"]
    save_cell(tmp_path / "a" / "Uninfected" / "4.png", 4)
    with pytest.raises(ValueError, match=r"4\.png' is in a class folder, 'Uninf"):
        load(paths)


# --- places with odd names ---------------------------------------------------------


@pytest.mark.parametrize("folder", ["r[1]", "what?", "a*"])
def test_root_is_no_pattern(tmp_path, folder):
    for seed, name in enumerate(["infected/C1.png", "healthy/C2.png"]):
        save_cell(tmp_path / folder / name, seed)
        save_cell(tmp_path / "r1" / name, seed + 2)
        save_cell(tmp_path / "ab" / name, seed + 4)
        save_cell(tmp_path / "what!" / name, seed + 6)

    for path in ("*/*.png", {1: "infe*/*.png", 0: "heal*/*.png"}):
        cells = load(path, root=tmp_path / folder)

        expected = [str(tmp_path / folder / f"{name}") for name in CLASS_FILES]
        assert sorted(cells.filenames) == expected


CLASS_FILES = ["healthy/C2.png", "infected/C1.png"]


@pytest.mark.parametrize("litter", ["@eaDir", "__MACOSX", ".hidden"])
def test_litter_is_no_match_of_a_pattern(tmp_path, monkeypatch, litter):
    # The folder that is named is meant, whatever it is called.
    root = tmp_path / ".cells"
    for seed, name in enumerate(CLASS_FILES):
        save_cell(root / name, seed)
        save_cell((root / name).parent / litter / "C3.png", seed + 2)
    monkeypatch.chdir(tmp_path)

    for path, options in (
        (f"{root}/**/*.png", {}),
        (".cells/**/*.png", {}),
        ("./.cells//**/*.png", {}),
        ("**/*.png", {"root": root}),
        ({1: "infected/**/*.png", 0: "healthy/**/*.png"}, {"root": root}),
    ):
        assert sorted(load(path, **options).groups) == [1, 2]


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("", {}),
        (pd.DataFrame({"path": FILES, "label": LABELS}), {"root": ""}),
    ],
)
def test_text_of_no_length_is_not_the_working_directory(
    cell_folder, monkeypatch, path, options
):
    monkeypatch.chdir(cell_folder)

    name = next(iter(options), "path")
    with pytest.raises(ValueError, match=f"^{name}='' is not a path. Pass '.'"):
        load(path, **options)


# --- columns that play no part, and patients of two types --------------------------


def test_without_labels_no_column_of_labels_is_looked_for(flat):
    table = pd.DataFrame({"path": FILES, "class": LABELS, "target": [0, 1, 0, 1]})

    with pytest.raises(ValueError, match=r"'class', 'target' .*may all be the label"):
        load(table, root=flat, patient_of=None)
    assert load(table, root=flat, labels=False).target is None


def test_patients_of_mixed_types_are_an_error(flat):
    table = pd.DataFrame({"path": FILES, "label": LABELS, "patient": [1, "1", 2, 3]})

    with pytest.raises(ValueError, match=r"'patient' has patients of dif.* 1 and '1'"):
        load(table, root=flat)
    with pytest.raises(
        ValueError, match=r"^patient_of\(filenames\) has patients of di"
    ):
        load(
            table,
            root=flat,
            columns={"patient": None},
            patient_of=lambda filenames: [1, "1", 2, 3],
        )


@pytest.mark.parametrize("patients", [[1, 2.5, 3, 1], ["a", "B", "b", "a"]])
def test_patients_stay_what_they_are(flat, patients):
    table = pd.DataFrame({"path": FILES, "label": LABELS, "patient": patients})

    assert load(table, root=flat).groups.tolist() == patients


def test_a_patient_that_is_missing_is_an_error_from_a_function_too(flat):
    paths = {1: [flat / "a.png"], 0: [flat / "b.png"]}

    with pytest.raises(ValueError, match=r"^patient_of\(filenames\) has 1 missing"):
        load(paths, patient_of=lambda filenames: ["anna", None])


def test_a_folder_that_holds_both_classes_contradicts_no_label(tmp_path):
    names = [f"infected/imgs/{i}.png" for i in range(4)]
    for seed, name in enumerate(names):
        save_cell(tmp_path / name, seed)
    table = pd.DataFrame({"path": names, "label": LABELS})

    # Warnings are errors.
    assert load(table, root=tmp_path, patient_of=None).target.tolist() == LABELS


# --- values in messages ------------------------------------------------------------

CONTENT = b"\x89PNG of a patient" * 1000


@pytest.mark.parametrize(
    ("path", "options", "message"),
    [
        ({"Parasitized": CONTENT}, {}, r"^path\['Parasitized'\] is <17,000 bytes>: "),
        ({"Parasitized": [CONTENT]}, {}, r"^path\['Parasitized'\] holds <17,000 by"),
        ({CONTENT: "a"}, {}, "^path has unknown classes <17,000 bytes>"),
        ([CONTENT], {}, "^path holds <17,000 bytes>: expected paths"),
        ("a" * 10_000, {}, "^path='.* does not exist"),
        ("a*" * 10_000, {}, "^path='.* does not match any file"),
        (".", {"classes": CONTENT}, "^classes=<17,000 bytes>: expected"),
        (".", {"classes": [CONTENT]}, r"^classes=\[<17,000 bytes>\]: expected"),
        (".", {"classes": {"a": CONTENT}}, r"^classes\['a'\] is <17,000 bytes>: "),
        (["a"], {"root": CONTENT}, "^root=<17,000 bytes>: expected"),
        (".", {"columns": CONTENT}, "^columns=<17,000 bytes>, but"),
        (
            pd.DataFrame({"path": FILES, "label": LABELS}),
            {"patient_of": CONTENT},
            "^patient_of=<17,000 bytes>: expected",
        ),
        (
            pd.DataFrame({"path": FILES, "label": [1, 0, 0, CONTENT]}),
            {},
            "^The column 'label' has unknown classes '<17,000 bytes>'",
        ),
        (
            pd.DataFrame(0, [0], [f"column {i}" for i in range(1000)]),
            {},
            "It has 'column 0', .* and 990 more",
        ),
    ],
)
def test_messages_show_no_content_and_no_long_names(path, options, message):
    with pytest.raises((ValueError, TypeError, FileNotFoundError)) as caught:
        load(path, **options)

    assert re.search(message, str(caught.value))
    assert len(str(caught.value)) < 1000
