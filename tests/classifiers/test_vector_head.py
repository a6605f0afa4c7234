"""Classifiers of the vectors of a branch, fused with a network."""

import pickle

import keras
import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import LinearSVC
from support import dark_spots, fast

from malariafuse import FeatureFusionClassifier

X, Y, PATIENTS = dark_spots()


class MeanColor(TransformerMixin, BaseEstimator):
    """Give the mean of each channel."""

    def __init__(self, rounded=False):
        self.rounded = rounded

    def fit(self, X, y=None):
        self.n_fitted_ = len(X)
        return self

    def transform(self, X):
        means = X.mean(axis=(1, 2))
        return np.rint(means) if self.rounded else means


def tiny_backbone(input_shape, filters):
    inputs = keras.Input(input_shape)
    x = keras.layers.Conv2D(filters, 3, activation="relu")(inputs)
    return keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(x))


BRANCHES = [("rgb", "passthrough"), ("color", MeanColor())]
COLORS = X.mean(axis=(1, 2)).astype(np.float32)


def fusion(head, branches=BRANCHES, **parameters):
    return FeatureFusionClassifier(
        branches,
        vector_head=head,
        backbone=tiny_backbone,
        filters=2,
        embedding_size=8,
        **fast(**{"epochs": 1, **parameters}),
    )


def of_head(fitted, name="color"):
    return fitted._inputs._vectors["color"][name].classifier


def codes(n_classes):
    return Y if n_classes == 2 else np.arange(len(X)) % n_classes


@pytest.fixture(scope="module", params=[2, 3])
def logistic(request):
    """Fitted fusion with a logistic regression, and its number of classes."""
    head = LogisticRegression(C=1e-3)
    return fusion(head).fit(X, codes(request.param)), request.param


@pytest.fixture(scope="module")
def boosted():
    return fusion("boosting").fit(X, Y)


def test_its_probabilities_are_those_of_the_branch(logistic):
    fitted, n_classes = logistic
    alone = LogisticRegression(C=1e-3).fit(COLORS, codes(n_classes))
    np.testing.assert_allclose(
        fitted.branch_probabilities(X)["color"],
        alone.predict_proba(COLORS),
        atol=1e-4,
    )


def test_the_decision_is_the_weighted_mean_of_log_odds(logistic):
    fitted, _ = logistic
    alone = fitted.branch_probabilities(X)
    # Images count 1 and vectors 2.
    mean = np.log(alone["rgb"]) / 3 + np.log(alone["color"]) * 2 / 3
    expected = np.exp(mean) / np.exp(mean).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(fitted.predict_proba(X), expected, atol=1e-3)


@pytest.mark.usefixtures("untrained")
def test_sure_classifiers_leave_something_to_others():
    fitted = fusion(HistGradientBoostingClassifier(min_samples_leaf=1)).fit(X, Y)
    of_branch = fitted.branch_probabilities(X)["color"]
    # expit(9.2)
    assert of_branch.max() == pytest.approx(0.9999, abs=1e-5)


@pytest.mark.usefixtures("untrained")
def test_it_is_fitted_on_all_views_with_weights():
    class Counting(LogisticRegression):
        def fit(self, X, y, sample_weight=None):
            self.seen_ = len(X), np.bincount(y), sample_weight.sum()
            return super().fit(X, y, sample_weight)

    fitted = fusion(Counting(), augmentation=("flip",), training_views=3)
    fitted.fit(X, Y, sample_weight=np.where(Y == 1, 3.0, 1.0))
    n, counts, weight = of_head(fitted).seen_
    assert n == 3 * len(X)
    np.testing.assert_array_equal(counts, 3 * np.bincount(Y))
    assert weight == pytest.approx(3 * (3 * (Y == 1).sum() + (Y == 0).sum()))


@pytest.mark.usefixtures("untrained")
def test_samples_of_weight_one_are_fitted_without_weights():
    class Watching(LogisticRegression):
        def fit(self, X, y, sample_weight=None):
            self.unweighted_ = sample_weight is None
            return super().fit(X, y, sample_weight)

    assert of_head(fusion(Watching()).fit(X, Y)).unweighted_


@pytest.mark.usefixtures("untrained")
def test_weights_need_a_classifier_that_takes_them():
    neighbors = fusion(KNeighborsClassifier())
    assert neighbors.fit(X, Y).predict(X).shape == Y.shape
    with pytest.raises(
        ValueError, match=r"vector_head=KNeigh.* does not accept sample_weight"
    ):
        neighbors.fit(X, Y, sample_weight=np.where(Y == 1, 3.0, 1.0))


def test_boosting_sets_no_cells_aside(boosted):
    # All 250 iterations, which noise in cells that are set aside would end earlier.
    assert len(of_head(boosted).roots) == 250


def test_boosting_is_stored_without_classes_of_scikit_learn(boosted):
    stored = pickle.dumps(boosted._inputs)
    assert b"sklearn.ensemble" not in stored


@pytest.mark.usefixtures("untrained")
def test_boosting_on_categories_stays_as_it_is():
    head = HistGradientBoostingClassifier(categorical_features=[0], max_iter=2)
    branches = [("rgb", "passthrough"), ("color", MeanColor(rounded=True))]
    fitted = of_head(fusion(head, branches).fit(X, Y))
    assert isinstance(fitted, HistGradientBoostingClassifier)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_both_heads_stand_side_by_side(n_classes):
    y = codes(n_classes)
    fitted = fusion("both").fit(X, y)
    alone = fitted.branch_probabilities(X)
    assert list(alone) == ["rgb", "color", "color_boosting"]
    expected = of_head(fitted, "color_boosting").predict_proba(COLORS)
    np.testing.assert_allclose(alone["color_boosting"], expected, atol=1e-3)
    # Each counts 1, so that the vectors count 2.
    mean = sum(np.log(p.astype(np.float64)) for p in alone.values()) / 3
    expected = np.exp(mean) / np.exp(mean).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(fitted.predict_proba(X), expected, atol=1e-3)


@pytest.mark.usefixtures("untrained")
def test_each_of_both_heads_has_a_weight():
    weights = {"rgb": 0, "color": 0, "color_boosting": 1}
    fitted = fusion("both", branch_weights=weights).fit(X, Y)
    np.testing.assert_allclose(
        fitted.predict_proba(X),
        fitted.branch_probabilities(X)["color_boosting"],
        atol=1e-6,
    )


@pytest.mark.usefixtures("untrained")
def test_boosting_joins_the_average_alone_by_default():
    average = fusion(None).fit(X, Y)
    assert list(average.branch_probabilities(X)) == ["rgb", "color", "color_boosting"]
    gated = fusion(None).set_params(fusion="gated").fit(X, Y)
    assert gated.gate_weights(X).shape == (len(X), 2)


@pytest.mark.usefixtures("untrained")
def test_both_heads_of_vectors_alone():
    fitted = fusion("both", [("color", MeanColor())]).fit(X, Y)
    assert list(fitted.branch_probabilities(X)) == ["color", "color_boosting"]


@pytest.mark.usefixtures("untrained")
def test_vectors_as_few_as_log_odds():
    one = FunctionTransformer(lambda images: images.mean(axis=(1, 2, 3))[:, None])
    fitted = fusion("both", [("rgb", "passthrough"), ("one", one)]).fit(X, Y)
    dense = fitted._inputs._vectors["one"]["one"]
    np.testing.assert_allclose(dense._mean, X.mean(), rtol=1e-3)


def test_a_branch_may_not_be_named_as_a_head():
    branches = [*BRANCHES, ("color_boosting", "passthrough")]
    with pytest.raises(ValueError, match="'color_boosting', which is also the name of"):
        fusion("both", branches).fit(X, Y)


@pytest.mark.usefixtures("untrained")
def test_it_is_stored_and_its_parameters_are_set():
    classifier = fusion(LogisticRegression()).set_params(vector_head__C=1e-4)
    fitted = classifier.fit(X, Y)
    assert of_head(fitted).C == 1e-4
    # The one that was passed stays unfitted.
    assert not hasattr(classifier.vector_head, "coef_")
    loaded = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(loaded.predict_proba(X), fitted.predict_proba(X))


@pytest.mark.usefixtures("untrained")
def test_other_fusions_take_log_odds_as_vectors():
    fitted = fusion(LogisticRegression()).set_params(fusion="concatenate").fit(X, Y)
    assert fitted.model_.inputs[1].shape == (None, 1)


@pytest.mark.parametrize("head", [LinearSVC(), LogisticRegression, "trees", 3])
def test_bad_heads(head):
    expected = "vector_head=.*: expected .*one of 'dense', 'boosting', 'both'"
    with pytest.raises(ValueError, match=expected):
        fusion(head).fit(X, Y)


@pytest.mark.usefixtures("untrained")
def test_a_network_needs_something_to_learn():
    with pytest.raises(ValueError, match=r"No branch has image output \(color\)"):
        fusion("boosting", [("color", MeanColor())]).fit(X, Y)
    alone = fusion("dense", [("color", MeanColor())]).fit(X, Y)
    assert alone.predict(X).shape == Y.shape
