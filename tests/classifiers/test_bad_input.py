import keras
import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from support import dark_spots, fast, tiny_network

from malariafuse import KerasImageClassifier, ResNet18Classifier

X, Y, PATIENTS = dark_spots()


def classifier(**parameters):
    return KerasImageClassifier(tiny_network, **fast(**parameters))


@pytest.fixture(scope="module")
def fitted():
    return classifier(epochs=1).fit(X, Y)


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        (X[0], ValueError, r"expected 4 dimensions .* Use X\[None\]"),
        (X.reshape(len(X), -1), ValueError, "expected 4 dimensions"),
        (["a.png", "b.png"], ValueError, "begin a pipeline with ImageLoader"),
        (X[:0], ValueError, "X is empty"),
        (np.full(X.shape, np.nan), ValueError, "NaN or infinity"),
        (X.astype(float), ValueError, r"\[\d+\.0, 255\.0\].*pass X.astype\('uint8'\)"),
        (X.astype(int), TypeError, "dtype int64: expected uint8"),
        (X / -255.0, ValueError, r"expected values in \[0, 1\]"),
        (X / 255 / 255, ValueError, "is nearly black"),
        ((X / 255).astype(np.uint8), ValueError, "is nearly black"),
        (X.transpose(0, 3, 1, 2), ValueError, r"np.moveaxis\(X, 1, -1\)"),
        (np.ma.masked_less(X, 100), ValueError, r"masked values"),
        ([*X[:2], X[0, :5]], ValueError, "images have different sizes"),
    ],
)
def test_images_that_are_refused(fitted, images, error, message):
    with pytest.raises(error, match=message):
        fitted.predict(images)
    with pytest.raises(error, match=message):
        classifier().fit(images, np.arange(len(images)) % 2)


def test_images_of_another_size_than_trained_on(fitted):
    with pytest.raises(
        ValueError, match=r"shape \(8, 16, 3\).*fitted on.*\(16, 16, 3\)"
    ):
        fitted.predict_proba(X[:, :8])


def test_prediction_before_fit():
    with pytest.raises(NotFittedError):
        classifier().predict(X)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y": np.ones(len(X))}, "only one class"),
        ({"y": Y[:-1]}, "y has 47 entries for 48 cells"),
        ({"y": np.linspace(0, 1, len(X))}, "y has labels .* Unknown label type"),
        ({"y": [0, "a"] * 24}, "y has labels such as 0 and 'a'"),
        ({"y": [[1, 2], [3]]}, "y is not an array"),
        ({"y": [None] * 48}, "y has 48 missing values"),
        ({"y": Y, "groups": PATIENTS[:-1]}, "groups has 47 entries for 48"),
        ({"y": Y, "sample_weight": np.ones(3)}, "sample_weight has 3 entries for"),
        ({"y": np.ma.masked_equal(Y, 1)}, r"y has 24 masked values"),
        (
            {"y": Y, "sample_weight": np.ma.masked_equal(np.ones(len(X)), 1)},
            r"sample_weight has 48 masked",
        ),
        (
            {"y": Y, "groups": np.ma.masked_equal(PATIENTS, 0)},
            r"groups has 8 masked",
        ),
        (
            {"y": Y, "sample_weight": np.ones(len(X)) * 1j},
            "array of complex128: expected numbers",
        ),
        ({"y": Y, "sample_weight": -np.ones(len(Y))}, "negative values"),
        ({"y": Y, "sample_weight": np.zeros(len(Y))}, "only zeros"),
        ({"y": Y, "sample_weight": np.full(len(Y), 1e300)}, "NaN or infinity"),
        ({"y": Y, "sample_weight": np.full(len(Y), 1e-320)}, "only zeros"),
    ],
)
def test_labels_weights_and_groups_that_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        classifier().fit(X, **arguments)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"epochs": 0}, ValueError, "epochs=0: expected a positive integer"),
        ({"batch_size": 2.5}, ValueError, "batch_size=2.5"),
        ({"warmup_epochs": 99}, ValueError, "warmup_epochs=99"),
        ({"optimizer": "sdg"}, ValueError, "optimizer='sdg': expected one of 'adam'"),
        ({"optimizer": ["adam"]}, ValueError, r"optimizer=\['adam'\]: expected one"),
        ({"callbacks": print}, TypeError, "expected None or a list of keras.callb"),
        ({"callbacks": [print]}, TypeError, "expected a list of keras.callbacks"),
        ({"schedule": "linear"}, ValueError, "schedule='linear'"),
        ({"augmentation": "flip"}, TypeError, r"\('flip',\)"),
        ({"augmentation": ("flop",)}, ValueError, "'flop': expected a Keras layer"),
        (
            {"augmentation": [keras.layers.RandomCrop(8, 8)]},
            ValueError,
            "augmentation has 'random_crop.*expected a layer that preserves the shape",
        ),
        ({"compute_dtype": "float16"}, ValueError, "compute_dtype='float16'"),
        ({"test_time_views": 3}, ValueError, "test_time_views=3"),
        ({"threshold": -0.1}, ValueError, "threshold=-0.1"),
        ({"ema_momentum": 1.0}, ValueError, "ema_momentum=1.0"),
        ({"validation_fraction": 0}, ValueError, "validation_fraction=0"),
        ({"n_iter_no_change": 0}, ValueError, "n_iter_no_change=0"),
        ({"learning_rate": -1.0}, ValueError, "learning_rate=-1.0: expected None or"),
        ({"weight_decay": -1e-4}, ValueError, "weight_decay=-0.0001"),
        ({"momentum": 1}, ValueError, r"momentum=1: expected a number in \[0, 1\)"),
        ({"warmup_epochs": None}, ValueError, "warmup_epochs=None"),
        ({"threshold": "0.5"}, ValueError, "threshold='0.5'"),
        (
            {"class_weight": {0: -1, 1: 1}},
            ValueError,
            "class_weight has negative values",
        ),
        ({"class_weight": {0: 0, 1: 0}}, ValueError, "only zeros"),
        ({"class_weight": {0: np.nan, 1: 1}}, ValueError, "NaN or infinity"),
        ({"engine": "onnx"}, ValueError, "engine='onnx': expected one of 'auto'"),
    ],
    ids=str,
)
def test_parameters_that_are_refused(parameters, error, message):
    with pytest.raises(error, match=message):
        classifier(**parameters).fit(X, Y)


def test_early_stopping_needs_patients_to_set_aside():
    with pytest.raises(ValueError, match="only one patient"):
        classifier(early_stopping=True).fit(X, Y, groups=np.zeros(len(Y)))
    with pytest.raises(ValueError, match="groups cannot be split"):
        classifier(early_stopping=True).fit(X, Y, groups=Y)
    with (
        pytest.warns(UserWarning, match="holds out single cells"),
        pytest.raises(ValueError, match="at least 2 samples of each class"),
    ):
        classifier(early_stopping=True).fit(X[:3], [0, 0, 1])


def test_single_cells_are_not_set_aside_in_silence():
    with pytest.warns(UserWarning, match=r"holds out single cells.*classifier__groups"):
        classifier(early_stopping=True, epochs=1).fit(X, Y)


def test_images_too_small_for_the_network():
    with pytest.raises(ValueError, match="at least 25 pixels"):
        ResNet18Classifier(pool_size=4, **fast()).fit(X, Y)


def network_ending_in(activation, n_outputs=None):
    def network(input_shape, n_asked):
        return keras.Sequential(
            [
                keras.Input(input_shape),
                keras.layers.Flatten(),
                keras.layers.Dense(n_outputs or n_asked, activation=activation),
            ]
        )

    return network


@pytest.mark.parametrize(
    ("network", "error", "message"),
    [
        (network_ending_in("relu"), ValueError, "ends in relu"),
        (
            network_ending_in(None),
            ValueError,
            r"ends in linear.* Dense\(n_outputs, activation='sigmoid'\)",
        ),
        (network_ending_in("sigmoid", 2), ValueError, r"expected \(None, 1\)"),
        (lambda input_shape, n_outputs: None, TypeError, "returned NoneType"),
        (None, TypeError, "network=None: expected a function"),
        (
            lambda input_shape, n_outputs: network_ending_in("sigmoid")((8, 8, 3), 1),
            ValueError,
            r"is for images of shape \(8, 8, 3\)",
        ),
        (
            lambda input_shape, n_outputs: keras.Sequential([keras.layers.Flatten()]),
            TypeError,
            "Sequential without inputs",
        ),
    ],
)
def test_networks_that_are_refused(network, error, message):
    with pytest.raises(error, match=message):
        KerasImageClassifier(network, **fast()).fit(X, Y)
