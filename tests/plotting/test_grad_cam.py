"""Grad-CAM on networks whose answer is known, because their weights are set by hand."""

from copy import deepcopy

import keras
import numpy as np
import pytest
from keras import layers
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from support import fast, linear_network

from malariafuse import (
    BackgroundMasker,
    FeatureFusionClassifier,
    HSVConverter,
    KerasImageClassifier,
)
from malariafuse.plotting import GradCAMDisplay, grad_cam
from malariafuse.plotting._feature_maps import FeatureMaps

SIZE = 12
RED, GREEN = (slice(2, 5), slice(7, 10)), (slice(8, 11), slice(1, 4))


def spotted(*colors):
    """A gray image with a red or a green spot, or both."""
    image = np.full((SIZE, SIZE, 3), 100, dtype=np.uint8)
    if "red" in colors:
        image[RED] = (250, 0, 0)
    if "green" in colors:
        image[GREEN] = (0, 250, 0)
    return image


def mask(place):
    marked = np.zeros((SIZE, SIZE))
    marked[place] = 1
    return marked


IMAGES = np.stack(
    [spotted("red"), spotted("green"), spotted("red", "green"), spotted()]
)


def color_network(input_shape, n_outputs):
    """One map for red, one for green, one for blue, averaged and weighed."""
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Conv2D(3, 1, activation="relu", name="colors"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(
                n_outputs, activation="sigmoid" if n_outputs == 1 else "softmax"
            ),
        ]
    )


def color_backbone(input_shape, filters):
    network = color_network(input_shape, 1)
    return keras.Model(network.inputs[0], network.layers[-2].output)


def mean_color(images):
    return images.mean(axis=(1, 2))


# The maps are how far red, green and blue are above 0.6.
COLORS = [np.eye(3)[None, None], np.full(3, -0.6)]


@pytest.fixture(scope="module")
def classifier():
    """Red speaks for class 1, green against it."""
    fitted = KerasImageClassifier(color_network, **fast(epochs=1))
    fitted.fit(IMAGES, [0, 1, 0, 1])
    fitted.model_.set_weights(
        [*COLORS, np.array([[90.0], [-90], [0]]), np.array([-0.5])]
    )
    return fitted


@pytest.fixture(scope="module")
def of_three():
    """Red, green and blue each speak for a class of their own."""
    fitted = KerasImageClassifier(color_network, **fast(epochs=1))
    fitted.fit(IMAGES[:3], ["red", "green", "blue"])  # sorted: blue, green, red
    fitted.model_.set_weights([*COLORS, 40 * np.eye(3)[::-1], np.zeros(3)])
    return fitted


def test_the_map_is_the_spot_that_the_network_looks_at(classifier):
    maps = grad_cam(classifier, IMAGES)
    assert maps.dtype == np.float32
    expected = [mask(RED), 0 * mask(RED), mask(RED), 0 * mask(RED)]
    np.testing.assert_allclose(maps, expected, atol=1e-5)


def test_the_other_class_has_the_other_spot(classifier):
    maps = grad_cam(classifier, IMAGES, class_of_interest=0)
    expected = [0 * mask(RED), mask(GREEN), mask(GREEN), 0 * mask(RED)]
    np.testing.assert_allclose(maps, expected, atol=1e-5)


def test_certainty_does_not_flatten_the_map(classifier):
    sure = deepcopy(classifier)
    weights = classifier.model_.get_weights()
    sure.model_.set_weights([*weights[:2], 1000 * weights[2], weights[3]])
    assert sure.predict_proba(IMAGES)[0, 1] == 1  # where the sigmoid has no slope
    np.testing.assert_allclose(grad_cam(sure, IMAGES[:1])[0], mask(RED), atol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 3])
def test_batches_change_nothing(classifier, batch_size):
    np.testing.assert_allclose(
        grad_cam(classifier, IMAGES, batch_size=batch_size),
        grad_cam(classifier, IMAGES),
        atol=1e-6,
    )


def test_bytes_and_floats_are_the_same(classifier):
    np.testing.assert_allclose(
        grad_cam(classifier, IMAGES / 255), grad_cam(classifier, IMAGES), atol=1e-5
    )


def test_of_several_classes_the_most_probable_is_explained(of_three):
    assert of_three.predict(IMAGES[:2]).tolist() == ["red", "green"]
    maps = grad_cam(of_three, IMAGES[:2])
    np.testing.assert_allclose(maps, [mask(RED), mask(GREEN)], atol=1e-5)


def test_of_several_classes_any_can_be_asked_for(of_three):
    maps = grad_cam(of_three, IMAGES[2:3], class_of_interest="green")
    np.testing.assert_allclose(maps[0], mask(GREEN), atol=1e-5)


def test_the_classifier_is_left_as_it_was(classifier):
    before, weights = classifier.predict_proba(IMAGES), classifier.model_.get_weights()
    grad_cam(classifier, IMAGES)
    np.testing.assert_array_equal(classifier.predict_proba(IMAGES), before)
    for now, then in zip(classifier.model_.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(now, then)


def test_a_trained_network_finds_the_planted_spots():
    def network(input_shape, n_outputs):
        return keras.Sequential(
            [
                keras.Input(input_shape),
                layers.Conv2D(4, 3, padding="same", activation="relu"),
                layers.GlobalMaxPooling2D(),
                layers.Dense(n_outputs, activation="sigmoid"),
            ]
        )

    rng = np.random.default_rng(0)
    images = rng.integers(80, 120, (48, SIZE, SIZE, 3), dtype=np.uint8)
    corners = rng.integers(0, SIZE - 3, (24, 2))
    for image, (top, left) in zip(images[1::2], corners, strict=True):
        image[top : top + 3, left : left + 3, 1] = 250
    y = np.arange(48) % 2
    fitted = KerasImageClassifier(network, **fast(epochs=10)).fit(images, y)
    assert fitted.score(images, y) > 0.9
    for found, corner in zip(grad_cam(fitted, images[1::2]), corners, strict=True):
        place = np.unravel_index(found.argmax(), found.shape)
        assert np.abs(place - corner - 1).max() <= 1


class TestNetworks:
    """Networks of other kinds, without a classifier around them."""

    def contributions(self, network, images=IMAGES, *, inputs=None, layer=None):
        def unit(images):
            return images.astype(np.float32) / 255

        return FeatureMaps(network, inputs or unit, images, layer).contributions(1, 2)

    def test_a_place_that_is_not_used_is_not_marked(self):
        """The average of slopes, as in the original Grad-CAM, would mark it."""
        network = keras.Sequential(
            [
                keras.Input((SIZE, SIZE, 3)),
                layers.Conv2D(1, 1, activation="relu"),
                layers.Flatten(),
                layers.Dense(1, activation="sigmoid"),
            ]
        )
        used = mask(RED)
        network.set_weights(
            [np.ones((1, 1, 3, 1)), np.zeros(1), used.reshape(-1, 1), np.zeros(1)]
        )
        found = self.contributions(network)
        assert (found[:, used == 1] > 0).all()
        assert not found[:, used == 0].any()

    def test_pooling_does_not_make_the_map_coarser(self):
        network = keras.Sequential(
            [
                keras.Input((SIZE, SIZE, 3)),
                layers.Conv2D(
                    2,
                    3,
                    padding="same",
                    # Positive, so that the ReLU lets something through.
                    kernel_initializer=keras.initializers.RandomUniform(0, 1, seed=0),
                    name="convolution",
                ),
                layers.ReLU(name="last"),
                layers.MaxPooling2D(name="pool"),
                layers.Dropout(0.2, name="dropout"),
                layers.GlobalAveragePooling2D(keepdims=True),
                layers.Flatten(),
                layers.Dense(2, kernel_initializer=keras.initializers.Identity()),
                layers.Softmax(),
            ]
        )
        found = self.contributions(network)
        np.testing.assert_array_equal(found, self.contributions(network, layer="last"))
        coarse = self.contributions(network, layer="pool")
        assert not np.allclose(found, coarse)
        # Whatever the resolution, contributions sum up to about the same.
        np.testing.assert_allclose(
            found.sum(axis=(1, 2)), coarse.sum(axis=(1, 2)), rtol=0.05, atol=1e-4
        )

    def backbone(self, name, size=SIZE):
        return keras.Sequential(
            [
                keras.Input((size, size, 3)),
                layers.Conv2D(3, 1, activation="relu", name="colors"),
                layers.GlobalAveragePooling2D(),
            ],
            name=name,
        )

    def several_inputs(self):
        """Two backbones, one of them for images of half the size, and a vector."""
        images = [keras.Input((SIZE, SIZE, 3)), keras.Input((SIZE // 2, SIZE // 2, 3))]
        vector = keras.Input((2,))
        backbones = [self.backbone("whole"), self.backbone("half", SIZE // 2)]
        joined = layers.Concatenate()(
            [backbone(image) for backbone, image in zip(backbones, images, strict=True)]
            + [layers.Dense(2, activation="relu", name="dense")(vector)]
        )
        output = layers.Dense(1, activation="sigmoid", name="decision")(joined)
        network = keras.Model([*images, vector], output)
        for backbone in backbones:
            backbone.set_weights(COLORS)
        # Red of the whole image and green of the half one.
        network.get_layer("decision").set_weights(
            [np.array([[50.0], [0], [0], [0], [50], [0], [1], [1]]), np.zeros(1)]
        )
        return network

    @staticmethod
    def make_inputs(images):
        unit = images.astype(np.float32) / 255
        return unit, unit[:, ::2, ::2], unit.mean(axis=(1, 2))[:, :2]

    def test_maps_of_all_branches_are_added_up(self):
        network = self.several_inputs()
        found = self.contributions(network, inputs=self.make_inputs)
        both = found[2] / found[2].max()
        assert both[RED].min() > 0.5
        assert both[GREEN].max() > 0.5
        assert not both[:, :1].any()
        whole, half = (
            self.contributions(network, inputs=self.make_inputs, layer=f"{name}/colors")
            for name in ("whole", "half")
        )
        np.testing.assert_allclose(found, whole + half, atol=1e-6)
        assert not whole[2][GREEN].any()
        assert not half[2][RED].any()

    def test_a_name_in_two_branches_needs_its_branch(self):
        with pytest.raises(
            ValueError,
            match="several layers: expected one of whole/colors, half/colors",
        ):
            self.contributions(
                self.several_inputs(), inputs=self.make_inputs, layer="colors"
            )

    def test_a_backbone_inside_a_backbone(self):
        image = keras.Input((SIZE, SIZE, 3))
        inner = self.backbone("inner")
        outer = keras.Model(image, layers.Rescaling(1.0)(inner(image)), name="outer")
        network = keras.Sequential(
            [keras.Input((SIZE, SIZE, 3)), outer, layers.Dense(1, activation="sigmoid")]
        )
        inner.set_weights(COLORS)
        network.layers[-1].set_weights([np.array([[1.0], [0], [0]]), np.zeros(1)])
        found = self.contributions(network, layer="outer/inner/colors")
        np.testing.assert_allclose(found[0] / found[0].max(), mask(RED), atol=1e-5)
        np.testing.assert_array_equal(found, self.contributions(network))

    def test_a_backbone_that_sees_two_images(self):
        first, second = (keras.Input((SIZE, SIZE, 3)) for _ in range(2))
        backbone = self.backbone("shared")
        joined = layers.Concatenate()([backbone(first), backbone(second)])
        network = keras.Model(
            [first, second], layers.Dense(1, activation="sigmoid")(joined)
        )
        backbone.set_weights(COLORS)
        network.layers[-1].set_weights([np.ones((6, 1)), np.zeros(1)])

        def turned_too(images):
            unit = images.astype(np.float32) / 255
            return unit, unit[:, ::-1, ::-1]

        found = self.contributions(network, IMAGES[:1], inputs=turned_too)[0]
        expected = mask(RED) + mask(RED)[::-1, ::-1]
        np.testing.assert_allclose(found / found.max(), expected, atol=1e-5)

    @pytest.mark.parametrize("layer", [None, "dense"])
    def test_a_network_without_feature_maps(self, layer):
        network = keras.Sequential(
            [
                keras.Input((SIZE, SIZE, 3)),
                layers.GlobalAveragePooling2D(),
                layers.Dense(1, activation="sigmoid", name="dense"),
            ]
        )
        with pytest.raises(ValueError, match=r"is a feature map .* layers are: none"):
            self.contributions(network, layer=layer)


class TestBadInput:
    def test_unknown_layer(self, classifier):
        with pytest.raises(
            ValueError, match=r"layer='colours' is not a layer .* colors, "
        ):
            grad_cam(classifier, IMAGES, layer="colours")

    def test_unknown_target(self, classifier):
        with pytest.raises(
            ValueError, match=r"class_of_interest=2 is not one of the classes \[0, 1\]"
        ):
            grad_cam(classifier, IMAGES, class_of_interest=2)

    def test_strings_need_a_target(self, classifier):
        fitted = deepcopy(classifier)
        fitted.classes_ = np.array(["Parasitized", "Uninfected"])
        with pytest.raises(ValueError, match="the positive class, which is unknown"):
            grad_cam(fitted, IMAGES)
        fitted.set_params(pos_label="Parasitized")
        np.testing.assert_array_equal(
            grad_cam(fitted, IMAGES), grad_cam(classifier, IMAGES, class_of_interest=0)
        )

    def test_another_image_size(self, classifier):
        with pytest.raises(ValueError, match="was fitted on images of shape"):
            grad_cam(classifier, IMAGES[:, 1:])

    def test_batch_size(self, classifier):
        with pytest.raises(ValueError, match="batch_size=0: expected an integer"):
            grad_cam(classifier, IMAGES, batch_size=0)

    def test_unfitted(self):
        with pytest.raises(NotFittedError):
            grad_cam(KerasImageClassifier(linear_network), IMAGES)

    def test_pipeline(self, classifier):
        masker = BackgroundMasker().fit(IMAGES)
        with pytest.raises(TypeError, match=r"Pipeline .* pass pipeline\[-1\]"):
            grad_cam(make_pipeline(masker, classifier), IMAGES)

    def test_another_backend(self, classifier, monkeypatch):
        monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
        with pytest.raises(NotImplementedError, match="KERAS_BACKEND=tensorflow"):
            grad_cam(classifier, IMAGES)


@pytest.mark.slow
def test_the_branches_of_a_fusion_are_looked_at_together_or_alone():
    classifier = FeatureFusionClassifier(
        [
            ("rgb", "passthrough"),
            ("hsv", HSVConverter()),
            ("color", FunctionTransformer(mean_color)),
        ],
        backbone=color_backbone,
        embedding_size=16,
        **fast(epochs=2, batch_size=4),
    )
    classifier.fit(np.tile(IMAGES, (4, 1, 1, 1)), np.tile([1, 0, 1, 0], 4))
    branches = ["rgb_backbone/colors", "hsv_backbone/colors"]
    for backbone in ("rgb_backbone", "hsv_backbone"):
        # Three units with random weights may see nothing in any of these images.
        classifier.model_.get_layer(backbone).get_layer("colors").set_weights(COLORS)
    for layer in (None, *branches):
        maps = grad_cam(classifier, IMAGES, layer=layer)
        assert maps.shape == (4, SIZE, SIZE)
        assert maps.min() >= 0
        assert maps.max() <= 1
    together, *alone = (
        FeatureMaps(classifier.model_, classifier._inputs, IMAGES, layer).contributions(
            1, 4
        )
        for layer in (None, *branches)
    )
    assert all(maps.any() for maps in alone)
    np.testing.assert_allclose(together, sum(alone), atol=1e-6)

    # Vectors have no map, so the display says what each branch decides by itself.
    titles = GradCAMDisplay.from_estimator(classifier, IMAGES).titles
    says = classifier.branch_probabilities(IMAGES)
    assert list(says) == ["rgb", "hsv", "color", "color_boosting"]
    for row, probability in enumerate(classifier.predict_proba(IMAGES)[:, 1]):
        assert titles[row].split("\n") == [
            f"p = {probability:.3f}",
            *(f"{name} {says[name][row, 1]:.2f}" for name in says),
        ]


class TestDisplay:
    def test_images_and_maps_are_drawn(self, classifier):
        display = GradCAMDisplay.from_estimator(classifier, IMAGES, [1, 0, 1, 0])
        maps = grad_cam(classifier, IMAGES)
        probability = classifier.predict_proba(IMAGES)[:, 1]
        assert display.axes_.shape == (2, 4)
        for column, (above, below) in enumerate(display.axes_.T):
            np.testing.assert_array_equal(above.images[0].get_array(), IMAGES[column])
            name = ["parasitized", "uninfected"][column % 2]
            assert above.get_title() == f"{name}\np = {probability[column]:.3f}"
            np.testing.assert_array_equal(below.images[1].get_array(), maps[column])
        assert display.title == "Class activation maps for parasitized"

    def test_of_several_classes_each_title_names_its_class(self, of_three):
        display = GradCAMDisplay.from_estimator(of_three, IMAGES[:2])
        names = [title.split(" = ")[0] for title in display.titles]
        assert names == ["p(red)", "p(green)"]

    def test_many_images_take_several_rows(self, classifier):
        display = GradCAMDisplay.from_estimator(
            classifier, np.tile(IMAGES, (2, 1, 1, 1))
        )
        assert display.axes_.shape == (4, 6)
        drawn = [bool(axes.images) for axes in display.axes_.flat]
        assert drawn == [True] * 14 + [False] * 4 + [True] * 2 + [False] * 4
