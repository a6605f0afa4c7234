"""From the vectors of a branch to an input of a network."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.preprocessing import StandardScaler
from sklearn.utils import gen_batches
from sklearn.utils.validation import has_fit_parameter

from malariafuse._engine._data import Samples, Shape

# Vectors that are standardized at a time.
_CHUNK = 1024
# In standard deviations: what is further out, as in the images of another laboratory,
# would drown the other features.
_FARTHEST = 3.0
# A sure classifier would outvote all others; this is a probability of 0.9999.
_SUREST = 9.2


class VectorInput(Protocol):
    """Function from vectors to an input of a network, which is learned once."""

    fitted: bool

    def shape(self, n_features: int, n_classes: int) -> Shape:
        """Return the shape of one sample of the input."""

    def fit(
        self, views: NDArray[np.float32], rows: NDArray[np.int64], samples: Samples
    ) -> None:
        """Learn from some rows of `views`, (n_samples, n_views, n_features)."""

    def __call__(self, vectors: NDArray[Any]) -> NDArray[np.float32]:
        """Return the input for vectors of shape (n, n_features)."""

    def constants(self) -> dict[str, Any]:
        """Return what was learned and set, by which others compute the same."""


class Standardized:
    """Vectors of mean 0 and standard deviation 1, for a dense layer."""

    def __init__(self) -> None:
        self.fitted = False

    def shape(self, n_features: int, n_classes: int) -> Shape:
        """Return the shape of one sample of the input."""
        return (n_features,)

    def fit(
        self, views: NDArray[np.float32], rows: NDArray[np.int64], samples: Samples
    ) -> None:
        """Learn from the first view, which is what is seen when it is predicted."""
        scaler = StandardScaler()
        for part in gen_batches(len(rows), _CHUNK):
            scaler.partial_fit(views[rows[part], 0])
        # Of the attributes of scikit-learn, these alone outlive its versions.
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
    """Log-odds that a classifier of vectors gives.

    Parameters
    ----------
    classifier : classifier
        Classifier with ``predict_proba``, not fitted.
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
            weighted["sample_weight"] = np.repeat(weights, n_views)
        elif (weights != weights[0]).any():
            raise ValueError(
                f"vector_head={self.classifier!r} takes no sample_weight in fit, and "
                "samples have different weights: leave out sample_weight and "
                "class_weight, or take another classifier."
            )
        self.classifier.fit(
            views[rows].reshape(-1, views.shape[2]),
            np.repeat(codes, n_views),
            **weighted,
        )
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
