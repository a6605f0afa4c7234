import re
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from malariafuse.datasets import patient_ids


@pytest.mark.parametrize(
    ("name", "patient"),
    [
        ("C39P4thinF_original_IMG_20150622_110115_cell_26.png", 39),
        ("C241NThinF_IMG_20151207_124240_cell_1.png", 241),
        ("C47P8thinOriginalOlympusCX21_Capture_4_cell_9.png", 47),
        ("cell_images/Parasitized/C100P61ThinF_cell_1.png", 100),
        (r"C:\data\C12 old\C7_1.png", 7),
    ],
)
def test_the_patient_is_the_number_after_the_leading_c(name, patient):
    assert patient_ids([name]).tolist() == [patient]
    assert patient_ids(np.array([name], dtype=object)).tolist() == [patient]


def test_paths_are_names_too():
    ids = patient_ids([Path("a/C5P1_cell_1.png"), Path("C6P1_cell_1.png")])

    assert ids.tolist() == [5, 6]
    assert ids.dtype == np.int64


def test_no_names_have_no_patients():
    assert patient_ids([]).shape == (0,)


def test_names_without_patient_are_counted_and_named():
    names = ["C1_1.png", "cell_1.png", "c2_1.png", "C3/1.png"]

    with pytest.raises(ValueError, match="filenames: 3 of 4 do not") as caught:
        patient_ids(names)

    assert all(repr(name) in str(caught.value) for name in names[1:])


def test_long_lists_of_wrong_names_are_cut():
    with pytest.raises(ValueError, match=r"filenames: 9 of 9 do not.*and 4 more"):
        patient_ids(["x.png"] * 9)


@pytest.mark.parametrize(
    ("filenames", "message"),
    [
        (3, "filenames is of type int: expected a list of file names"),
        (None, "filenames is of type NoneType"),
        (np.array("C1.png"), "filenames is of type ndarray"),
        (["C1.png", 3], r"filenames\[1\] is of type int"),
        ([b"C1.png"], r"filenames\[0\] is of type bytes"),
        ([["C1.png"]], r"filenames\[0\] is of type list"),
        (np.array([["C1.png"]]), r"filenames\[0\] is of type ndarray"),
        ([None], r"filenames\[0\] is of type NoneType"),
    ],
)
def test_what_is_no_list_of_names_is_an_error(filenames, message):
    with pytest.raises(TypeError, match=message):
        patient_ids(filenames)


def test_numbers_beyond_int64_are_no_patients():
    assert patient_ids([f"C{10**18 - 1}.png"]).tolist() == [10**18 - 1]
    with pytest.raises(ValueError, match="filenames: 1 of 1 do not begin"):
        patient_ids([f"C{10**18}.png"])


def test_the_content_of_a_file_is_not_shown():
    with pytest.raises(
        TypeError, match="filenames is a single name, <5,000 bytes>: exp"
    ):
        patient_ids(b"C1..." * 1000)


def test_one_name_is_no_list_of_names():
    with pytest.raises(TypeError, match=re.escape("Pass [filenames]")):
        patient_ids("C1P1_cell_1.png")


@given(
    st.integers(0, 10**6),
    st.text(st.characters(exclude_characters="/\\", codec="utf-8"), max_size=9).filter(
        lambda text: not text[:1].isdigit()
    ),
    st.sampled_from(["", "folder/", "C9/", "a\\C8\\"]),
)
def test_whatever_surrounds_the_number_plays_no_part(number, rest, folder):
    assert patient_ids([f"{folder}C{number}{rest}"]).tolist() == [number]


@pytest.mark.real_data
def test_real_names_tell_their_patients(real_cells_zip):
    with ZipFile(real_cells_zip) as archive:
        names = [name for name in archive.namelist() if name.endswith(".png")]

    ids = patient_ids(names)

    infected = {
        patient
        for patient, name in zip(ids, names, strict=True)
        if "Parasitized/" in name
    }
    assert len(set(ids)) in (100, 200)
    assert len(infected) * 4 == len(set(ids)) * 3
