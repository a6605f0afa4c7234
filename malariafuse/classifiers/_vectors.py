"""Functions from the vectors of a branch to an input of the network."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.utils import gen_batches
from sklearn.utils.validation import has_fit_parameter

from malariafuse._engine._data import Samples, Shape
from malariafuse._trees import BoostedTrees

# Number of vectors that are standardized at once.
_CHUNK = 1024
# In standard deviations. Larger values, for example in images of another laboratory,
# would dominate the other features.
_FARTHEST = 3.0
# Limit of log-odds, so that a single classifier cannot dominate: a probability of
# 0.9999.
_SUREST = 9.2


class VectorInput(Protocol):
    """Function from vectors to an input of the network, fitted once."""

    fitted: bool

    def shape(self, n_features: int, n_classes: int) -> Shape:
        """Return the shape of one sample of the input."""

    def fit(
        self, views: NDArray[np.float32], rows: NDArray[np.int64], samples: Samples
    ) -> None:
        """Fit to some rows of `views`, of shape (n_samples, n_views, n_features)."""

    def __call__(self, vectors: NDArray[Any]) -> NDArray[np.float32]:
        """Return the input for vectors of shape (n, n_features)."""

    def constants(self) -> dict[str, Any]:
        """Return the fitted constants, from which others compute the same input."""


class Standardized:
    """Standardized vectors for a dense layer."""

    def __init__(self) -> None:
        self.fitted = False

    def shape(self, n_features: int, n_classes: int) -> Shape:
        """Return the shape of one sample of the input."""
        return (n_features,)

    def fit(
        self, views: NDArray[np.float32], rows: NDArray[np.int64], samples: Samples
    ) -> None:
        """Fit to the first view, which is the view in prediction."""
        scaler = StandardScaler()
        for part in gen_batches(len(rows), _CHUNK):
            scaler.partial_fit(views[rows[part], 0])
        # Only these attributes of scikit-learn are stable across versions.
        self._mean, self._scale = scaler.mean_, scaler.scale_
        self.fitted = True

    def __call__(self, vectors: NDArray[Any]) -> NDArray[np.float32]:
        """Return the input for vectors of shape (n, n_features)."""
        scaled = (vectors - self._mean) / self._scale
        return np.clip(scaled, -_FARTHEST, _FARTHEST).astype(np.float32)

    def constants(self) -> dict[str, Any]:
        """Return the mean, the scale and the largest absolute value."""
        return {"mean": self._mean, "scale": self._scale, "largest": _FARTHEST}


class LogOdds:
    """Log-odds of a classifier of vectors.

    Parameters
    ----------
    classifier : classifier
        Unfitted classifier with ``predict_proba``.
    """

    def __init__(self, classifier: Any) -> None:
        self.fitted = False
        self.classifier = clone(classifier)

    def shape(self, n_features: int, n_classes: int) -> Shape:
        """Return the shape of one sample of the input."""
        return (1 if n_classes == 2 else n_classes,)

    def fit(
        self, views: NDArray[np.float32], rows: NDArray[np.int64], samples: Samples
    ) -> None:
        """Fit the classifier on all views."""
        codes, weights = samples.codes[rows], samples.weights[rows]
        n_views = views.shape[1]
        weighted = {}
        if has_fit_parameter(self.classifier, "sample_weight"):
            # Gradient boosting takes minutes longer to bin features with weights.
            if (weights != 1).any():
                weighted["sample_weight"] = np.repeat(weights, n_views)
        elif (weights != weights[0]).any():
            raise ValueError(
                f"vector_head={self.classifier!r} does not accept sample_weight in "
                "fit, but samples have different weights: do not pass sample_weight "
                "and class_weight, or use another classifier."
            )
        self.classifier.fit(
            views[rows].reshape(-1, views.shape[2]),
            np.repeat(codes, n_views),
            **weighted,
        )
        # As plain arrays, files do not depend on private classes of scikit-learn.
        if (
            type(self.classifier) is HistGradientBoostingClassifier
            and self.classifier.is_categorical_ is None
        ):
            self.classifier = BoostedTrees.of(self.classifier)
        self.fitted = True

    def __call__(self, vectors: NDArray[Any]) -> NDArray[np.float32]:
        """Return the input for vectors of shape (n, n_features)."""
        probability = self.classifier.predict_proba(
            vectors.astype(np.float32, copy=False)
        )
        logarithms = np.log(np.maximum(probability, np.finfo(np.float64).tiny))
        if logarithms.shape[1] == 2:
            logarithms = logarithms[:, 1:] - logarithms[:, :1]
        return np.clip(logarithms, -_SUREST, _SUREST).astype(np.float32)

    def constants(self) -> dict[str, Any]:
        """Return the classifier and the largest absolute value."""
        return {"classifier": self.classifier, "largest": _SUREST}
