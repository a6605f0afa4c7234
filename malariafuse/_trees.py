"""Boosted trees as plain arrays, independent of the version of scikit-learn."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, softmax
from sklearn.base import ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.utils.validation import check_array

from malariafuse._base import Estimator

# Maximum number of positions of rows in trees in memory at once.
_MOST_POSITIONS = 2**22
_COLUMNS = ("feature", "threshold", "left", "right", "value")


class BoostedTrees(ClassifierMixin, Estimator):
    """Predict with the trees of a fitted HistGradientBoostingClassifier.

    Parameters
    ----------
    feature : ndarray of shape (n_nodes,), int32
        Column of the split of each node, 0 in a leaf.
    threshold : ndarray of shape (n_nodes,), float64
        Highest value that goes left, infinity in a leaf.
    left, right : ndarray of shape (n_nodes,), int32
        Child nodes. The child of a leaf is the leaf itself.
    value : ndarray of shape (n_nodes,), float64
        Log-odds of a leaf, 0 elsewhere.
    roots : ndarray of shape (n_iterations, n_outputs), int32
        First node of each tree.
    baseline : ndarray of shape (n_outputs,), float64
        Initial log-odds.
    decision_threshold : float
        Decision threshold of the last of two classes.
    """

    # Default of models that were stored without a threshold.
    decision_threshold: float = 0.5

    def __init__(
        self,
        feature: NDArray[np.int32],
        threshold: NDArray[np.float64],
        left: NDArray[np.int32],
        right: NDArray[np.int32],
        value: NDArray[np.float64],
        roots: NDArray[np.int32],
        baseline: NDArray[np.float64],
        decision_threshold: float = 0.5,
    ) -> None:
        self.feature, self.threshold = feature, threshold
        self.left, self.right = left, right
        self.value, self.roots, self.baseline = value, roots, baseline
        self.decision_threshold = decision_threshold

    @classmethod
    def of(cls, boosting: HistGradientBoostingClassifier) -> Self:
        """Return the trees of a classifier fitted without missing values.

        Raises
        ------
        ValueError
            If it has categorical splits.
        """
        return cls(**_arrays_of(boosting))

    @classmethod
    def of_fixed_threshold(cls, classifier: FixedThresholdClassifier) -> Self:
        """Return the trees of a classifier with a tuned threshold."""
        fitted = classifier.estimator_
        if isinstance(fitted, FrozenEstimator):
            fitted = fitted.estimator
        if not isinstance(fitted, HistGradientBoostingClassifier):
            raise TypeError(
                f"A threshold of {type(fitted).__name__} cannot be stored: expected "
                "HistGradientBoostingClassifier."
            )
        trees = cls.of(fitted)
        trees.decision_threshold = float(classifier.threshold)
        return trees

    @property
    def classes_(self) -> NDArray[np.int64]:
        """Codes of the classes."""
        return np.arange(max(2, self.roots.shape[1]))

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Return the trees, which are already fitted."""
        return self

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return log-odds of shape (n_samples,), or (n_samples, n_classes)."""
        values: NDArray[np.float64] = check_array(X, dtype=np.float64)
        parts = []
        chunk = max(1, _MOST_POSITIONS // self.roots.size)
        for start in range(0, len(values), chunk):
            rows = values[start : start + chunk]
            at = np.arange(len(rows))[:, None]
            nodes = np.tile(self.roots.ravel(), (len(rows), 1))
            while True:
                goes_left = rows[at, self.feature[nodes]] <= self.threshold[nodes]
                following = np.where(goes_left, self.left[nodes], self.right[nodes])
                if np.array_equal(following, nodes):
                    break
                nodes = following
            of_trees = self.value[nodes].reshape(len(rows), *self.roots.shape)
            parts.append(self.baseline + of_trees.sum(axis=1))
        outputs = np.concatenate(parts)
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return class probabilities."""
        odds = self.decision_function(X)
        if odds.ndim == 2:
            return np.asarray(softmax(odds, axis=1))
        positive = expit(odds)
        return np.column_stack([1 - positive, positive])

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:
        """Return the most probable class or, for two classes, that of the threshold."""
        probability = self.predict_proba(X)
        if probability.shape[1] == 2:
            return (probability[:, 1] >= self.decision_threshold).astype(np.int64)
        return np.asarray(probability.argmax(axis=1))


def _arrays_of(boosting: HistGradientBoostingClassifier) -> dict[str, Any]:
    """Return the parameters of `BoostedTrees` that describe the trees."""
    columns: dict[str, list[NDArray[Any]]] = {name: [] for name in _COLUMNS}
    roots: list[list[int]] = []
    start = 0
    for iteration in boosting._predictors:
        roots.append([])
        for tree in iteration:
            nodes = tree.nodes
            if nodes["is_categorical"].any():
                raise ValueError(
                    "The classifier has categorical splits: expected only numeric "
                    "features."
                )
            leaf = nodes["is_leaf"].astype(bool)
            own = np.arange(len(nodes))
            columns["feature"].append(np.where(leaf, 0, nodes["feature_idx"]))
            columns["threshold"].append(np.where(leaf, np.inf, nodes["num_threshold"]))
            for side in ("left", "right"):
                columns[side].append(start + np.where(leaf, own, nodes[side]))
            columns["value"].append(np.where(leaf, nodes["value"], 0.0))
            roots[-1].append(start)
            start += len(nodes)
    joined = {name: np.concatenate(parts) for name, parts in columns.items()}
    return {
        "feature": joined["feature"].astype(np.int32),
        "threshold": joined["threshold"],
        "left": joined["left"].astype(np.int32),
        "right": joined["right"].astype(np.int32),
        "value": joined["value"],
        "roots": np.array(roots, dtype=np.int32),
        "baseline": np.ravel(boosting._baseline_prediction).astype(np.float64),
    }
