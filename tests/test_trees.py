import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import make_pipeline
from sklearn.utils.validation import check_is_fitted

from malariafuse import _trees
from malariafuse._trees import BoostedTrees


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


@pytest.mark.parametrize("wrap", [FrozenEstimator, lambda fitted: fitted])
def test_a_fixed_threshold(wrap):
    X, y, boosting = grown(2)
    fixed = FixedThresholdClassifier(wrap(boosting), threshold=0.8).fit(X, y)
    trees = BoostedTrees.of_fixed_threshold(fixed)
    np.testing.assert_array_equal(trees.predict(X), fixed.predict(X))
    # At 0.8 and not at 0.5.
    assert trees.predict(X).sum() < boosting.predict(X).sum()


def test_the_threshold_of_another_classifier():
    X, y, _ = grown(2)
    fixed = FixedThresholdClassifier(LogisticRegression(), threshold=0.8).fit(X, y)
    with pytest.raises(TypeError, match="A threshold of LogisticRegression"):
        BoostedTrees.of_fixed_threshold(fixed)


def test_they_are_fitted_at_the_end_of_a_pipeline():
    _, _, boosting = grown(2)
    check_is_fitted(make_pipeline(BoostedTrees.of(boosting)))


def test_models_that_were_stored_without_a_threshold():
    X, _, boosting = grown(2)
    trees = BoostedTrees.of(boosting)
    state = trees.__getstate__()
    del state["decision_threshold"]
    old = object.__new__(BoostedTrees)
    vars(old).update(state)
    np.testing.assert_array_equal(old.predict(X), trees.predict(X))
