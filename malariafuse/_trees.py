"""Trees of gradient boosting as plain arrays."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

_COLUMNS = ("feature", "threshold", "left", "right", "value")


class Trees(NamedTuple):
    """Arrays that describe all nodes of all trees.

    Attributes
    ----------
    feature : ndarray of shape (n_nodes,), int32
        Column by which each node splits; 0 in a leaf.
    threshold : ndarray of shape (n_nodes,), float64
        Highest value that goes left; infinity in a leaf.
    left, right : ndarray of shape (n_nodes,), int32
        Next nodes; a leaf is its own next node.
    value : ndarray of shape (n_nodes,), float64
        Log-odds that a leaf adds; 0 elsewhere.
    roots : ndarray of shape (n_iterations, n_outputs), int32
        First node of each tree.
    baseline : ndarray of shape (n_outputs,), float64
        Log-odds that are added to.
    """

    feature: NDArray[np.int32]
    threshold: NDArray[np.float64]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    value: NDArray[np.float64]
    roots: NDArray[np.int32]
    baseline: NDArray[np.float64]


def trees_of(classifier: Any) -> Trees:
    """Return the trees of a classifier fitted without missing values.

    Parameters
    ----------
    classifier : HistGradientBoostingClassifier or estimator
        Fitted gradient boosting, or an estimator with the fields of `Trees` among
        its parameters.

    Raises
    ------
    TypeError
        If it has no trees.
    ValueError
        If it has categorical splits.
    """
    if isinstance(classifier, HistGradientBoostingClassifier):
        return _of_boosting(classifier)
    parameters = classifier.get_params(deep=False)
    if not set(Trees._fields) <= parameters.keys():
        raise TypeError(
            f"{type(classifier).__name__} has no trees: expected gradient boosting."
        )
    return Trees(*(parameters[name] for name in Trees._fields))


def _of_boosting(boosting: HistGradientBoostingClassifier) -> Trees:
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
    return Trees(
        feature=joined["feature"].astype(np.int32),
        threshold=joined["threshold"],
        left=joined["left"].astype(np.int32),
        right=joined["right"].astype(np.int32),
        value=joined["value"],
        roots=np.array(roots, dtype=np.int32),
        baseline=np.ravel(boosting._baseline_prediction).astype(np.float64),
    )
