"""Labels, probabilities and patients of cells, checked."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_consistent_length

_ROUNDING = 1e-6  # out of 0..1, of probabilities


@dataclass(frozen=True)
class Cells:
    """Labels, probabilities and clusters of cells, checked.

    A cluster is what a bootstrap draws: a patient, or a cell where patients are not
    known.
    """

    target: NDArray[np.int64]
    probability: NDArray[np.float64]
    cluster: NDArray[np.int64]
    names: NDArray[Any]
    by_patient: bool

    @property
    def n_clusters(self) -> int:
        return len(self.names)

    def sums(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Sum `values`, one for each cell, over the cells of each cluster."""
        sums = np.bincount(
            self.cluster, weights=values.astype(float), minlength=self.n_clusters
        )
        return sums.astype(float)


def check_cells(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    groups: ArrayLike | None,
    *,
    groups_optional: bool = False,
    both_classes: bool = True,
    n_patients: int = 2,
) -> Cells:
    """Return the cells, or raise ValueError that names the argument at fault."""
    target = check_target(y_true)
    probability = check_probability(y_prob)
    _check_lengths(y_true=target, y_prob=probability)
    if both_classes:
        check_both_classes(target)
    if groups is None and groups_optional:
        every_cell = np.arange(len(target))
        return Cells(target, probability, every_cell, every_cell, by_patient=False)
    cluster, names = check_patients(groups, len(target), at_least=n_patients)
    return Cells(target, probability, cluster, names, by_patient=True)


def check_target(y_true: ArrayLike, *, name: str = "y_true") -> NDArray[np.int64]:
    """Return labels as integers 0 and 1."""
    labels = _one_dimension(y_true, name)
    # Texts are refused before "1" is compared with 1.
    if labels.dtype.kind in "SU" or not np.isin(labels, (0, 1)).all():
        raise ValueError(
            f"{name} has the labels {pd.unique(labels)[:4].tolist()}: expected 1 for a "
            "parasitized and 0 for an uninfected cell. Convert others with, say, "
            f"({name} == 'Parasitized').astype(int)."
        )
    return labels.astype(np.int64)


def check_probability(y_prob: ArrayLike) -> NDArray[np.float64]:
    """Return probabilities of the positive class as floats.

    A softmax in float32, or a mean of probabilities, may round to more than 1: what is
    out of 0..1 by at most 1e-6 is clipped.
    """
    given = np.asarray(y_prob)
    if given.ndim == 2 and given.shape[1] == 2:
        raise ValueError(
            "y_prob has two columns: pass the probability of the positive class alone, "
            "as in predict_proba(X)[:, 1]."
        )
    try:
        probability = _one_dimension(given, "y_prob").astype(np.float64)
    except (TypeError, ValueError) as error:
        if given.ndim != 1 or not len(given):
            raise
        raise ValueError(
            f"y_prob is an array of {given.dtype}: expected numbers."
        ) from error
    # NaN is wrong, too.
    wrong = ~((probability >= -_ROUNDING) & (probability <= 1 + _ROUNDING))
    if wrong.any():
        where = int(wrong.argmax())
        raise ValueError(
            f"y_prob has {wrong.sum()} values that are no probabilities, the first is "
            f"{probability[where]} at position {where}: expected numbers between 0 "
            "and 1."
        )
    return np.clip(probability, 0, 1)


def check_patients(
    groups: ArrayLike | None,
    n_cells: int,
    *,
    at_least: int = 1,
    name: str = "groups",
) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return the number of each cell's patient, and the patients in sorted order."""
    if groups is None:
        raise ValueError(f"{name} is None: expected the patient of each cell.")
    patients = _one_dimension(groups, name)
    if len(patients) != n_cells:
        raise ValueError(
            f"{name} has {len(patients)} patients for {n_cells} cells: expected one "
            "for each cell."
        )
    if pd.isna(patients).any():
        raise ValueError(
            f"{name} has {pd.isna(patients).sum()} missing values: expected the "
            "patient of every cell."
        )
    cluster, names = pd.factorize(patients, sort=True)
    if len(names) < at_least:
        raise ValueError(
            f"{name} has {len(names)} patient, {names[0]}: expected at least "
            f"{at_least}."
        )
    return cluster.astype(np.int64), np.asarray(names)


def check_both_classes(target: NDArray[np.int64], *, name: str = "y_true") -> None:
    """Raise ValueError unless there are positive and negative cells."""
    for label, kind in ((1, "parasitized"), (0, "uninfected")):
        if not (target == label).any():
            raise ValueError(
                f"{name} has no {kind} cell (label {label}): expected cells of both "
                "classes."
            )


def check_share(
    value: float, name: str, *, zero: bool = True, one: bool = True
) -> None:
    """Raise ValueError unless `value` is a number in 0..1, its ends as allowed."""
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float, np.number))
        or not 0 <= value <= 1
        or (value == 0 and not zero)
        or (value == 1 and not one)
    ):
        ends = {
            (True, True): "",
            (False, False): ", both excluded",
            (False, True): ", 0 excluded",
            (True, False): ", 1 excluded",
        }[zero, one]
        raise ValueError(f"{name}={value!r}: expected a number between 0 and 1{ends}.")


def _check_lengths(**arrays: NDArray[Any]) -> None:
    try:
        check_consistent_length(*arrays.values())
    except ValueError as error:
        sizes = " and ".join(f"{name} {len(a)}" for name, a in arrays.items())
        raise ValueError(f"Different numbers of cells: {sizes}.") from error


def _one_dimension(values: ArrayLike, name: str) -> NDArray[Any]:
    array = np.asarray(values)
    if array.ndim != 1 or not len(array):
        raise ValueError(
            f"{name} has the shape {array.shape}: expected one value for each cell, "
            "of at least one cell."
        )
    return array
