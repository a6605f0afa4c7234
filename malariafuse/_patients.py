"""The patient of each cell, whatever type it is given as."""

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
    """Return the number of each cell's patient, and the patients in sorted order.

    There are as many cells as patients in `groups` if `n_cells` is None.
    Bytes become text, and numbers in an array of objects numbers of one type. Patients
    that are objects without an order come in that of the cells.
    """
    if groups is None:
        raise ValueError(f"{name} is None: expected the {unit} of each cell.")
    # An array of text would take a number among texts for text.
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
            f"{name} has {pd.isna(patients).sum()} missing values: expected the "
            f"{unit} of every cell."
        )
    if patients.dtype.kind not in "biufUmM":
        patients = _of_one_kind(patients.tolist(), name, unit)
    try:
        cluster, names = pd.factorize(patients, sort=False)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name} has {unit}s that cannot be compared, such as {patients[0]!r}: "
            "expected numbers, text, or objects with __eq__ and __hash__."
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
    """Return `groups`, or one label in its place as often as there are cells."""
    if isinstance(groups, (str, bytes, Real, np.generic)):
        return [groups] * n_cells
    return groups


def _of_one_kind(patients: list[Any], name: str, unit: str) -> NDArray[Any]:
    """Return patients that are objects as text or numbers, if they are such."""
    kinds: dict[type[Any], Any] = {}
    for patient in patients:
        kinds.setdefault(kind_of_patient(patient), patient)
    if len(kinds) > 1:
        one, other, *_ = kinds.values()
        raise ValueError(
            f"{name} has {unit}s of different types, such as {one!r} and {other!r}: "
            "expected text only, or numbers only."
        )
    if str in kinds:
        patients = [
            patient.decode(errors="surrogateescape")
            if isinstance(patient, bytes)
            else str(patient)
            for patient in patients
        ]
    # Filled in: tuples, which an array of objects may hold, would become a table.
    objects = np.empty(len(patients), dtype=object)
    objects[:] = patients
    return of_one_type(objects) if Real in kinds else objects


def kind_of_patient(patient: Any) -> type[Any]:
    """Return the type of a patient, the same one for all text and for all numbers."""
    if isinstance(patient, (str, bytes)):
        return str
    return Real if isinstance(patient, (Real, np.bool_)) else type(patient)
