"""Probabilities of ``robustness.py``, adapted to slides without labels."""

import numpy as np
import pandas as pd
from _robustness_tables import CLEAN

from malariafuse.model_selection import SlideAdapter

THRESHOLD = 0.5
PHOTOGRAPHS = "photographs/"


def adapted(folds, target, patients, photographs, step, min_cells=30):
    """Return the folds with the probabilities of each patient or photograph adapted.

    The adapter of a fold learns from the patients of the others, out of fold.
    """
    result = []
    for i, fold in enumerate(folds):
        others = [other for j, other in enumerate(folds) if j != i]
        rows = np.concatenate([other["rows"] for other in others])
        adapter = SlideAdapter(threshold=THRESHOLD, min_cells=min_cells).fit(
            target[rows],
            np.concatenate([other[CLEAN] for other in others]),
            patients[rows],
        )
        result.append(
            {
                key: values
                if key == "rows"
                else adapter.adapt(
                    values, slides_of(key, fold, patients, photographs, step)
                )
                for key, values in fold.items()
            }
        )
    return result


def slides_of(key, fold, patients, photographs, step):
    """Return the photograph or the patient of each cell of a set."""
    if key.startswith(PHOTOGRAPHS):
        return photographs
    rows = fold["rows"]
    return patients[rows if key == CLEAN else rows[rows % step == 0]]


def false_positive_rates(folds, target, patients, of_photographs, photographs):
    """Return mean and spread over patients, and over photographs, of each fold's mean.

    Returns
    -------
    DataFrame
        One row for the cells as they are, and for each way to cut photographs.
    """
    table = {}
    for key in folds[0]:
        if key == CLEAN:
            table[key] = false_positive_rate(
                np.concatenate([target[fold["rows"]] for fold in folds]),
                np.concatenate([fold[key] for fold in folds]),
                np.concatenate([patients[fold["rows"]] for fold in folds]),
            )
        elif key.startswith(PHOTOGRAPHS):
            each = [
                false_positive_rate(of_photographs, fold[key], photographs)
                for fold in folds
            ]
            table[key] = pd.DataFrame(each).mean()
    return pd.DataFrame(table).T


def false_positive_rate(target, probability, slide, threshold=THRESHOLD):
    """Return the mean and the spread of the rates of the slides."""
    healthy = target == 0
    called = pd.Series(probability[healthy] >= threshold)
    rates = called.groupby(slide[healthy]).mean()
    return {"false-positive rate": rates.mean(), "its spread": rates.std()}
