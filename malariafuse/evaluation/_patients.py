"""Counts and metrics of each patient."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from malariafuse._cells import (
    check_cells,
    check_decisions,
    warn_of_suspicious,
)
from malariafuse._parameters import Reals, check_parameter
from malariafuse._texts import text_column


def patient_table(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    groups: ArrayLike,
    *,
    threshold: float = 0.5,
    decisions: ArrayLike | None = None,
    pos_label: Any = None,
) -> pd.DataFrame:
    """Tabulate the cells and the classifier's decisions by patient.

    Parameters
    ----------
    y_true : array-like of shape (n_cells,)
        True labels: 1 for a parasitized cell, 0 for an uninfected cell. Other labels
        require `pos_label`.
    y_prob : array-like of shape (n_cells,)
        Probability of the positive class, in [0, 1].
    groups : array-like of shape (n_cells,)
        Patient of each cell.
    threshold : float, default=0.5
        Decision threshold, in [0, 1]. A cell is called parasitized if its probability
        is at least the threshold.
    decisions : array-like of shape (n_cells,), default=None
        Decision for each cell: 1 if it is called parasitized, otherwise 0. None applies
        `threshold`, which is ignored if decisions are given.
    pos_label : int, float, bool or str, default=None
        Label of the positive (parasitized) class. None requires the labels 0 and 1, or
        booleans.

    Returns
    -------
    DataFrame of shape (n_patients, 8)
        One row for each patient, indexed by patient, in ascending order of recall and
        then specificity. The columns are:

        - "cells", "parasitized" and "uninfected": numbers of cells, by label;
        - "found": number of parasitized cells that are called parasitized;
        - "false_alarms": number of uninfected cells that are called parasitized;
        - "recall": NaN, and sorted last, for a patient without parasitized cells;
        - "specificity": NaN for a patient without uninfected cells;
        - "mean_probability": mean probability of the positive class over all cells.

    Raises
    ------
    ValueError
        If an argument is invalid.

    Warns
    -----
    UserWarning
        If `y_prob` has only two distinct values, or the ROC AUC is below 0.5.

    See Also
    --------
    PatientTest : Test whether patients are infected.
    cross_validate_patients : Compute out-of-fold probabilities and decisions.

    Examples
    --------
    >>> from malariafuse.evaluation import patient_table
    >>> y_true = [1, 1, 1, 0, 0, 0]
    >>> y_prob = [0.9, 0.2, 0.8, 0.1, 0.6, 0.3]
    >>> table = patient_table(y_true, y_prob, ["C7", "C7", "C9", "C9", "C3", "C3"])
    >>> table[["cells", "parasitized", "found", "recall", "specificity"]]
            cells  parasitized  found  recall  specificity
    patient
    C7          2            2      1     0.5          NaN
    C9          2            1      1     1.0          1.0
    C3          2            0      0     NaN          0.5
    """
    check_parameter("threshold", threshold, [Reals(0, 1)])
    cells = check_cells(
        y_true,
        y_prob,
        groups,
        pos_label=pos_label,
        both_classes=False,
        n_patients=1,
    )
    warn_of_suspicious(cells)
    positive = cells.target == 1
    called = (
        cells.probability >= threshold
        if decisions is None
        else check_decisions(decisions, len(positive))
    )

    def count(values: NDArray[Any]) -> NDArray[np.int64]:
        return cells.sums(values).astype(np.int64)

    table = pd.DataFrame(
        {
            "cells": count(np.ones(len(positive))),
            "parasitized": count(positive),
            "uninfected": count(~positive),
            "found": count(positive & called),
            "false_alarms": count(~positive & called),
        },
        index=pd.Index(text_column(cells.names), name="patient"),
    )
    table["recall"] = table["found"] / table["parasitized"]
    table["specificity"] = 1 - table["false_alarms"] / table["uninfected"]
    table["mean_probability"] = cells.sums(cells.probability) / table["cells"]
    return table.sort_values(["recall", "specificity"], kind="stable")
