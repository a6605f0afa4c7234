import copy
import os
import pickle
import random
import subprocess
import sys

import joblib
import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils import get_tags
from support import dark_spots

from malariafuse._engine._compute_dtype import resolve_compute_dtype
from malariafuse.features import PretrainedFeatureExtractor

X, Y, _ = dark_spots(12)
BUILT = []


def tiny_backbone(input_shape):
    BUILT.append(input_shape)
    images = keras.Input(input_shape)
    maps = keras.layers.Conv2D(4, 3, activation="relu", name="first")(images)
    maps = keras.layers.Conv2D(6, 3, name="second")(maps)
    maps = keras.layers.BatchNormalization(name="norm")(maps)
    vector = keras.layers.GlobalMaxPooling2D(name="top")(maps)
    return keras.Model(images, keras.layers.Dense(5, name="vector")(vector))


def pixels(input_shape):
    """A network whose output is its input."""
    return keras.Sequential(
        [keras.Input(input_shape), keras.layers.Activation("linear", name="pixels")]
    )


def exact(backbone, **parameters):
    """An extractor that can be compared with Keras itself."""
    return PretrainedFeatureExtractor(backbone, compute_dtype="float32", **parameters)


def tiny(**parameters):
    return exact(tiny_backbone, weights=None).set_params(**parameters)


def noise(size, n_samples=2):
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, (n_samples, size, size, 3), dtype=np.uint8)


def assert_close(features, expected):
    """Equal but for rounding, measured on the largest feature."""
    scale = np.abs(expected).max()
    assert scale > 0
    np.testing.assert_allclose(features / scale, expected / scale, atol=1e-5)


# Networks of keras.applications


@pytest.mark.parametrize(
    ("backbone", "layer", "module"),
    [
        ("VGG16", "block2_conv2", keras.applications.vgg16),
        pytest.param(
            "VGG19", "block2_conv2", keras.applications.vgg19, marks=pytest.mark.slow
        ),
        pytest.param(
            "ResNet50V2",
            "conv2_block1_out",
            keras.applications.resnet_v2,
            marks=pytest.mark.slow,
        ),
        ("MobileNetV2", "block_2_add", keras.applications.mobilenet_v2),
        pytest.param(
            "InceptionV3",
            "mixed0",
            keras.applications.inception_v3,
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "DenseNet121",
            "conv2_block1_concat",
            keras.applications.densenet,
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "EfficientNetB0",
            "block2a_activation",
            keras.applications.efficientnet,
            marks=pytest.mark.slow,
        ),
    ],
)
def test_images_are_prepared_once_as_the_network_needs_them(backbone, layer, module):
    images = noise(75 if backbone == "InceptionV3" else 32)
    extractor = exact(backbone, layer=layer, weights=None)
    features = extractor.fit_transform(images)
    network = extractor._built.network.model
    prepared = module.preprocess_input(images.astype("float32"))
    assert_close(features, network.predict_on_batch(prepared))
    assert_close(extractor.transform(images / 255), features)
    assert extractor.get_feature_names_out()[0] == f"{layer}_0"


@pytest.mark.parametrize(
    ("suffix", "pooling"), [(".weights.h5", "avg"), (".h5", "max")]
)
def test_features_are_those_of_a_keras_network_with_weights_from_a_file(
    tmp_path, suffix, pooling
):
    application = keras.applications.mobilenet
    network = application.MobileNet(
        include_top=False, weights=None, input_shape=(32, 32, 3)
    )
    file = tmp_path / f"mine{suffix}"
    # Today's Keras writes the older format, that of its ImageNet files, for whole
    # models only.
    (network.save if suffix == ".h5" else network.save_weights)(file)
    images = noise(32)
    maps = keras.Model(
        network.input, network.get_layer("conv_pw_3_relu").output
    ).predict_on_batch(application.preprocess_input(images.astype("float32")))
    extractor = exact(
        "MobileNet", layer="conv_pw_3_relu", pooling=pooling, weights=file
    )
    reduce = np.mean if pooling == "avg" else np.max
    assert_close(extractor.transform(images), reduce(maps, axis=(1, 2)))


def test_the_last_layer_below_the_top_is_the_default():
    extractor = PretrainedFeatureExtractor("VGG16", weights=None).fit(noise(32))
    assert extractor.get_feature_names_out()[-1] == "block5_pool_511"
    assert extractor.available_layers()[-3:] == [
        "block5_conv2",
        "block5_conv3",
        "block5_pool",
    ]


def test_layers_without_a_name_are_numbered_as_in_a_new_process():
    keras.layers.Conv2D(1, 1)  # takes a number from the networks to come
    names = PretrainedFeatureExtractor("Xception").available_layers()
    assert [name for name in names if name.startswith("conv2d")] == [
        "conv2d",
        "conv2d_1",
        "conv2d_2",
        "conv2d_3",
    ]
    assert [name for name in names if name.startswith("add")][-1] == "add_11"
    assert names[0] == "block1_conv1"


def test_images_that_are_too_small():
    with pytest.raises(ValueError, match=r"(?s)16 x 16 pixels.*image_size=\(height"):
        PretrainedFeatureExtractor("VGG16", weights=None).fit(X)
    extractor = PretrainedFeatureExtractor("VGG16", weights=None, image_size=(32, 40))
    assert extractor.fit_transform(X[:1]).shape == (1, 512)


@pytest.mark.parametrize(
    ("backbone", "error", "message"),
    [
        ("vgg-16", ValueError, "no network of this name. Did you mean 'VGG16'"),
        ("preprocess_input", ValueError, "no network of this name"),
        (keras.applications.VGG16, TypeError, "pass its name, 'VGG16'"),
        (
            None,
            ValueError,
            "expected the name of a network in keras.applications or a function",
        ),
        (
            tiny_backbone((8, 8, 3)),
            ValueError,
            r"^backbone=<Functional .*: expected the name of a network",
        ),
    ],
)
def test_backbones_that_are_none(backbone, error, message):
    with pytest.raises(error, match=message):
        PretrainedFeatureExtractor(backbone, weights=None).fit(X)


# Weights


def test_random_weights_are_always_the_same():
    state = random.getstate()
    features = tiny().fit_transform(X)
    keras.layers.Dense(3).build((1, 2))  # draws from Keras' global generator
    np.testing.assert_array_equal(tiny().fit_transform(X), features)
    assert np.unique(features).size > features.shape[1]
    random.setstate(state)
    tiny().fit(X)
    assert random.getstate() == state


def test_weights_for_a_network_of_ones_own(tmp_path):
    network = tiny_backbone(X.shape[1:])
    network.set_weights([np.ones_like(w) for w in network.get_weights()])
    network.save_weights(tmp_path / "ones.weights.h5")
    extractor = tiny(weights=tmp_path / "ones.weights.h5")
    expected = network.predict_on_batch(X / np.float32(255))
    assert_close(extractor.fit_transform(X), expected)


def another_backbone(input_shape):
    return keras.Sequential(
        [keras.Input(input_shape), keras.layers.Conv2D(3, 5), keras.layers.Dense(2)]
    )


@pytest.mark.parametrize("suffix", [".weights.h5", ".h5", ".txt"])
@pytest.mark.parametrize("damage", ["another network", "cut short"])
def test_a_file_that_cannot_be_loaded(tmp_path, suffix, damage):
    build = tiny_backbone if damage == "cut short" else another_backbone
    if suffix == ".h5":
        build(X.shape[1:]).save(whole := tmp_path / "whole.h5")
    else:
        build(X.shape[1:]).save_weights(whole := tmp_path / "whole.weights.h5")
    content = whole.read_bytes()
    file = tmp_path / f"bad{suffix}"
    file.write_bytes(content[: len(content) // 2] if damage == "cut short" else content)
    extractor = tiny(weights=file)
    with pytest.raises(ValueError, match=rf"(?s)bad{suffix}' cannot .* same network"):
        extractor.fit(X)


def test_a_file_that_is_not_there(tmp_path):
    extractor = tiny(weights=tmp_path / "none.weights.h5")
    with pytest.raises(
        FileNotFoundError, match=r"none\.weights\.h5'.* file does not exist"
    ):
        extractor.fit(X)


IN_A_NEW_PROCESS = """
import os, sys
from pathlib import Path
import joblib, numpy as np
from malariafuse.features import PretrainedFeatureExtractor

model, images, result = sys.argv[1:]
X = np.load(images)
loaded = joblib.load(model)
np.savez(result, features=loaded[:-1].transform(X), p=loaded.predict_proba(X))

def error_of(backbone):
    try:
        PretrainedFeatureExtractor(backbone, image_size=(40, 40)).fit(X)
    except Exception as error:
        print(type(error).__name__, str(error).replace("\\n", " "))

error_of("VGG16")
models = Path(os.environ["KERAS_HOME"], "models")
name = "mobilenet_1_0_224_tf_no_top.h5"
(models / name).write_bytes(b"nothing")
error_of("MobileNet")
"""


@pytest.fixture(scope="module")
def new_process(tmp_path_factory):
    """What a process without a connection and with an empty Keras cache does."""
    folder = tmp_path_factory.mktemp("new_process")
    home = folder / "keras"
    home.mkdir()
    model, images, result = (folder / name for name in ("m.joblib", "x.npy", "r.npz"))
    weights = folder / "mine.weights.h5"
    network = keras.applications.MobileNet(
        include_top=False, weights=None, input_shape=(40, 40, 3)
    )
    network.save_weights(weights)
    pipeline = make_pipeline(
        PretrainedFeatureExtractor(
            "MobileNet",
            layer=["conv_pw_1_relu", "conv_dw_3_bn"],
            image_size=(40, 40),
            weights=weights,
        ),
        LogisticRegression(),
    ).fit(X, Y)
    joblib.dump(pipeline, model)
    weights.unlink()
    np.save(images, X)
    closed = "http://127.0.0.1:9"
    environment = {
        **os.environ,
        "KERAS_HOME": str(home),
        **dict.fromkeys(("https_proxy", "http_proxy", "HTTPS_PROXY"), closed),
    }
    for name in ("no_proxy", "NO_PROXY"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-c", IN_A_NEW_PROCESS, model, images, result],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
    )
    return pipeline, np.load(result), done.stdout, home


@pytest.mark.slow
def test_a_fitted_pipeline_needs_no_connection_and_no_file(new_process):
    pipeline, result, _, _ = new_process
    np.testing.assert_array_equal(result["features"], pipeline[:-1].transform(X))
    np.testing.assert_array_equal(result["p"], pipeline.predict_proba(X))


@pytest.mark.slow
def test_weights_that_cannot_be_downloaded(new_process):
    _, _, printed, home = new_process
    (line,) = (line for line in printed.splitlines() if "OSError " in line)
    assert "weights of VGG16 could not be downloaded" in line
    file = "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
    assert f"/vgg16/{file} on a machine" in line
    assert f"into the folder {home / 'models'} with the name {file}," in line


@pytest.mark.slow
def test_a_damaged_file_in_the_cache_of_keras(new_process):
    _, _, printed, home = new_process
    (line,) = (line for line in printed.splitlines() if "ValueError " in line)
    assert f"weights of MobileNet in {home / 'models'}" in line
    assert "Delete this file" in line


# Layers


def test_several_layers_stand_side_by_side_in_the_order_given():
    both = tiny(layer=["vector", "first"]).fit(X)
    np.testing.assert_array_equal(
        both.transform(X),
        np.hstack([tiny(layer=name).fit_transform(X) for name in ("vector", "first")]),
    )
    assert list(both.get_feature_names_out()) == [
        *(f"vector_{i}" for i in range(5)),
        *(f"first_{i}" for i in range(4)),
    ]


def test_a_layer_that_is_not_there():
    with pytest.raises(ValueError, match=r"layer='frist'.*Did you mean 'first'"):
        tiny(layer="frist").fit(X)
    assert tiny().available_layers((9, 9, 3)) == [
        "first",
        "second",
        "norm",
        "top",
        "vector",
    ]


def test_a_layer_that_gives_neither_maps_nor_vectors():
    def tokens(input_shape):
        return keras.Sequential(
            [keras.Input(input_shape), keras.layers.Reshape((-1, 3), name="tokens")]
        )

    with pytest.raises(ValueError, match=r"'tokens' gives \(None, 256, 3\)"):
        PretrainedFeatureExtractor(tokens, weights=None).fit(X)


def test_maps_are_pooled_to_vectors():
    maps = tiny(layer="first", pooling="flatten").fit_transform(X)
    maps = maps.reshape(len(X), 14 * 14, 4)
    for pooling, expected in (("avg", maps.mean(axis=1)), ("max", maps.max(axis=1))):
        features = tiny(layer="first", pooling=pooling).fit_transform(X)
        np.testing.assert_allclose(features, expected, rtol=1e-5)


def test_a_network_for_images_of_any_size():
    extractor = PretrainedFeatureExtractor(
        lambda _: pixels((None, None, 3)), weights=None
    )
    assert extractor.fit_transform(X).shape == (12, 3)
    with pytest.raises(ValueError, match="'pixels' gives vectors without a fixed size"):
        extractor.set_params(pooling="flatten").fit(X)


@pytest.mark.parametrize("pooling", ["avg", "max"])
def test_vectors_are_not_pooled(pooling):
    np.testing.assert_array_equal(
        tiny(pooling=pooling).fit_transform(X),
        tiny(layer="vector", pooling="flatten").fit_transform(X),
    )


# Images and batches


@pytest.mark.parametrize("size", [(24, 20), (7, 9)])
def test_images_are_resized_bilinearly_and_not_rounded(size):
    extractor = exact(pixels, pooling="flatten", weights=None, image_size=size)
    expected = keras.ops.image.resize(X / np.float32(255), size, antialias=False)
    np.testing.assert_allclose(
        extractor.fit_transform(X).reshape(-1, *size, 3), expected, atol=1e-5
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, np.float64])
def test_ones_own_network_gets_values_in_0_to_1(dtype):
    images = X if dtype == np.uint8 else (X / 255).astype(dtype)
    before = images.copy()
    extractor = exact(pixels, pooling="flatten", weights=None)
    features = extractor.fit_transform(images)
    assert features.dtype == np.float32
    expected = X if dtype == np.uint8 else images.astype(np.float32) * 255
    np.testing.assert_allclose(features * 255, expected.reshape(len(X), -1), rtol=1e-6)
    np.testing.assert_array_equal(images, before)


FITTED = tiny(layer=["first", "vector"]).fit(X)
FEATURES = FITTED.transform(X)


@settings(max_examples=25)
@given(
    st.lists(st.integers(0, len(X) - 1), min_size=1, max_size=20),
    st.integers(1, 25),
)
def test_features_of_an_image_depend_on_that_image_alone(rows, batch_size):
    extractor = copy.copy(FITTED).set_params(batch_size=batch_size)
    np.testing.assert_allclose(
        extractor.transform(X[rows]), FEATURES[rows], rtol=1e-5, atol=1e-6
    )


def test_images_on_disk_and_images_that_are_not_contiguous(tmp_path):
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    np.testing.assert_array_equal(FITTED.transform(mapped), FEATURES)
    turned = FITTED.transform(X.transpose(0, 2, 1, 3)[:, ::-1])
    again = FITTED.transform(X.transpose(0, 2, 1, 3)[:, ::-1].copy())
    np.testing.assert_array_equal(turned, again)


def test_progress_is_shown_if_asked_for(capsys):
    tiny(verbose=1, batch_size=5).fit_transform(X)
    assert "12/12" in capsys.readouterr().err
    tiny().fit_transform(X)
    assert capsys.readouterr().err == ""


# As a transformer of scikit-learn


def test_works_without_fit_and_builds_the_network_once():
    assert not get_tags(tiny()).requires_fit
    BUILT.clear()
    extractor = tiny(layer=["first", "vector"])
    with pytest.raises(NotFittedError, match="Call fit or transform first"):
        extractor.get_feature_names_out()
    for _ in range(2):
        np.testing.assert_array_equal(extractor.transform(X), FEATURES)
    assert len(BUILT) == 1
    extractor.transform(X[:, :10])
    assert BUILT == [(16, 16, 3), (10, 16, 3)]


def test_images_of_another_shape_than_in_fit_are_refused():
    assert FITTED.image_shape_ == (16, 16, 3)
    with pytest.raises(ValueError, match="was fitted on images of shape"):
        FITTED.transform(X[:, :10])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("backbone", lambda input_shape: tiny_backbone(input_shape)),
        ("layer", "vector"),
        ("layer", ["first", "vector"]),
        ("pooling", "max"),
        ("weights", "other.weights.h5"),
        ("image_size", (8, 8)),
        ("compute_dtype", "bfloat16"),
    ],
)
def test_a_parameter_that_is_changed_needs_another_fit(name, value):
    extractor = tiny(layer="first").fit(X)
    expected = extractor.transform(X)
    before = extractor.get_params()[name]
    extractor.set_params(**{name: value})
    with pytest.raises(
        ValueError, match=rf"{name}=.* when this .* was fitted.* Call fit again"
    ):
        extractor.transform(X)
    assert extractor.get_feature_names_out()[0] == "first_0"
    extractor.set_params(**{name: before})
    np.testing.assert_array_equal(extractor.transform(X), expected)


def test_how_the_network_is_applied_may_change_after_fit():
    extractor = tiny(layer="first").fit(X)
    expected = extractor.transform(X)
    extractor.set_params(batch_size=2, verbose=0, engine="keras")
    np.testing.assert_allclose(extractor.transform(X), expected, rtol=1e-5)


def test_another_fit_takes_the_changed_parameter():
    extractor = tiny(layer="first").fit(X).set_params(layer="vector")
    np.testing.assert_array_equal(extractor.fit_transform(X), tiny().fit_transform(X))
    assert extractor.get_feature_names_out()[0] == "vector_0"


def test_without_fit_a_changed_parameter_counts_from_the_next_call():
    extractor = tiny(layer="first")
    extractor.transform(X)
    extractor.set_params(layer="vector")
    np.testing.assert_array_equal(extractor.transform(X), tiny().fit_transform(X))
    assert extractor.get_feature_names_out()[0] == "vector_0"


@pytest.mark.parametrize(
    "again", [copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))]
)
def test_copies_compute_the_same_without_building_the_network(again):
    BUILT.clear()
    np.testing.assert_array_equal(again(FITTED).transform(X), FEATURES)
    np.testing.assert_array_equal(again(again(FITTED)).transform(X), FEATURES)
    assert not BUILT
    np.testing.assert_array_equal(again(clone(FITTED)).fit_transform(X), FEATURES)
    assert len(BUILT) == 1


def test_a_pipeline_caches_features(tmp_path):
    BUILT.clear()
    for c in (0.1, 1.0, 10.0):
        Pipeline(
            [("features", tiny()), ("classifier", LogisticRegression(C=c))],
            memory=str(tmp_path),
        ).fit(X, Y)
    assert len(BUILT) == 1


def test_layers_can_be_searched():
    search = GridSearchCV(
        make_pipeline(tiny(), LogisticRegression()),
        {"pretrainedfeatureextractor__layer": ["first", ["second", "vector"]]},
        cv=2,
        error_score="raise",
    ).fit(X, Y)
    assert search.best_score_ > 0.5
    assert search.predict(X).shape == Y.shape


def test_features_as_a_table():
    table = tiny(layer="second").set_output(transform="pandas").fit_transform(X)
    assert list(table.columns) == [f"second_{i}" for i in range(6)]
    np.testing.assert_array_equal(table, tiny(layer="second").fit_transform(X))


# The network


def test_the_network_of_the_user_stays_as_it_is():
    network = tiny_backbone(X.shape[1:])
    extractor = PretrainedFeatureExtractor(lambda _: network, weights=None).fit(X)
    extractor.transform(X)
    assert all(layer.trainable for layer in network.layers)
    frozen = extractor._built.network.model
    assert not frozen.trainable_variables
    network.set_weights([np.zeros_like(w) for w in network.get_weights()])
    assert extractor.transform(X).any()


def test_compute_dtype_is_that_of_this_network_alone():
    policy = keras.config.dtype_policy().name
    extractor = tiny(layer="second", compute_dtype="bfloat16").fit(X)
    rough = extractor.transform(X)
    fine = tiny(layer="second").fit_transform(X)
    assert rough.dtype == np.float32
    assert extractor.compute_dtype_ == "bfloat16"
    assert 0 < np.abs(rough - fine).max() < 0.02 * np.abs(fine).max()
    assert keras.config.dtype_policy().name == policy


def test_automatic_compute_dtype_is_float32_for_depthwise_convolutions(new_process):
    pipeline, *_ = new_process
    assert pipeline[0].compute_dtype == "auto"
    assert pipeline[0].compute_dtype_ == "float32"
    automatic = tiny(compute_dtype="auto").fit(X)
    assert automatic.compute_dtype_ == resolve_compute_dtype("auto")


def test_features_that_are_not_finite_are_an_error():
    def overflow(input_shape):
        twice = [keras.layers.Rescaling(1e30) for _ in range(2)]
        return keras.Sequential([keras.Input(input_shape), *twice])

    extractor = PretrainedFeatureExtractor(overflow, weights=None, batch_size=4)
    with pytest.raises(FloatingPointError, match="NaN or infinity for images 0 to 3"):
        extractor.fit_transform(X)


def two_inputs(input_shape):
    inputs = [keras.Input(input_shape), keras.Input(input_shape)]
    return keras.Model(inputs, keras.layers.Add()(inputs))


def with_lambda(input_shape):
    return keras.Sequential(
        [keras.Input(input_shape), keras.layers.Lambda(lambda images: images * 2)]
    )


@pytest.mark.parametrize(
    ("backbone", "error", "message"),
    [
        (lambda _: "network", TypeError, "returned a str with 0 inputs"),
        (
            lambda _: keras.Sequential([keras.layers.Flatten()]),
            TypeError,
            "keras.Input",
        ),
        (two_inputs, TypeError, "2 inputs"),
        (lambda _: pixels((9, 9, 3)), ValueError, r"of shape \(9, 9, 3\): expected"),
        (lambda _: pixels((3,)), ValueError, r"of shape \(3,\): expected"),
        (with_lambda, ValueError, "not be stored and loaded"),
    ],
)
def test_functions_that_return_no_usable_network(backbone, error, message):
    with pytest.raises(error, match=message):
        PretrainedFeatureExtractor(backbone, weights=None).fit(X)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"pooling": "mean"}, ValueError, "pooling='mean': expected one of 'avg'"),
        ({"batch_size": 0}, ValueError, "batch_size=0: expected a positive"),
        ({"layer": []}, ValueError, r"layer=\[\]: .* a non-empty list of names"),
        ({"layer": ["first", "first"]}, ValueError, "without repetition"),
        ({"layer": 3}, ValueError, "layer=3: expected None, the name of a layer or"),
        ({"image_size": 32}, ValueError, "image_size=32: expected None or two integ"),
        ({"compute_dtype": "float16"}, ValueError, "compute_dtype='float16'"),
        ({"weights": 1}, ValueError, "weights=1: expected 'imagenet', None or the"),
        ({"weights": "imagenet"}, ValueError, "pass weights=None to use"),
    ],
)
def test_parameters_that_are_not_understood(parameters, error, message):
    extractor = tiny().set_params(**parameters)
    with pytest.raises(error, match=message):
        extractor.fit(X)
    with pytest.raises(error, match=message):
        extractor.transform(X)


def test_images_that_are_none():
    with pytest.raises(ValueError, match="expected 3 in the last dimension"):
        tiny().transform(X[..., :1])
    with pytest.raises(ValueError, match=r"expected values in \[0, 1\]"):
        tiny().fit(X.astype(float))
