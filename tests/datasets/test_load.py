import errno
import pickle
import shutil
import zipfile
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest

from malariafuse.datasets import ImageReadError, load_cell_images

from .conftest import CELLS, save_cell

SIZE = (16, 12)


def load(path, **options):
    return load_cell_images(path, **{"image_size": SIZE, "cache": False, **options})


# --- what is returned --------------------------------------------------------------


def test_a_folder_becomes_images_targets_groups_and_names(cell_folder):
    cells = load(cell_folder)

    assert cells.images.shape == (5, *SIZE, 3)
    assert cells.images.dtype == np.uint8
    assert cells.target.tolist() == [1, 1, 0, 0, 0]
    assert cells.target_names == ["uninfected", "parasitized"]
    assert cells.groups.tolist() == [1, 2, 1, 30, 30]
    assert [Path(name).name for name in cells.filenames] == [
        Path(c).name for c in CELLS
    ]
    assert all(Path(name).is_absolute() for name in cells.filenames)
    assert cells.refused == {}
    assert "5 images" in cells.DESCR
    assert "2 parasitized" in cells.DESCR


def test_the_same_cells_come_from_every_kind_of_source(cell_folder, zip_folder):
    expected = load(cell_folder)
    table = pd.DataFrame({"path": expected.filenames, "label": expected.target})

    for source in (
        str(cell_folder),
        cell_folder / "cell_images",
        zip_folder(cell_folder),
        table,
    ):
        cells = load(source)
        np.testing.assert_array_equal(cells.images, expected.images)
        np.testing.assert_array_equal(cells.target, expected.target)
        np.testing.assert_array_equal(cells.groups, expected.groups)


def test_names_in_a_zip_are_those_of_its_members(cell_folder, zip_folder):
    cells = load(zip_folder(cell_folder))

    assert cells.filenames.tolist() == [f"cell_images/{name}" for name in CELLS]


@pytest.mark.parametrize("n_jobs", [1, 2, None])
def test_threads_change_nothing(tmp_path, n_jobs):
    for seed in range(150):
        save_cell(
            tmp_path / ["Uninfected", "Parasitized"][seed % 2] / f"C{seed}.png", seed
        )

    cells = load(tmp_path, n_jobs=n_jobs)

    expected = load(tmp_path, n_jobs=3)
    assert len(cells.images) == 150
    np.testing.assert_array_equal(cells.images, expected.images)
    np.testing.assert_array_equal(cells.filenames, expected.filenames)


def test_threads_are_used_whatever_backend_is_in_force(cell_folder):
    with joblib.parallel_config(backend="loky", n_jobs=2):
        cells = load(cell_folder, n_jobs=None)

    np.testing.assert_array_equal(cells.images, load(cell_folder).images)


def test_keep_aspect_pads_with_black(cell_folder):
    cells = load(cell_folder, image_size=(64, 16), keep_aspect=True)

    assert not cells.images[:, 0].any()
    assert not cells.images[:, -1].any()
    assert cells.images[:, 32].any()


def test_a_progress_bar_is_shown_on_request(cell_folder, capsys):
    load(cell_folder)
    assert capsys.readouterr().err == ""

    load(cell_folder, verbose=True)
    assert "5/5" in capsys.readouterr().err


# --- layouts -----------------------------------------------------------------------


def test_case_and_litter_play_no_part(tmp_path):
    save_cell(tmp_path / "parasitized" / "C1.png", 0)
    save_cell(tmp_path / "UNINFECTED" / "C2.png", 1)
    for name in (".DS_Store", "._C1.png", "Thumbs.db", "desktop.ini"):
        (tmp_path / "parasitized" / name).write_bytes(b"litter")
    (tmp_path / "parasitized" / ".hidden").mkdir()
    (tmp_path / "parasitized" / ".hidden" / "C9.png").write_bytes(b"litter")
    (tmp_path / "README.txt").write_text("not a cell")

    assert load(tmp_path).groups.tolist() == [2, 1]


@pytest.mark.parametrize("packed", [False, True])
def test_a_nested_copy_does_not_double_the_cells(cell_folder, zip_folder, packed):
    outer = cell_folder / "cell_images"
    expected = load(cell_folder)
    shutil.copytree(outer, cell_folder / "copy")
    (cell_folder / "copy").rename(outer / "cell_images")

    cells = load(zip_folder(cell_folder) if packed else cell_folder)

    np.testing.assert_array_equal(cells.images, expected.images)


def test_a_nested_folder_with_other_cells_is_an_error(cell_folder):
    save_cell(cell_folder / "cell_images/cell_images/Parasitized/C9_new.png", 0)

    with pytest.raises(ValueError, match=r"holds 1 file.*not in the outer.*C9_new.png"):
        load(cell_folder)


def test_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="found no image"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("kept", "lost"), [("Parasitized", "uninfected"), ("Uninfected", "parasitized")]
)
def test_a_folder_with_one_class_is_an_error(tmp_path, kept, lost):
    save_cell(tmp_path / kept / "C1.png", 0)
    lost_folder = tmp_path / lost.capitalize()
    lost_folder.mkdir()

    with pytest.raises(ValueError, match=f"Found no {lost} cell among 1 image"):
        load(tmp_path)


def test_a_path_that_does_not_exist_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load(tmp_path / "nowhere")


def test_a_single_file_is_an_error_that_names_the_loader(cell_folder):
    with pytest.raises(ValueError, match=r"is not a folder, a zip.*ImageLoader"):
        load(cell_folder / "cell_images" / CELLS[0])


@pytest.mark.parametrize("path", [3, None, b"cells", {"cells"}])
def test_a_path_of_another_type_is_an_error(path):
    with pytest.raises(TypeError, match=f"path is of type {type(path).__name__}: exp"):
        load(path)


# --- zip files ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "../Parasitized/C1.png",
        "/Parasitized/C1.png",
        "Parasitized/../../C1.png",
        "C:/C1.png",
        "..\\C1.png",
    ],
)
def test_a_zip_that_points_out_of_itself_is_refused(cell_folder, zip_folder, name):
    packed = zip_folder(cell_folder)
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr(name, b"")

    with pytest.raises(ValueError, match="points outside of the archive"):
        load(packed, on_error="skip")


def test_a_damaged_member_is_refused(cell_folder, zip_folder):
    packed = zip_folder(cell_folder)
    data = bytearray(packed.read_bytes())
    data[data.index(b"\x89PNG") + 40] ^= 1
    packed.write_bytes(data)

    with pytest.raises(
        ImageReadError, match=r"C1P1ThinF_cell_1.png: damaged in the zip"
    ):
        load(packed)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_member_is_refused_however_it_is_packed(
    cell_folder, tmp_path, method
):
    packed = tmp_path / "cells.zip"
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name in CELLS:
            archive.write(cell_folder / "cell_images" / name, name)
        damaged = archive.getinfo(CELLS[0])
    data = bytearray(packed.read_bytes())
    # In the middle of the packed content of the first member.
    data[damaged.header_offset + damaged.compress_size // 2] ^= 255
    packed.write_bytes(data)

    with pytest.raises(
        ImageReadError, match=r"C1P1ThinF_cell_1.png: damaged in the zip"
    ) as error:
        load(packed)
    assert list(error.value.refused) == [CELLS[0]]
    with pytest.warns(UserWarning, match="Skipped: 1 image"):
        assert len(load(packed, on_error="skip").images) == len(CELLS) - 1


def test_an_archive_that_cannot_be_read_blames_no_image(
    cell_folder, zip_folder, monkeypatch
):
    def fail(archive, member):
        raise OSError(errno.EIO, "Input/output error")

    packed = zip_folder(cell_folder)
    monkeypatch.setattr(zipfile.ZipFile, "open", fail)

    with pytest.raises(OSError, match="Input/output error"):
        load(packed, on_error="skip")


# --- tables ------------------------------------------------------------------------


def test_a_table_keeps_its_order_and_brings_its_patients(cell_folder):
    paths = [cell_folder / "cell_images" / name for name in CELLS]
    table = pd.DataFrame(
        {
            "path": [paths[4], paths[0], paths[3]],
            "label": ["Uninfected", "parasitized", "uninfected"],
            "patient": ["b", "a", "b"],
        },
        index=[7, 7, 1],
    )

    cells = load(table)

    assert cells.target.tolist() == [0, 1, 0]
    assert cells.groups.tolist() == ["b", "a", "b"]
    assert cells.filenames.tolist() == [str(path) for path in table["path"]]


@pytest.mark.parametrize("labels", [[1, 0], [True, False], [1.0, 0.0], ["1", "0"]])
def test_labels_of_a_table_may_be_numbers(cell_folder, labels):
    paths = [cell_folder / "cell_images" / name for name in (CELLS[0], CELLS[2])]

    assert load(pd.DataFrame({"path": paths, "label": labels})).target.tolist() == [
        1,
        0,
    ]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"scan": ["a"]}, r"without the column\(s\) \['label', 'path'\]"),
        ({"path": [], "label": []}, "is an empty"),
        (
            {"path": ["a", "b"], "label": ["sick", 0]},
            r"'label' has unknown classes 'sick'",
        ),
        ({"path": ["a", "b"], "label": [1, None]}, "'label' has"),
        ({"path": ["a", "b"], "label": [1, 1]}, "Found no uninfected cell"),
        (
            {"path": ["a", "b"], "label": [1, 0], "patient": [1, None]},
            "'patient' has 1 missing",
        ),
    ],
)
def test_a_wrong_table_is_an_error(columns, message):
    with pytest.raises(ValueError, match=message):
        load(pd.DataFrame(columns))


def test_a_table_without_paths_is_an_error():
    with pytest.raises(TypeError, match="'path' holds 3"):
        load(pd.DataFrame({"path": [3], "label": [1]}))


# --- patients ----------------------------------------------------------------------


@pytest.fixture
def nameless_folder(tmp_path):
    for seed, name in enumerate(["Parasitized/anna-1.png", "Uninfected/bela-1.png"]):
        save_cell(tmp_path / "own" / name, seed)
    return tmp_path / "own"


def test_names_without_patients_are_an_error_that_says_what_to_do(nameless_folder):
    with pytest.raises(ValueError, match=r"2 of 2 do not begin.*patient_of=None"):
        load(nameless_folder)


def test_patients_may_be_declared_unknown(nameless_folder):
    assert load(nameless_folder, patient_of=None).groups is None


def test_patients_may_be_found_by_a_function(nameless_folder):
    def first_name(filenames):
        return [Path(name).name.split("-")[0] for name in filenames]

    assert load(nameless_folder, patient_of=first_name).groups.tolist() == [
        "anna",
        "bela",
    ]


def test_a_function_that_forgets_patients_is_an_error(nameless_folder):
    with pytest.raises(ValueError, match=r"shape \(1,\) for 2 file names"):
        load(nameless_folder, patient_of=lambda filenames: [1])


# --- files that cannot be read -----------------------------------------------------


@pytest.fixture
def damaged_folder(cell_folder):
    """The five cells and two more files that are none."""
    folder = cell_folder / "cell_images"
    whole = (folder / CELLS[0]).read_bytes()
    (folder / "Parasitized" / "C8_truncated.png").write_bytes(whole[:-20])
    (folder / "Uninfected" / "C8_notes.txt").write_text("not an image")
    return cell_folder


def test_all_unreadable_files_are_counted_and_named_in_one_error(damaged_folder):
    with pytest.raises(ImageReadError, match=r"2 image\(s\) cannot be read") as caught:
        load(damaged_folder)

    assert [Path(name).name for name in caught.value.refused] == [
        "C8_truncated.png",
        "C8_notes.txt",
    ]
    assert "truncated PNG" in str(caught.value)
    assert "not a BMP, JPEG, PNG, TIFF image" in str(caught.value)


@pytest.mark.parametrize("cached", [False, True])
def test_skipped_files_are_counted_and_named_in_a_warning(
    damaged_folder, tmp_path, cached
):
    for _ in range(2):  # the second call of a cached one takes another way
        with pytest.warns(
            UserWarning, match=r"(?s)Skipped: 2 image.*C8_truncated.png"
        ) as seen:
            cells = load(
                damaged_folder,
                on_error="skip",
                cache=tmp_path / "cache" if cached else False,
            )
        assert seen[0].filename == __file__
        assert len(cells.refused) == 2
        assert len(cells.images) == len(cells.target) == len(cells.groups) == 5
        np.testing.assert_array_equal(cells.target, [1, 1, 0, 0, 0])

    if cached:
        with pytest.raises(ImageReadError):
            load(damaged_folder, cache=tmp_path / "cache")


def test_a_broken_link_is_refused_by_name(cell_folder):
    (cell_folder / "cell_images/Uninfected/C9.png").symlink_to("nowhere.png")

    with pytest.raises(ImageReadError, match=r"C9.png: No such file"):
        load(cell_folder)


def test_patients_of_a_table_lose_the_skipped_rows(damaged_folder):
    names = [CELLS[0], "Parasitized/C8_truncated.png", CELLS[3], "missing.png"]
    table = pd.DataFrame(
        {
            "path": [damaged_folder / "cell_images" / name for name in names],
            "label": [1, 1, 0, 0],
            "patient": list("abcd"),
        }
    )

    with pytest.warns(UserWarning, match=r"missing.png: No such file"):
        cells = load(table, on_error="skip")

    assert cells.groups.tolist() == ["a", "c"]


def test_a_class_is_never_skipped_as_a_whole(cell_folder):
    for name in CELLS[:2]:
        (cell_folder / "cell_images" / name).write_bytes(b"")

    with pytest.raises(ImageReadError, match="2 image"):
        load(cell_folder, on_error="skip")


def test_the_error_pickles_and_cuts_long_lists():
    error = pickle.loads(
        pickle.dumps(ImageReadError({f"{i}.png": "why" for i in range(25)}))
    )

    assert len(error.refused) == 25
    assert "25 image(s)" in str(error)
    assert "and 5 more" in str(error)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("on_error", "ignore"),
        ("on_error", np.array(["raise", "skip"])),
        ("image_size", 48),
        ("image_size", (0, 1)),
        ("keep_aspect", "yes"),
        ("keep_aspect", np.array([True, False])),
        ("n_jobs", 0),
        ("n_jobs", "all"),
        ("verbose", np.array([True, False])),
        ("labels", np.array([True, False])),
    ],
)
def test_wrong_parameters_are_named(cell_folder, option, value):
    with pytest.raises(ValueError, match=f"^{option}=.*: expected "):
        load(cell_folder, **{option: value})


# --- real cells --------------------------------------------------------------------


@pytest.mark.real_data
def test_real_cells_load_once_and_then_come_from_the_cache(real_cells_zip, tmp_path):
    cells = load_cell_images(real_cells_zip, image_size=(32, 32), cache=tmp_path)

    assert len(cells.images) in (13_884, 27_558)
    assert len(np.unique(cells.groups)) in (100, 200)
    assert cells.target.mean() == pytest.approx(0.5, abs=0.01)
    # The background is black, the cells are not.
    assert (cells.images[:, 0, 0] == 0).all(axis=-1).mean() > 0.95
    assert cells.images[:, 16, 16].mean() > 100

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("malariafuse.datasets._reading.read_images", None)
        again = load_cell_images(real_cells_zip, image_size=(32, 32), cache=tmp_path)
    assert isinstance(again.images, np.memmap)
    np.testing.assert_array_equal(again.images, cells.images)
