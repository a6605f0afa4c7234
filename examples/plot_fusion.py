"""
Fusing branches, and judging each of them
=========================================

A classifier that fuses the image of a cell with handcrafted features, compared with
each of its branches alone and with the vote of two classifiers. All are measured on
patients that they were not trained on.

The cells are drawn, so the metrics show how to compare, not how well malaria is found;
see :ref:`results` for real cells.
"""

# %%
# Cells of twelve patients, eight to train on
# -------------------------------------------

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, recall_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from malariafuse import FeatureFusionClassifier, SpotFeatureExtractor
from malariafuse.datasets import make_cell_images
from malariafuse.metrics import specificity_score

cells = make_cell_images(1200, 12, image_size=(32, 32), random_state=0)
training = np.isin(cells.groups, np.unique(cells.groups)[:8])
X_train, y_train = cells.images[training], cells.target[training]
X_test, y_test = cells.images[~training], cells.target[~training]

# %%
# The fusion, and each branch alone
# ---------------------------------
#
# A fusion of one branch is that branch alone, trained in the same way: dropping
# branches from one classifier keeps everything else the same. On so few cells the image
# alone is hardly learned; with thousands it is.

fusion = FeatureFusionClassifier(
    [("rgb", "passthrough"), ("spots", SpotFeatureExtractor())],
    filters=8,
    fusion="gated",
    epochs=8,
    batch_size=32,
    compute_dtype="float32",
    random_state=0,
)
handcrafted = make_pipeline(
    SpotFeatureExtractor(), StandardScaler(), LogisticRegression(C=0.01, max_iter=500)
)
classifiers = {
    "image alone": clone(fusion).set_params(spots="drop"),
    "spots alone": clone(fusion).set_params(rgb="drop"),
    "fusion": fusion,
    "logistic regression on spots": handcrafted,
}

for classifier in classifiers.values():
    classifier.fit(X_train, y_train)

# %%
# The late fusion votes on the decisions of two of them. Fitted classifiers need not be
# fitted again for it.

late = VotingClassifier(
    [("network", FrozenEstimator(fusion)), ("spots", FrozenEstimator(handcrafted))],
    voting="soft",
)
classifiers["late fusion"] = late.fit(X_train, y_train)

rows = {}
for name, classifier in classifiers.items():
    probability = classifier.predict_proba(X_test)[:, 1]
    decided = probability >= 0.5
    rows[name] = {
        "recall": recall_score(y_test, decided),
        "specificity": specificity_score(y_test, decided),
        "accuracy": accuracy_score(y_test, decided),
        "AUC": roc_auc_score(y_test, probability),
    }
table = pd.DataFrame(rows).T
table.round(3)

# %%
# Drawn
# -----

figure, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
for metric, marker in zip(table, "o^sD", strict=True):
    ax.plot(table[metric], table.index, marker, label=metric)
ax.invert_yaxis()
ax.set(xlabel="score on 4 other patients (drawn cells)", title="Branches and fusions")
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
ax.grid(axis="x", alpha=0.3)

# %%
# What the fusion listened to
# ---------------------------
#
# A gated fusion weighs its branches for each cell anew.

weights = fusion.gate_weights(X_test)
names = [name for name, _ in fusion.branches_]
pd.DataFrame(weights, columns=names).groupby(
    np.where(y_test == 1, "parasitized", "uninfected")
).mean().round(3)
