"""Validation of labels, probabilities and patients of cells."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import roc_auc_score

from malariafuse._arrays import (
    as_array,
    as_labels,
    check_length,
    one_dimension,
    real_numbers,
)
from malariafuse._labels import positive_column
from malariafuse._parameters import POS_LABEL, check_parameter
from malariafuse._patients import check_patients
from malariafuse._warn import warn

_ROUNDING = 1e-6  # tolerance of probabilities beyond [0, 1]


@dataclass(frozen=True)
class Cells:
    """Validated labels, probabilities and clusters of cells.

    A cluster is the unit of resampling: a patient, or a cell if patients are unknown.
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
        """Sum `values`, one for each cell, by cluster."""
        sums = np.bincount(
            self.cluster, weights=values.astype(float), minlength=self.n_clusters
        )
        return sums.astype(float)


def check_cells(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    groups: ArrayLike | None,
    *,
    pos_label: Any = None,
    groups_optional: bool = False,
    both_classes: bool = True,
    n_patients: int = 2,
) -> Cells:
    """Return validated cells, or raise ValueError."""
    target = check_target(y_true, pos_label=pos_label)
    probability = check_probability(y_prob)
    check_length(probability, len(target), name="y_prob")
    if both_classes:
        check_both_classes(target, pos_label=pos_label)
    if groups is None and groups_optional:
        every_cell = np.arange(len(target))
        return Cells(target, probability, every_cell, every_cell, by_patient=False)
    cluster, names = check_patients(groups, len(target), at_least=n_patients)
    return Cells(target, probability, cluster, names, by_patient=True)


def warn_of_suspicious(cells: Cells, *, name: str = "y_prob") -> None:
    """Warn of probabilities that seem to be decisions, and of reversed labels."""
    target, probability = cells.target, cells.probability
    warn_of_decisions(probability, name=name, at_least=3)
    if len(np.unique(target)) < 2:
        return
    area = roc_auc_score(target, probability)
    if area < 0.5:
        warn(
            f"The ROC AUC is {area:.3f}, worse than chance: {name} is higher for "
            "uninfected than for parasitized cells. Check that the labels, pos_label "
            "or the columns of predict_proba are not reversed."
        )


def warn_of_decisions(
    values: NDArray[np.float64], *, name: str, at_least: int = 10
) -> None:
    """Warn of scores that seem to be decisions, unless there are few cells."""
    two = np.unique(values)
    if len(two) == 2 and len(values) >= at_least:
        warn(
            f"{name} has only two distinct values, {two[0]:g} and {two[1]:g}, which "
            "seem to be decisions. ROC AUC, calibration and thresholds require "
            "probabilities, such as those of predict_proba."
        )


def check_target(
    y_true: ArrayLike, *, name: str = "y_true", pos_label: Any = None
) -> NDArray[np.int64]:
    """Return labels as integers: 1 for the positive class, 0 for the other class.

    Without `pos_label`, labels must be 0 and 1, or booleans.
    """
    labels = as_labels(y_true, name)
    found = pd.unique(labels)
    check_parameter("pos_label", pos_label, POS_LABEL)
    if pos_label is None:
        # Strings are rejected first, so that "1" is not compared with 1.
        if labels.dtype.kind in "SUT" or not np.isin(labels, (0, 1)).all():
            raise ValueError(
                f"{name} has the labels {found[:4].tolist()}: expected 1 for a "
                "parasitized and 0 for an uninfected cell. Pass pos_label for other "
                "labels, such as pos_label='Parasitized'."
            )
        return labels.astype(np.int64)
    if len(found) > 2:
        raise ValueError(
            f"{name} has the labels {found[:4].tolist()}: expected two labels, one of "
            f"them pos_label={pos_label!r}."
        )
    # A single label may be the negative class, if it is of the same type.
    if len(found) == 2 or isinstance(pos_label, str) != isinstance(found[0], str):
        positive_column(pos_label, found)
    return np.array([label == pos_label for label in labels.tolist()], dtype=np.int64)


def check_probability(y_prob: ArrayLike) -> NDArray[np.float64]:
    """Return probabilities of the positive class as floats.

    A softmax in float32 or a mean of probabilities may exceed 1 by rounding. Values
    beyond [0, 1] by at most 1e-6 are clipped.
    """
    given = as_array(y_prob, "y_prob")
    if given.ndim == 2 and given.shape[1] == 2:
        raise ValueError(
            "y_prob has two columns: pass only the probability of the positive class, "
            "such as predict_proba(X)[:, 1]."
        )
    probability = real_numbers(one_dimension(given, "y_prob"), "y_prob")
    # Written so that NaN is also rejected.
    wrong = ~((probability >= -_ROUNDING) & (probability <= 1 + _ROUNDING))
    if wrong.any():
        where = int(wrong.argmax())
        raise ValueError(
            f"y_prob has {wrong.sum()} values that are not probabilities, such as "
            f"{probability[where]} at position {where}: expected numbers in [0, 1]."
        )
    return np.clip(probability, 0, 1)


def check_sample_weight(
    sample_weight: ArrayLike | None, n_samples: int, *, name: str = "sample_weight"
) -> NDArray[np.float64]:
    """Return a weight for each sample, 1 by default."""
    if sample_weight is None:
        return np.ones(n_samples)
    weight = real_numbers(one_dimension(sample_weight, name), name)
    check_length(weight, n_samples, name=name)
    if not (np.isfinite(weight) & (weight >= 0)).all():
        raise ValueError(
            f"{name} has negative values, NaN or infinity: expected finite "
            "non-negative numbers."
        )
    return weight


def check_scores(y_score: ArrayLike) -> NDArray[np.float64]:
    """Return finite scores as floats."""
    score = real_numbers(one_dimension(y_score, "y_score"), "y_score")
    if not np.isfinite(score).all():
        raise ValueError("y_score has NaN or infinity: expected finite numbers.")
    return score


def check_decisions(decisions: ArrayLike, n_cells: int) -> NDArray[np.bool_]:
    """Return validated decisions: whether each cell is called parasitized."""
    called = check_target(decisions, name="decisions")
    check_length(called, n_cells, name="decisions")
    return called == 1


def check_both_classes(
    target: NDArray[np.int64], *, name: str = "y_true", pos_label: Any = None
) -> None:
    """Raise ValueError unless there are positive and negative cells."""
    labels: tuple[object, object] = (1, 0)
    if pos_label is not None:
        labels = (repr(pos_label), f"other than {pos_label!r}")
    for code, kind, label in zip(
        (1, 0), ("parasitized", "uninfected"), labels, strict=True
    ):
        if not (target == code).any():
            raise ValueError(
                f"{name} has no {kind} cell (label {label}): expected cells of both "
                "classes."
            )
