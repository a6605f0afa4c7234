import keras
import numpy as np
import pytest
from scipy.special import expit, softmax

from malariafuse.networks import build_fusion, build_resnet18

SHAPES = {"rgb": (16, 16, 3), "hsv": (16, 16, 3), "spots": (5,)}


def mean_color(input_shape, filters):
    inputs = keras.Input(input_shape)
    x = keras.layers.Conv2D(filters, 1)(inputs)
    return keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(x))


# Quicker to build than the default backbone.
NARROW = {"backbone": mean_color, "filters": 1}


def batch(shapes=SHAPES, n_samples=4):
    generator = np.random.default_rng(0)
    return [
        generator.random((n_samples, *shape), dtype="float32")
        for shape in shapes.values()
    ]


@pytest.mark.parametrize("fusion", ["average", "concatenate", "gated"])
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_output_is_a_probability_per_class(fusion, n_outputs):
    network = build_fusion(SHAPES, n_outputs, fusion=fusion, **NARROW)
    outputs = keras.ops.convert_to_numpy(network(batch()))
    assert outputs.shape == (4, n_outputs)
    assert outputs.dtype == np.float32
    assert ((outputs >= 0) & (outputs <= 1)).all()
    if n_outputs > 1:
        np.testing.assert_allclose(outputs.sum(axis=1), 1, rtol=1e-5)


def test_the_gate_takes_the_mean_of_the_embeddings_by_its_weights():
    network = build_fusion(SHAPES, fusion="gated", embedding_size=3, **NARROW)
    names = [*(f"{name}_embedding" for name in SHAPES), "gate_weights", "fused"]
    outputs = [network.get_layer(name).output for name in names]
    *embeddings, weights, fused = (
        np.asarray(output) for output in keras.Model(network.inputs, outputs)(batch())
    )
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)
    expected = sum(
        weight[:, None] * embedding
        for weight, embedding in zip(weights.T, embeddings, strict=True)
    )
    np.testing.assert_allclose(fused, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize(
    ("weights", "shares"),
    [(None, [1, 1, 2]), ({}, [1, 1, 1]), ({"hsv": 0.5, "spots": 0}, [1, 0.5, 0])],
)
def test_the_average_is_that_of_the_logits_of_all_branches(n_outputs, weights, shares):
    network = build_fusion(
        SHAPES, n_outputs, fusion="average", branch_weights=weights, **NARROW
    )
    logits = keras.Model(network.inputs, network.get_layer("branch_logits").output)
    outputs = keras.ops.convert_to_numpy(logits(batch()))
    assert outputs.shape == (4, len(SHAPES), n_outputs)
    mean = np.average(outputs, axis=1, weights=shares)
    expected = expit(mean) if n_outputs == 1 else softmax(mean, axis=1)
    # Logits of an untrained network are large, and so is their rounding.
    np.testing.assert_allclose(network(batch()), expected, rtol=1e-3)


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_logits_of_a_classifier_count_as_they_are(n_outputs):
    shapes = {"trees": (n_outputs,), "rgb": (16, 16, 3)}
    network = build_fusion(
        shapes, n_outputs, filters=1, logits=["trees"], backbone=mean_color
    )
    inputs = batch(shapes)
    logits = keras.Model(network.inputs, network.get_layer("branch_logits").output)
    of_branches = keras.ops.convert_to_numpy(logits(inputs))
    np.testing.assert_array_equal(of_branches[:, 0], inputs[0])
    # Vectors count 2 and images 1.
    mean = np.average(of_branches, axis=1, weights=[2, 1])
    expected = expit(mean) if n_outputs == 1 else softmax(mean, axis=1)
    np.testing.assert_allclose(network(inputs), expected, rtol=1e-3)


@pytest.mark.parametrize(
    ("logits", "message"),
    [
        (["spots"], r"logits has 'spots', .* \(5,\): expected \(1,\)"),
        (["other"], r"logits has unknown branch names \['other'\]"),
        (list(SHAPES), "logits=.* has all branches"),
        ("spots", "logits='spots': expected a sequence, each of it a name"),
    ],
)
def test_bad_logits(logits, message):
    with pytest.raises(ValueError, match=message):
        build_fusion(SHAPES, logits=logits, **NARROW)


def test_backbone_and_width_can_be_set_for_each_branch():
    network = build_fusion(
        SHAPES, backbone={"hsv": "convnet"}, filters={"rgb": 2, "hsv": 3}
    )
    rgb, hsv = (network.get_layer(f"{name}_backbone") for name in ("rgb", "hsv"))
    alone = build_resnet18((16, 16, 3), filters=2, pool_size=None)
    output = alone.layers[-1]
    assert rgb.count_params() == alone.count_params() - output.count_params()
    assert hsv.get_layer("block1_conv1").filters == 3


def test_a_backbone_of_ones_own():
    network = build_fusion({"rgb": (8, 8, 3)}, backbone=mean_color, filters=7)
    assert network.get_layer("rgb_backbone").output_shape == (None, 7)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_shapes": {}}, "expected at least one branch"),
        ({"input_shapes": {"map": (4, 4)}}, r"samples of shape \(4, 4\)"),
        ({"fusion": "sum"}, "fusion='sum': expected one of 'average',"),
        ({"backbone": "vgg"}, "backbone='vgg': expected a callable or one of"),
        ({"backbone": ["convnet"]}, r"backbone=\['convnet'\]: expected a callable"),
        ({"backbone": {"rbg": "convnet"}}, r"has unknown branch names \['rbg'\]"),
        ({"filters": {"rbg": 2}}, r"has unknown branch names \['rbg'\]"),
        (
            {"backbone": lambda shape, filters: None},
            "backbone returned None for the branch",
        ),
        ({"branch_weights": {"rbg": 2}}, r"has unknown branch names \['rbg'\]"),
        (
            {"branch_weights": [1, 2, 2]},
            r"branch_weights=\[1, 2, 2\]: expected None or a mapping",
        ),
        (
            {"branch_weights": {"hsv": -1}},
            r"branch_weights=\{'hsv': -1\}.*non-negative numbers",
        ),
        (
            {"branch_weights": {"hsv": np.nan}},
            r"branch_weights=\{'hsv': nan\}.*non-negative numbers",
        ),
        (
            {"branch_weights": {"hsv": "1"}},
            r"branch_weights=\{'hsv': '1'\}.*non-negative numbers",
        ),
        (
            {"branch_weights": dict.fromkeys(SHAPES, 0)},
            "branch_weights=.*expected at least one weight above 0",
        ),
        ({"embedding_size": 0}, "embedding_size=0"),
        ({"embedding_size": "8"}, "embedding_size='8': expected an integer in"),
        ({"n_outputs": 0}, "n_outputs=0: expected an integer in"),
        ({"fusion": ["gated"]}, r"fusion=\['gated'\]: expected one of 'average',"),
        ({"dropout": 1.0}, r"dropout=1.0"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        build_fusion(**{"input_shapes": SHAPES, **NARROW, **arguments})
