"""
A network in scikeras
=====================

`scikeras <https://www.adriangb.com/scikeras/>`__ wraps Keras models in scikit-learn's
interface. The functions in :mod:`malariafuse.networks` return plain Keras models, so it
can wrap them too. It is an optional extra:
``python -m pip install ".[scikeras]"``.

Prefer :class:`~malariafuse.classifiers.KerasImageClassifier` unless your code stands on
scikeras already: the limits at the end of this page do not apply to it.
"""

# %%
# scikeras calls the function with what it knows of the data as `meta`.

import numpy as np
from scikeras.wrappers import KerasClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold

from malariafuse.datasets import make_cell_images
from malariafuse.networks import build_convnet

cells = make_cell_images(200, n_patients=12, image_size=(24, 24), random_state=0)
# The networks take floating values in 0..1, and nothing converts them on the way.
images = cells.images.astype(np.float32) / 255


def network(meta, filters):
    """Build the network for one sigmoid output."""
    return build_convnet(meta["X_shape_"][1:], 1, filters=filters, dense_units=[16])


classifier = KerasClassifier(
    network,
    filters=4,
    loss="binary_crossentropy",
    optimizer="adam",
    epochs=2,
    verbose=0,
)

# %%
# A search over a parameter of the network. `cv` has to be given as an object, and
# `scoring` has to judge decisions: see below. From so few images and epochs the network
# learns next to nothing; this shows the way, not a result.

search = GridSearchCV(
    classifier,
    {"filters": [2, 4]},
    scoring="accuracy",
    cv=StratifiedGroupKFold(n_splits=2),
)
search.fit(images, cells.target, groups=cells.groups)
for parameters, score in zip(
    search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
):
    print(parameters, f"accuracy {score:.2f}")

# %%
# Probabilities are there, but scorers cannot use them: compute such a score yourself.

probability = search.predict_proba(images)[:, 1]
print(f"AUC on the training cells {roc_auc_score(cells.target, probability):.2f}")

# %%
# Limits
# ------
#
# Seen with scikeras 0.13, its last version, and scikit-learn 1.9:
#
# - scikit-learn does not see a classifier in it. ``cv=5`` silently splits without
#   regard to classes; scoring by ``"roc_auc"`` gives NaN; `CalibratedClassifierCV` and
#   the threshold classifiers fail.

from sklearn.base import is_classifier

is_classifier(classifier)

# %%
# - ``random_state=`` switches TensorFlow to deterministic operations for the rest of
#   the process, which slows all later training. It is left out here.
# - Importing it changes how Keras models are pickled everywhere in the process.
# - It knows neither patients nor thresholds, and a search over thresholds would train
#   for each.
