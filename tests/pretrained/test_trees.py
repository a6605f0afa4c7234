import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier

from malariafuse.pretrained import _trees
from malariafuse.pretrained._trees import BoostedTrees


def grown(n_classes, **settings):
    X, y = make_classification(
        300, 6, n_informative=5, n_redundant=0, n_classes=n_classes, random_state=0
    )
    X = X.astype(np.float32)
    return X, y, HistGradientBoostingClassifier(max_iter=12, **settings).fit(X, y)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_they_predict_as_the_classifier_that_grew_them(n_classes, monkeypatch):
    X, _, boosting = grown(n_classes)
    trees = BoostedTrees.of(boosting)
    expected = boosting.decision_function(X)
    np.testing.assert_allclose(trees.decision_function(X), expected, rtol=1e-12)
    np.testing.assert_allclose(trees.predict_proba(X), boosting.predict_proba(X))
    np.testing.assert_array_equal(trees.predict(X), boosting.predict(X))
    np.testing.assert_array_equal(trees.classes_, boosting.classes_)
    monkeypatch.setattr(_trees, "_MOST_POSITIONS", 100)
    np.testing.assert_array_equal(
        trees.decision_function(X), BoostedTrees.of(boosting).decision_function(X)
    )


def test_a_single_leaf_is_a_tree():
    X, _, boosting = grown(2, min_samples_leaf=200)
    np.testing.assert_allclose(
        BoostedTrees.of(boosting).decision_function(X), boosting.decision_function(X)
    )
