"""Validation of the patients of cells."""

from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from malariafuse._arrays import of_one_type, one_dimension, refuse_complex


def check_patients(
    groups: ArrayLike | None,
    n_cells: int | None,
    *,
    at_least: int = 1,
    name: str = "groups",
    unit: str = "patient",
) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return the index of the patient of each cell, and the sorted patients.

    If `n_cells` is None, the number of cells is not checked. Bytes are converted to
    strings, and numbers in an array of objects to one numeric type. Objects without an
    order are in the order of the cells.
    """
    if groups is None:
        raise ValueError(f"{name} is None: expected the {unit} of each cell.")
    # A string array would convert numbers to strings.
    known_type = hasattr(groups, "dtype")
    patients = one_dimension(groups, name, dtype=None if known_type else object)
    if n_cells is not None and len(patients) != n_cells:
        raise ValueError(
            f"{name} has {len(patients)} {unit}s for {n_cells} cells: expected one "
            "for each cell."
        )
    refuse_complex(patients, name)
    if pd.isna(patients).any():
        raise ValueError(
            f"{name} has {pd.isna(patients).sum()} missing values: expected the {unit} "
            "of each cell."
        )
    if patients.dtype.kind not in "biufUmM":
        patients = _of_one_kind(patients.tolist(), name, unit)
    try:
        cluster, names = pd.factorize(patients, sort=False)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name} has {unit}s that cannot be compared, such as {patients[0]!r}: "
            "expected numbers, strings, or objects with __eq__ and __hash__."
        ) from error
    names = np.asarray(names)
    try:
        order = np.argsort(names, kind="stable")
    except TypeError:  # objects without an order
        order = np.arange(len(names))
    if len(names) < at_least:
        raise ValueError(
            f"{name} has {len(names)} {unit}, {names[0]}: expected at least {at_least}."
        )
    return np.argsort(order)[cluster].astype(np.int64), names[order]


def for_each_cell(groups: Any, n_cells: int) -> Any:
    """Return `groups`, or a single label repeated for each cell."""
    if isinstance(groups, (str, bytes, Real, np.generic)):
        return [groups] * n_cells
    return groups


def _of_one_kind(patients: list[Any], name: str, unit: str) -> NDArray[Any]:
    """Return patients of dtype object as strings or numbers if possible."""
    kinds: dict[type[Any], Any] = {}
    for patient in patients:
        kinds.setdefault(kind_of_patient(patient), patient)
    if len(kinds) > 1:
        one, other, *_ = kinds.values()
        raise ValueError(
            f"{name} has {unit}s of different types, such as {one!r} and {other!r}: "
            "expected only strings or only numbers."
        )
    if str in kinds:
        patients = [
            patient.decode(errors="surrogateescape")
            if isinstance(patient, bytes)
            else str(patient)
            for patient in patients
        ]
    # Filled item by item, because NumPy would convert tuples to a 2-D array.
    objects = np.empty(len(patients), dtype=object)
    objects[:] = patients
    return of_one_type(objects) if Real in kinds else objects


def kind_of_patient(patient: Any) -> type[Any]:
    """Return the type of a patient, str for strings and Real for numbers."""
    if isinstance(patient, (str, bytes)):
        return str
    return Real if isinstance(patient, (Real, np.bool_)) else type(patient)
