"""
Looking at what a classifier decides
====================================

How the training went, what each threshold would give, whose cells are missed, which
cells they are, and where in the image the network found what speaks for a parasite.

The cells are drawn, so the results show the displays, not how well malaria is found.
"""

# %%
# A network, and patients that it has not seen
# --------------------------------------------

import numpy as np
from sklearn.metrics import RocCurveDisplay

from malariafuse import ConvNetClassifier
from malariafuse.datasets import make_cell_images
from malariafuse.plotting import (
    GradCAMDisplay,
    ImageGridDisplay,
    PatientRecallDisplay,
    ThresholdCurveDisplay,
    TrainingCurvesDisplay,
)

cells = make_cell_images(2000, 40, image_size=(32, 32), random_state=0)
training = np.isin(cells.groups, np.unique(cells.groups)[:28])
classifier = ConvNetClassifier(
    epochs=12, batch_size=32, compute_dtype="float32", random_state=0
).fit(cells.images[training], cells.target[training])
X, y, patients = (
    array[~training] for array in (cells.images, cells.target, cells.groups)
)
probability = classifier.predict_proba(X)[:, 1]

# %%
# The training
# ------------

display = TrainingCurvesDisplay.from_estimator(classifier)

# %%
# Thresholds
# ----------
#
# The bands are 95 % intervals over patients. scikit-learn draws the ROC curve.

display = ThresholdCurveDisplay.from_predictions(
    y, probability, patients, random_state=0
)

# %%

display = RocCurveDisplay.from_predictions(y, probability)

# %%
# Patients
# --------

display = PatientRecallDisplay.from_predictions(y, probability, patients)

# %%
# The worst misses
# ----------------

display = ImageGridDisplay.from_predictions(
    X, y, probability, groups=patients, n_images=12
)

# %%
# Where the network looked
# ------------------------
#
# Bright places speak for a parasite.

surest = np.argsort(-probability)[:4]
display = GradCAMDisplay.from_estimator(classifier, X[surest], y[surest])
