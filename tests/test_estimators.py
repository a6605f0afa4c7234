"""scikit-learn's stock checks on every estimator of the package.

The checks feed tables, so most of them pass over an estimator of images. Here a mixin
turns each row of a table into an image first: everything else is the estimator's own.
"""

import warnings

import keras
import numpy as np
import pytest
from scipy.special import expit
from sklearn.base import clone, is_classifier
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import (
    estimator_checks_generator,
    parametrize_with_checks,
)
from support import linear_network, without_addresses

from malariafuse import classifiers, features, preprocessing, quality


class TakesTables:
    """Accept a table; each row becomes an image, each column a channel of it."""

    def _to_images(self, X):
        if hasattr(X, "toarray"):
            return X
        X = np.asarray(X)
        if X.ndim != 2 or not X.size or np.iscomplexobj(X):
            return X
        if X.dtype == np.uint8:
            return self._image_of(X)
        # Any number into 0..1, as images are; what is no number stays what it is.
        numbers = X.astype(float)
        values = np.where(np.isfinite(numbers), expit(numbers / 3), numbers)
        return self._image_of(values).astype(X.dtype if X.dtype.kind == "f" else "f4")

    def _image_of(self, values):
        """Make each column a channel."""
        return np.tile(values[:, None, None, :], (1, 8, 8, 1))

    def fit(self, X, y=None, **arguments):
        return super().fit(self._to_images(X), y, **arguments)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        return tags


class TableClassifier(TakesTables):
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        return super().partial_fit(self._to_images(X), y, classes, sample_weight)

    def predict_proba(self, X):
        return super().predict_proba(self._to_images(X))


class TakesColoredTables(TakesTables):
    def _image_of(self, values):
        """Make each column a column of colored pixels."""
        return np.stack([values, values[:, ::-1], values], axis=-1)[:, None]


class ConvNet(TableClassifier, classifiers.ConvNetClassifier):
    pass


class FeatureFusion(
    TakesColoredTables, TableClassifier, classifiers.FeatureFusionClassifier
):
    pass


class FineTuned(TableClassifier, classifiers.FineTunedClassifier):
    pass


class KerasImage(TableClassifier, classifiers.KerasImageClassifier):
    pass


class ResNet18(TableClassifier, classifiers.ResNet18Classifier):
    pass


class TableTransformer(TakesColoredTables):
    def transform(self, X):
        return super().transform(self._to_images(X))


class Background(TableTransformer, preprocessing.BackgroundMasker):
    pass


class Concavity(TableTransformer, preprocessing.ConcavityMarker):
    pass


class Gaussian(TableTransformer, preprocessing.GaussianSmoother):
    pass


class HSV(TableTransformer, preprocessing.HSVConverter):
    pass


class Pretrained(TableTransformer, features.PretrainedFeatureExtractor):
    pass


class Spots(TableTransformer, features.SpotFeatureExtractor):
    pass


def mean_colors(images):
    return np.asarray(images).mean(axis=(1, 2))


class TakesStripedTables(TakesTables):
    def _image_of(self, values):
        """Make each column a stripe of a square that lies on black."""
        if values.dtype == np.uint8:
            return np.rint(self._image_of(values / 255) * 255).astype(np.uint8)
        stripes = np.repeat(values, 12, axis=1)
        colors = np.stack([stripes, 1 - stripes, stripes**2], axis=-1)[:, None]
        square = np.tile(0.3 + 0.6 * colors, (1, 12, 1, 1))
        return np.pad(square, ((0, 0), (2, 2), (2, 2), (0, 0)))


class Guard(TakesStripedTables, TableTransformer, quality.CellGuard):
    def transform(self, X):
        with warnings.catch_warnings():
            # Of the training some are refused, which are all if they come alone.
            warnings.filterwarnings(
                "ignore", ".* not look like single stained red cell"
            )
            return super().transform(X)


class Outliers(TakesStripedTables, quality.CellOutlierDetector):
    def distances(self, X):
        return super().distances(self._to_images(X))


DETECTOR = quality.CellOutlierDetector(features=FunctionTransformer(mean_colors))


def tiny_backbone(input_shape):
    inputs = keras.Input(input_shape)
    return keras.Model(inputs, keras.layers.Conv2D(2, 1, name="conv")(inputs))


SETTINGS = {
    "epochs": 8,
    "batch_size": 16,
    "optimizer": "sgd",
    "learning_rate": 1.0,
    "augmentation": None,
    "compute_dtype": "float32",
    # Some checks choose none, and fail with an unlucky one.
    "random_state": 0,
}

EXPECTED_FAILURES = {
    "check_estimators_empty_data_messages": (
        "images without pixels are refused in the words of images, not of tables"
    ),
    "check_n_features_in": "images have an image_shape_, and no n_features_in_",
    "check_n_features_in_after_fitting": (
        "images have an image_shape_, and no n_features_in_: see "
        "test_the_shape_of_images_is_checked"
    ),
}
EXPECTED_FAILURES_OF_CLASSIFIERS = EXPECTED_FAILURES | {
    "check_sample_weight_equivalence_on_dense_data": (
        "other samples in a batch make other steps: a weight of 2 is not a sample "
        "repeated, and one of 0 still takes a place in a batch"
    ),
}


STOCK_CHECKS = parametrize_with_checks(
    [
        # All classifiers train in the same way, and this one takes any network.
        KerasImage(linear_network, **SETTINGS),
        Background(on_error="keep"),
        Concavity(),
        Gaussian(),
        HSV(),
        Pretrained(tiny_backbone, weights=None),
        Spots(),
        # Few features are fitted in no time.
        Guard(detector=DETECTOR, max_share=1),
        Outliers(features=FunctionTransformer(mean_colors)),
    ],
    expected_failed_checks=lambda estimator: (
        EXPECTED_FAILURES_OF_CLASSIFIERS
        if is_classifier(estimator)
        else EXPECTED_FAILURES
    ),
)


@pytest.mark.parametrize(
    *STOCK_CHECKS.args,
    ids=lambda value: without_addresses(str(STOCK_CHECKS.kwargs["ids"](value))),
)
def test_stock_checks(estimator, check, monkeypatch):
    # Two checks allow less than a digit of float32, and the size of a batch and the
    # place of a row in it may decide how TensorFlow rounds that one. Log-odds show at
    # least the fourfold of it.
    name = {
        "check_methods_sample_order_invariance": "assert_allclose_dense_sparse",
        "check_methods_subset_invariance": "assert_allclose",
    }.get(check.func.__name__)
    if name is not None:
        compare = getattr(estimator_checks, name)
        monkeypatch.setattr(
            estimator_checks,
            name,
            lambda x, y, atol, err_msg: compare(
                x, y, rtol=1e-6, atol=1e-6, err_msg=err_msg
            ),
        )
    check(estimator)


# With the networks that they have by default, narrow ones, which take seconds to train.
WITH_NETWORKS = [
    ConvNet(filters=2, dense_units=(4,)),
    FeatureFusion(filters=1, embedding_size=2, training_views=1),
    FineTuned(tiny_backbone, weights=None, dense_units=(4,), head_epochs=1),
    ResNet18(filters=1),
]
# Checks that fit once at most, and for which it does not matter what is learned.
CHECKS_OF_NETWORKS = {
    "check_dict_unchanged",
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_estimator_cloneable",
    "check_estimator_get_tags_default_keys",
    "check_estimator_repr",
    "check_estimators_overwrite_params",
    "check_estimators_unfitted",
    "check_fit2d_predict1d",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_readonly_memmap_input",
    "check_set_params",
}


@pytest.mark.parametrize(
    ("estimator", "check"),
    [
        pytest.param(estimator, check, id=f"{type(estimator).__name__}-{name}")
        for classifier in WITH_NETWORKS
        for estimator, check in estimator_checks_generator(
            classifier.set_params(**SETTINGS | {"epochs": 1, "learning_rate": 0.01})
        )
        if (name := check.func.__name__) in CHECKS_OF_NETWORKS
    ],
)
@pytest.mark.usefixtures("untrained")
def test_stock_checks_with_networks(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "estimator",
    [
        classifiers.KerasImageClassifier(linear_network, **SETTINGS),
        preprocessing.BackgroundMasker(on_error="keep"),
        preprocessing.ConcavityMarker(),
        preprocessing.GaussianSmoother(),
        preprocessing.HSVConverter(),
        features.PretrainedFeatureExtractor(tiny_backbone, weights=None),
        features.SpotFeatureExtractor(),
        quality.CellGuard(detector=DETECTOR, max_share=1),
        DETECTOR,
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_the_shape_of_images_is_checked(estimator):
    """As scikit-learn's check_n_features_in_after_fitting, for images."""
    estimator = clone(estimator)
    images = np.random.default_rng(0).random((12, 8, 9, 3))
    labels = np.arange(12) % 2
    assert not hasattr(estimator, "image_shape_")
    assert estimator.fit(images, labels).image_shape_ == (8, 9, 3)
    assert not hasattr(estimator, "n_features_in_")
    methods = {"transform", "inverse_transform", "predict", "predict_proba"}
    methods |= {"predict_log_proba", "decision_function", "score_samples", "distances"}
    called = [getattr(estimator, method, None) for method in methods]
    if is_classifier(estimator):
        called.append(lambda X: estimator.score(X, labels))
        called.append(lambda X: estimator.partial_fit(X, labels))
    for method in filter(None, called):
        with pytest.raises(ValueError, match=r"shape \(9, 8, 3\).* \(8, 9, 3\)"):
            method(images.transpose(0, 2, 1, 3))


def test_every_estimator_is_checked():
    checked = {
        base
        for kind in (
            *TableClassifier.__subclasses__(),
            *TableTransformer.__subclasses__(),
            Outliers,
        )
        for base in kind.__bases__
    }
    public = {
        getattr(package, name)
        for package in (classifiers, features, preprocessing, quality)
        for name in package.__all__
        if isinstance(getattr(package, name), type)
    }
    # ImageLoader gives images of one size, whatever it takes, and learns nothing.
    assert public - checked == {
        classifiers.BaseImageClassifier,
        preprocessing.ImageLoader,
    }
