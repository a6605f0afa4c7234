"""The table of the yardsticks, from stored probabilities."""

import numpy as np
import pandas as pd
import pytest
from _robustness_tables import markdown, seed_table, with_means

TARGET = np.array([0, 1, 0, 1, 0, 1, 0, 1])
PATIENTS = np.array([1, 1, 2, 2, 3, 3, 4, 4])
FAR = np.array([0, 1])  # labels of two cells of photographs


def folds(**of_sets):
    """Two folds: the cells of patients 1 and 2, and those of 3 and 4."""
    return [
        {
            "rows": np.arange(4 * i, 4 * i + 4),
            **{key.replace("_", "/", 1): of_set[i] for key, of_set in of_sets.items()},
            "photographs/masked": np.array([0.6 - i / 2, 0.4]),
        }
        for i in range(2)
    ]


def test_cells_are_pooled_and_photographs_averaged():
    clean = [np.array([0.1, 0.9, 0.2, 0.8]), np.array([0.3, 0.7, 0.75, 0.95])]
    table = seed_table(folds(folds_clean=clean), TARGET, PATIENTS, FAR, 1)
    # Of 16 pairs, only .75 against .7 is in the wrong order.
    assert table["AUC"]["folds/clean"] == 15 / 16
    assert table["accuracy"]["folds/clean"] == 7 / 8
    # The first fold has both in the wrong order, the second in the right one.
    assert table["AUC"]["photographs/masked"] == 0.5


def test_thresholds_of_a_fold_come_from_the_other():
    clean = [np.array([0.1, 0.99, 0.2, 0.3]), np.array([0.6, 0.97, 0.7, 0.98])]
    table = seed_table(folds(folds_clean=clean), TARGET, PATIENTS, FAR, 1)
    # For a specificity of .97, the second fold sets a threshold above .7, which .99 of
    # the first reaches and .3 does not. The first sets one of more than .2 and at most
    # .3, which all cells of the second reach.
    assert table["recall at t"]["folds/clean"] == 3 / 4
    assert table["specificity at t"]["folds/clean"] == 2 / 4


def test_losses_are_those_of_the_same_cells():
    clean = [np.array([0.1, 0.9, 0.2, 0.8]), np.array([0.3, 0.7, 0.75, 0.95])]
    # Of every third cell, 0, 3 and 6, two are uninfected.
    eroded = [np.array([0.1, 0.6]), np.array([0.65])]
    table = seed_table(
        folds(folds_clean=clean, masks_eroded=eroded), TARGET, PATIENTS, FAR, 3
    )
    assert table["AUC"]["masks/eroded"] == 1 / 2
    # As they are, .8 is above .1 and .75.
    assert table["AUC lost"]["masks/eroded"] == 1 - 1 / 2
    # At .5, cell 6 is taken for parasitized both before and after.
    assert table["accuracy"]["masks/eroded"] == pytest.approx(2 / 3)
    assert table["accuracy lost"]["masks/eroded"] == 0
    assert np.isnan(table["AUC lost"]["photographs/masked"])


def test_means_leave_out_the_cells_without_a_mask():
    table = pd.DataFrame(
        {"AUC": [0.9, 0.8, 0.6, 0.3, 0.5]},
        index=["folds/clean", "masks/a", "masks/b", "masks/natural", "corruptions/c"],
    )
    result = with_means(table)
    assert result["AUC"]["masks, mean"] == pytest.approx(0.7)
    assert result["AUC"]["corruptions, mean"] == 0.5


def test_markdown():
    table = pd.DataFrame({"AUC": [0.5, np.nan]}, index=["a", "b"])
    assert markdown(table) == "|  | AUC |\n| --- | --- |\n| a | 0.5000 |\n| b |  |"
