"""scikit-learn's stock checks on every estimator of the package.

The checks feed tables, so most of them pass over an estimator of images. Here a mixin
turns each row of a table into an image first: everything else is the estimator's own.
"""

import keras
import numpy as np
from scipy.special import expit
from sklearn.base import is_classifier
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import _check_n_features
from support import linear_network

from malariafuse import classifiers, features, preprocessing


class TakesTables:
    """Accept a table; each row becomes an image, each column a channel of it."""

    def _to_images(self, X):
        if hasattr(X, "toarray"):
            return X
        X = np.asarray(X)
        if X.ndim != 2 or not X.size or np.iscomplexobj(X):
            return X
        if hasattr(self, "n_features_in_"):
            _check_n_features(self, X, reset=False)
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
        vars(self).pop("n_features_in_", None)
        super().fit(self._to_images(X), y, **arguments)
        _check_n_features(self, X, reset=True)
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        return tags


class TableClassifier(TakesTables):
    def _network_function(self):
        # The networks have tests of their own; building them 200 times takes minutes.
        return linear_network

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        super().partial_fit(self._to_images(X), y, classes, sample_weight)
        _check_n_features(self, X, reset=not hasattr(self, "n_features_in_"))
        return self

    def predict_proba(self, X):
        return super().predict_proba(self._to_images(X))


class ConvNet(TableClassifier, classifiers.ConvNetClassifier):
    pass


class FeatureFusion(TableClassifier, classifiers.FeatureFusionClassifier):
    def _network_function(self):
        return linear_fusion


def linear_fusion(input_shapes, n_outputs):
    inputs = [keras.Input(shape) for shape in input_shapes.values()]
    images, means = inputs
    x = keras.layers.GlobalAveragePooling2D()(images)
    x = keras.layers.Concatenate()([x, means])
    activation = "sigmoid" if n_outputs == 1 else "softmax"
    return keras.Model(inputs, keras.layers.Dense(n_outputs, activation=activation)(x))


def channel_means(images):
    return images.mean(axis=(1, 2))


class FineTuned(TableClassifier, classifiers.FineTunedClassifier):
    pass


class KerasImage(TableClassifier, classifiers.KerasImageClassifier):
    pass


class ResNet18(TableClassifier, classifiers.ResNet18Classifier):
    pass


class TableTransformer(TakesTables):
    def _image_of(self, values):
        """Make each column a column of colored pixels."""
        return np.stack([values, values[:, ::-1], values], axis=-1)[:, None]

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


def tiny_backbone(input_shape):
    inputs = keras.Input(input_shape)
    return keras.Model(inputs, keras.layers.Conv2D(2, 1, name="conv")(inputs))


SETTINGS = {
    "epochs": 8,
    "batch_size": 16,
    "optimizer": "sgd",
    "learning_rate": 1.0,
    "augmentation": None,
    "precision": "float32",
    # Some checks choose none, and fail with an unlucky one.
    "random_state": 0,
}

EXPECTED_FAILURES = {
    "check_estimators_empty_data_messages": (
        "images without pixels are refused in the words of images, not of tables"
    ),
}
EXPECTED_FAILURES_OF_CLASSIFIERS = EXPECTED_FAILURES | {
    "check_sample_weight_equivalence_on_dense_data": (
        "other samples in a batch make other steps: a weight of 2 is not a sample "
        "repeated, and one of 0 still takes a place in a batch"
    ),
}


@parametrize_with_checks(
    [
        ConvNet(**SETTINGS),
        FeatureFusion(
            [
                ("images", "passthrough"),
                ("means", FunctionTransformer(channel_means)),
            ],
            **SETTINGS,
        ),
        FineTuned(head_epochs=0, **SETTINGS),
        KerasImage(linear_network, **SETTINGS),
        ResNet18(**SETTINGS),
        Background(on_error="keep"),
        Concavity(),
        Gaussian(),
        HSV(),
        Pretrained(tiny_backbone, weights=None),
        Spots(),
    ],
    expected_failed_checks=lambda estimator: (
        EXPECTED_FAILURES_OF_CLASSIFIERS
        if is_classifier(estimator)
        else EXPECTED_FAILURES
    ),
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


def test_every_estimator_is_checked():
    checked = {
        base
        for kind in (
            *TableClassifier.__subclasses__(),
            *TableTransformer.__subclasses__(),
        )
        for base in kind.__bases__
    }
    public = {
        getattr(package, name)
        for package in (classifiers, features, preprocessing)
        for name in package.__all__
    }
    # ImageLoader takes file names, which no table of numbers can stand for.
    assert public - checked == {
        classifiers.BaseImageClassifier,
        preprocessing.ImageLoader,
    }
