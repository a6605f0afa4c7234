"""
How good is a classifier, and how sure is that?
===============================================

From cells, labels and patients to metrics that can be believed: folds by patient,
intervals from resampled patients, a fair comparison, a threshold judged where it was
not chosen. Everything works on plain arrays, so any classifier will do; here are two
quick ones of scikit-learn's, on drawn cells.

.. note::
   The images are synthetic. The numbers below show how to measure, and say nothing
   about diagnostic quality.
"""

# %%
# Two classifiers
# ---------------
#
# Differences of blurred images show spots; the strongest responses of a cell, bright
# and dark, are its features. They take nothing from other cells, so they may be
# computed for all cells at once.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from malariafuse.datasets import make_cell_images
from malariafuse.evaluation import (
    compare,
    comparison_table,
    cross_validate_patients,
    label_issues,
    patient_table,
    summarize,
    threshold_table,
)
from malariafuse.model_selection import choose_threshold
from malariafuse.plotting import ImageGridDisplay

cells = make_cell_images(1200, n_patients=40, image_size=(32, 32), random_state=0)


def spots(images):
    """Return how strong the strongest spots of each cell are."""
    pixels = images / 255
    cell = pixels.sum(axis=-1, keepdims=True) > 0.25
    stain = np.nanmedian(np.where(cell, pixels, np.nan), axis=(1, 2), keepdims=True)
    pixels = np.where(cell, pixels, stain)
    features = []
    for width in (0.7, 1.2, 2, 3):
        fine = gaussian_filter(pixels, (0, width, width, 0))
        coarse = gaussian_filter(pixels, (0, 2 * width, 2 * width, 0))
        responses = (fine - coarse).reshape(len(images), -1, 3)
        features.append(np.percentile(responses, [0, 2, 98, 100], axis=1))
    return np.concatenate(features).transpose(1, 0, 2).reshape(len(images), -1)


features = spots(cells.images)
classifiers = {
    "logistic": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
    "trees": ExtraTreesClassifier(100, min_samples_leaf=3, random_state=0),
}

# %%
# Out of fold
# -----------
#
# Each cell is judged by a classifier that has seen no cell of its patient. The folds
# have equally many infected and healthy patients. How much they differ is a first sign
# of how much patients do.

results = {
    name: cross_validate_patients(
        classifier, features, cells.target, cells.groups, random_state=0
    )
    for name, classifier in classifiers.items()
}
probabilities = {name: result.y_prob for name, result in results.items()}
results["logistic"].table[
    ["patients", "cells", "recall", "specificity", "accuracy", "roc_auc"]
].round(3)

# %%
# With intervals
# --------------
#
# The bootstrap draws patients, not cells: the question is what happens with other
# patients. Drawing cells gives intervals that are too narrow, most of all for metrics
# in which few patients with many cells weigh much.

by_patient = summarize(
    cells.target, probabilities["logistic"], cells.groups, random_state=0
)
by_patient.round(3)

# %%

by_cell = summarize(cells.target, probabilities["logistic"], random_state=0)

_, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
rows = np.arange(len(by_patient))
for table, offset, color, label in (
    (by_patient, -0.15, "tab:blue", "patients drawn"),
    (by_cell, 0.15, "tab:orange", "cells drawn: too narrow"),
):
    axes.hlines(rows + offset, table["low"], table["high"], color=color, lw=3)
    axes.plot(table["value"], rows + offset, "o", color=color, label=label)
axes.set_yticks(rows, by_patient.index)
axes.invert_yaxis()
axes.set_xlabel("value and 95 % interval, synthetic images")
axes.legend()
plt.show()

# %%
# Whose cells are missed
# ----------------------
#
# A mean over cells hides the patient whose infection is missed.

patient_table(cells.target, probabilities["logistic"], cells.groups).head(5).round(2)

# %%
# Which classifier is better
# --------------------------
#
# The table for a report has a row for each classifier. Whether a difference is more
# than chance is another question: the same patients are hard for both, so that
# intervals may overlap although one classifier is reliably better. `compare` draws the
# same patients for both.

comparison_table(
    cells.target,
    probabilities,
    cells.groups,
    metrics=("precision", "recall", "roc_auc"),
    random_state=0,
).round(3)

# %%

compare(cells.target, probabilities, cells.groups, random_state=0).round(3)

# %%
# A threshold for a required recall
# ---------------------------------
#
# Chosen on the patients of the first three folds, for a recall of 0.9, and judged on
# those of the other two. On new patients the recall is higher or lower than
# required; the interval says by how much that may be.

result = results["logistic"]
chosen_on = result.fold <= 3
threshold = choose_threshold(
    cells.target[chosen_on], result.y_prob[chosen_on], min_recall=0.9
)
reported = summarize(
    cells.target[~chosen_on],
    result.y_prob[~chosen_on],
    cells.groups[~chosen_on],
    threshold=threshold,
    random_state=0,
)
reported.loc[["recall", "specificity"]].round(3)

# %%

table = threshold_table(cells.target, result.y_prob, cells.groups, random_state=0)
_, axes = plt.subplots(figsize=(7, 4), layout="constrained")
for name, color in (("recall", "tab:red"), ("specificity", "tab:blue")):
    axes.plot(table.index, table[name], color=color, label=name)
    axes.fill_between(
        table.index, table[f"{name}_low"], table[f"{name}_high"], color=color, alpha=0.2
    )
axes.axvline(threshold, color="black", ls="--", label="chosen for a recall of 0.9")
axes.set(xlabel="threshold", ylabel="value and 95 % band, synthetic images")
axes.legend()
plt.show()

# %%
# Labels to look at again
# -----------------------
#
# Cells whose label the out-of-fold probabilities contradict, the most contradicted
# first. With real cells some of them are labeled wrong; here the labels are right, and
# the classifier is not. Such cells are never removed from a test set.

issues = label_issues(cells.target, result.y_prob, cells.groups)
print(f"{len(issues)} of {len(cells.target)} cells")

ImageGridDisplay.from_label_issues(cells.images, issues, n_images=6)
plt.show()

# %%
# The effect of these labels, if all of them were wrong: the metrics with them,
# which are the ones to report, and without.

kept = ~np.isin(np.arange(len(cells.target)), issues.index)
pd.DataFrame(
    {
        "all cells": by_patient["value"],
        "without them": summarize(
            cells.target[kept],
            result.y_prob[kept],
            cells.groups[kept],
            random_state=0,
        )["value"],
    }
).round(3)
