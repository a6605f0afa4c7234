"""Patients of images, by column, file name, folder or function."""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from malariafuse._arrays import as_array
from malariafuse._patients import check_patients
from malariafuse._shown import short_repr
from malariafuse.datasets._classes import Classes, class_key
from malariafuse.datasets._layout import SPLITS
from malariafuse.datasets._listing import (
    Listing,
    folder_name,
    list_some,
    name_some,
)
from malariafuse.datasets._patients import patient_ids

PatientOf = str | Callable[[Sequence[str]], ArrayLike] | None

# More specific than C and a number, which may be the number of a cell.
_SURELY_A_PATIENT = re.compile(r"C[0-9]+[PN][0-9]*[^0-9]")
_ADVICE = (
    "Pass patient_of='folder' if the folder of each file is its patient, or a function "
    "of the file names as `patient_of`. Pass patient_of=None if patients are unknown. "
    "Cells of one patient may then be in both parts of a split, which makes metrics "
    "too optimistic."
)


def check_patient_of(patient_of: Any, listing: Listing) -> None:
    """Raise if `patient_of` is invalid for the images of `listing`."""
    if isinstance(patient_of, str) and patient_of not in ("auto", "folder"):
        raise ValueError(
            f"patient_of={short_repr(patient_of)}: expected 'auto', 'folder', a "
            "function of the file names, or None."
        )
    if not (patient_of is None or isinstance(patient_of, str) or callable(patient_of)):
        raise TypeError(
            f"patient_of={short_repr(patient_of)}: expected 'auto', 'folder', a "
            "function of the file names, or None."
        )
    if listing.patients is not None and patient_of != "auto":
        raise ValueError(
            "Patients are defined by both the column "
            f"{short_repr(listing.patient_column)} of the table and `patient_of`. Do "
            "not pass `patient_of`, or pass columns={'patient': None}."
        )


def find_groups(
    listing: Listing, patient_of: PatientOf, classes: Classes, remarks: list[str]
) -> NDArray[Any] | None:
    """Return the patient of each image, and append warnings to `remarks`."""
    if listing.patients is not None:
        groups = _of_one_kind(
            listing.patients, f"The column {short_repr(listing.patient_column)}"
        )
        remarks += _column_against_names(listing)
        return groups
    if patient_of is None:
        return None
    if callable(patient_of):
        return _by_function(listing.names, patient_of)
    if patient_of == "folder":
        return _by_folder(listing, classes)
    return _by_name_or_folder(listing, classes)


def describe_patients_on_both_sides(
    groups: NDArray[Any], split: NDArray[Any]
) -> list[str]:
    """Return warnings about patients in several parts of a split."""
    sides = defaultdict(set)
    for patient, side in zip(groups.tolist(), split.tolist(), strict=True):
        sides[patient].add(side)
    several = [
        f"{patient} ({list_some(sorted(on), 3)})"
        for patient, on in sides.items()
        if len(on) > 1
    ]
    if not several:
        return []
    return [
        f"{len(several)} of {len(sides)} patients are in several parts of the split, "
        f"which makes metrics too optimistic: {name_some(several)}. Split by patient "
        "instead, for example with PatientKFold of malariafuse.model_selection."
    ]


def _by_function(
    names: Sequence[str], patient_of: Callable[[Sequence[str]], ArrayLike]
) -> NDArray[Any]:
    returned = patient_of(names)
    # As objects, because a string array would convert numbers to strings.
    known_type = hasattr(returned, "dtype")
    patients = as_array(
        returned, "patient_of(filenames)", None if known_type else object
    )
    if patients.shape != (len(names),):
        raise ValueError(
            f"patient_of returned an array of shape {patients.shape} for {len(names)} "
            "file names: expected one patient for each."
        )
    return _of_one_kind(patients, "patient_of(filenames)")


def _of_one_kind(patients: ArrayLike, name: str) -> NDArray[Any]:
    """Return patients as an array of numbers or strings, or raise."""
    number, known = check_patients(patients, None, name=name)
    groups = known[number]
    if isinstance(groups[0], str):
        # A string array drops trailing NUL characters.
        text = groups.astype(str)
        return text if (text == groups).all() else groups
    return groups


def _by_folder(listing: Listing, classes: Classes) -> NDArray[Any]:
    folders = listing.folders or [folder_name(name) for name in listing.names]
    # Folders of classes and splits are not folders of patients.
    wrong = [
        name
        for name, folder in zip(listing.names, folders, strict=True)
        if folder is None or _is_taken(folder, listing, classes)
    ]
    if wrong:
        raise ValueError(
            f"patient_of='folder', but {len(wrong)} of {len(folders)} files are not in "
            f"a folder of a patient: {name_some(wrong)}."
        )
    return np.array(folders)


def _is_taken(folder: str, listing: Listing, classes: Classes) -> bool:
    if listing.folders is not None and listing.target is not None:
        return False  # inside the class folder
    key = class_key(folder)
    return key in SPLITS or key in classes.words()


def _by_name_or_folder(listing: Listing, classes: Classes) -> NDArray[Any] | None:
    names, folders = listing.names, listing.folders or [None] * len(listing.names)
    try:
        ids = patient_ids(names)
    except ValueError as error:
        if all(
            folder is not None and not _is_taken(folder, listing, classes)
            for folder in folders
        ):
            return np.array(folders)
        if listing.target is None:
            return None
        bare = [n for n, folder in zip(names, folders, strict=True) if folder is None]
        mixed = (
            f"{len(bare)} file(s) are directly in class folders, such as "
            f"{short_repr(bare[0])}, and the others in subfolders. "
            if len(bare) < len(names)
            else ""
        )
        raise ValueError(
            f"The patients are unknown: {error} {mixed}{_ADVICE}"
        ) from error
    by_folder = defaultdict(set)
    for folder, patient in zip(folders, ids.tolist(), strict=True):
        if folder is not None:
            by_folder[folder].add(patient)
    mixed_folders = [
        f"{folder} ({', '.join(f'C{i}' for i in sorted(found)[:3])}, ...)"
        for folder, found in by_folder.items()
        if len(found) > 1
    ]
    if mixed_folders and listing.target is not None:
        raise ValueError(
            "The patients are ambiguous: file names begin with 'C' and a number, like "
            "the patients of the NIH set, but subfolders of class folders have several "
            f"such numbers: {name_some(mixed_folders)}. Pass patient_of='folder' if "
            "each folder is a patient, or patient_of=malariafuse.datasets.patient_ids "
            "if each number is a patient."
        )
    return ids


def _column_against_names(listing: Listing) -> list[str]:
    """Return warnings about file names that contradict the column of patients."""
    files = [re.split(r"[/\\]", name)[-1] for name in listing.names]
    if not all(map(_SURELY_A_PATIENT.match, files)):
        return []
    said = defaultdict(set)
    for number, patient in zip(
        patient_ids(files).tolist(), listing.patients or [], strict=True
    ):
        said[number].add(patient)
    several = [
        f"C{number} ({name_some(sorted(map(str, on)), 3)})"
        for number, on in said.items()
        if len(on) > 1
    ]
    if not several:
        return []
    return [
        f"The column {short_repr(listing.patient_column)}, which is used, has several "
        f"patients for file names of one patient: {name_some(several)}. If the column "
        "has slides or cells, set another column by columns={'patient': ...}, or pass "
        "columns={'patient': None} to use the file names."
    ]
