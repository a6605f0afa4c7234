"""Networks that users bring along, in all the forms that Keras has."""

import pickle

import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from support import dark_spots, fast, tiny_network

from malariafuse import KerasImageClassifier

X, Y, _ = dark_spots()


@keras.saving.register_keras_serializable("tests")
class NormalizedBlock(keras.Model):
    """A network that is written as a class, with batch normalization."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.convolution = keras.layers.Conv2D(4, 3)
        self.normalization = keras.layers.BatchNormalization(momentum=0.5)

    def call(self, images, training=False):
        return self.normalization(self.convolution(images), training=training)


@keras.saving.register_keras_serializable("tests")
class TwoDense(keras.layers.Layer):
    """A layer that is made of layers."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.first, self.second = keras.layers.Dense(4), keras.layers.Dense(4)

    def build(self, input_shape):
        self.first.build(input_shape)
        self.second.build((*input_shape[:-1], 4))

    def call(self, values):
        return self.second(self.first(values))


def ending(n_outputs):
    return [
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(n_outputs, activation="sigmoid"),
    ]


def with_a_network_class_inside(input_shape, n_outputs):
    return keras.Sequential(
        [keras.Input(input_shape), NormalizedBlock(), *ending(n_outputs)]
    )


def test_a_network_class_inside_of_a_network_trains_and_loads():
    classifier = KerasImageClassifier(with_a_network_class_inside, **fast(epochs=2))
    classifier.fit(X, Y)
    moving_mean = classifier.model_.layers[0].normalization.moving_mean
    # Training normalized by batches, and the statistics followed.
    assert np.abs(moving_mean).max() > 0
    loaded = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_array_equal(loaded.predict_proba(X), classifier.predict_proba(X))


def with_a_layer_of_layers(input_shape, n_outputs):
    return keras.Sequential([keras.Input(input_shape), TwoDense(), *ending(n_outputs)])


def test_layers_inside_of_layers_compute_in_bfloat16_too():
    classifier = KerasImageClassifier(
        with_a_layer_of_layers, **fast(epochs=1, compute_dtype="bfloat16")
    ).fit(X, Y)
    block = classifier.model_.layers[0]
    assert classifier.compute_dtype_ == "bfloat16"
    assert {part.compute_dtype for part in (block, block.first, block.second)} == {
        "bfloat16"
    }


def test_a_network_itself_is_architecture_and_first_weights():
    network = tiny_network((16, 16, 3), 1)
    first = [weight.copy() for weight in network.get_weights()]
    classifier = KerasImageClassifier(
        network, **fast(epochs=1, optimizer="sgd", learning_rate=1e-30)
    )
    trained = clone(classifier).fit(X, Y)
    # At a learning rate of next to nothing, the weights stay what they were.
    for a, b in zip(trained.model_.get_weights(), first, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-20)
    classifier.set_params(learning_rate=0.1).fit(X, Y)
    assert (classifier.model_.get_weights()[0] != first[0]).any()
    for a, b in zip(network.get_weights(), first, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_network_itself_has_no_arguments():
    network = tiny_network((16, 16, 3), 1)
    classifier = KerasImageClassifier(network, network_params={"width": 3}, **fast())
    with pytest.raises(ValueError, match=r"network is a keras\.Model"):
        classifier.fit(X, Y)


def test_a_network_itself_for_other_images_is_refused():
    classifier = KerasImageClassifier(tiny_network((8, 8, 3), 1), **fast())
    with pytest.raises(ValueError, match=r"is for images of shape \(8, 8, 3\)"):
        classifier.fit(X, Y)


def old_style(optimizer="adam", dropout=0.3):
    pytest.fail("called with the shape of the images as optimizer")


def old_style_without_defaults(meta, compile_kwargs):
    pytest.fail("called with the shape of the images as meta")


def without_outputs(input_shape):
    pytest.fail("called with too many arguments")


@pytest.mark.parametrize(
    ("network", "params", "message"),
    [
        (old_style, None, "'optimizer' would get the input shape"),
        (old_style_without_defaults, None, "'meta' would get the input shape"),
        (without_outputs, None, "too many positional arguments"),
        (tiny_network, {"width": 3}, "unexpected keyword argument 'width'"),
        (tiny_network, {"input_shape": (8, 8, 3)}, "input_shape"),
    ],
)
def test_functions_with_other_arguments_are_refused(network, params, message):
    classifier = KerasImageClassifier(network, network_params=params, **fast())
    with pytest.raises(TypeError, match=message):
        classifier.fit(X, Y)


def wide(input_shape=(48, 48, 3), n_outputs=1, width=2):
    return keras.Sequential(
        [
            keras.Input(input_shape),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(width),
            keras.layers.Dense(n_outputs, activation="sigmoid"),
        ]
    )


def test_arguments_of_the_function_are_parameters_of_a_search():
    classifier = KerasImageClassifier(wide, network_params={"width": 2}, **fast())
    assert classifier.get_params()["network_params__width"] == 2
    search = GridSearchCV(
        classifier.set_params(epochs=1), {"network_params__width": [3, 5]}, cv=2
    ).fit(X, Y)
    width = search.best_params_["network_params__width"]
    assert search.best_estimator_.model_.layers[-2].units == width
    # The dict of the classifier that was searched from is its own.
    assert classifier.network_params == {"width": 2}
    copy = clone(classifier).set_params(network_params__width=7)
    assert classifier.network_params == {"width": 2}
    assert copy.network_params == {"width": 7}
