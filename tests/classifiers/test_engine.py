"""Predictions by another engine than Keras, and what happens where there is none."""

import importlib.abc
import importlib.machinery
import importlib.util
import pickle
import subprocess
import sys

import keras
import numpy as np
import pytest
from sklearn.base import clone
from support import dark_spots, fast, linear_network, logged_network

from malariafuse import (
    ConvNetClassifier,
    FeatureFusionClassifier,
    HSVConverter,
    KerasImageClassifier,
    PretrainedFeatureExtractor,
    ResNet18Classifier,
    SpotFeatureExtractor,
)
from malariafuse._engine import _inference

X, Y, _ = dark_spots()
needs_openvino = pytest.mark.skipif(
    importlib.util.find_spec("openvino") is None, reason="OpenVINO is not installed"
)


def by_engine(fitted, engine, images=X):
    """Probabilities by a fitted classifier, which keeps its weights."""
    copy = pickle.loads(pickle.dumps(fitted)).set_params(engine=engine)
    assert copy.engine_ == engine
    return copy.predict_proba(images)


def with_weights_in_bfloat16(input_shape, n_outputs):
    """A network that OpenVINO does not read."""
    return keras.Sequential(
        [
            keras.Input(input_shape),
            keras.layers.Conv2D(2, 3, dtype="bfloat16"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(n_outputs, activation="sigmoid"),
        ]
    )


def normalized(input_shape, n_outputs):
    return keras.Sequential(
        [
            keras.Input(input_shape),
            keras.layers.Normalization(mean=0.4, variance=0.04),
            keras.layers.Flatten(),
            keras.layers.Dense(n_outputs, activation="sigmoid"),
        ]
    )


class BrokenOpenVINO(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """An OpenVINO that is installed and cannot be imported."""

    def find_spec(self, name, path, target=None):
        if name == "openvino":
            return importlib.machinery.ModuleSpec(name, self, origin="here")
        return None

    def exec_module(self, module):
        raise ImportError("libtbb.so.12: cannot open shared object file")


@pytest.fixture
def no_openvino(monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "openvino" else find_spec(name, *rest),
    )


@needs_openvino
@pytest.mark.parametrize(
    "classifier",
    [
        ConvNetClassifier(filters=4, dense_units=(8,)),
        ResNet18Classifier(filters=4),
        FeatureFusionClassifier(
            [("hsv", HSVConverter()), ("spots", SpotFeatureExtractor())],
            backbone="convnet",
            filters=4,
            test_time_views=4,
        ),
    ],
    ids=lambda classifier: type(classifier).__name__,
)
@pytest.mark.parametrize(
    ("compute_dtype", "within"), [("float32", 1e-5), ("bfloat16", 2e-2)]
)
@pytest.mark.slow
def test_engines_agree(classifier, compute_dtype, within):
    classifier = clone(classifier).set_params(
        **fast(epochs=1, compute_dtype=compute_dtype)
    )
    classifier.fit(X, Y)
    # More than one batch, the last of them of another size.
    images = np.random.default_rng(0).integers(0, 256, (300, 16, 16, 3), dtype=np.uint8)
    for shown in (images, (images / 255).astype("float32"), images[:1]):
        np.testing.assert_allclose(
            by_engine(classifier, "openvino", shown),
            by_engine(classifier, "keras", shown),
            atol=within,
        )


@needs_openvino
@pytest.mark.skipif(
    tuple(map(int, keras.__version__.split(".")[:2])) < (3, 15),
    reason="OpenVINO divides first in the graph that older versions give it",
)
def test_levels_of_an_image_are_not_rounded():
    convolution = keras.layers.Conv2D(1, 1, dtype="mixed_bfloat16")
    network = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            convolution,
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Activation("sigmoid", dtype="float32"),
        ]
    )
    # All in eighths: bfloat16 holds the weights, and the results up to one half.
    kernel = np.zeros((1, 1, 3, 1), np.float32)
    kernel[..., 0, 0] = 255 / 8
    convolution.set_weights([kernel, np.array([-24.0])])
    levels = np.arange(188, 197)
    images = np.ones((9, 8, 8, 3), np.float32) * levels[:, None, None, None] / 255
    computed = _inference.FrozenNetwork(network).compute(
        [images.astype(np.float32)], "openvino"
    )
    wanted = 1 / (1 + np.exp(24 - levels / 8))
    np.testing.assert_allclose(computed.ravel(), wanted, atol=1e-3)


@needs_openvino
def test_several_classes():
    classes = np.arange(len(X)) % 3
    classifier = ConvNetClassifier(filters=4, **fast(epochs=1)).fit(X, classes)
    np.testing.assert_allclose(
        by_engine(classifier, "openvino"), by_engine(classifier, "keras"), atol=1e-5
    )


@needs_openvino
def test_constants_of_layers_are_taken_along():
    classifier = KerasImageClassifier(normalized, **fast(epochs=1)).fit(X, Y)
    np.testing.assert_allclose(
        by_engine(classifier, "openvino"), by_engine(classifier, "keras"), atol=1e-5
    )


@needs_openvino
@pytest.mark.slow
def test_auto_takes_openvino_and_a_new_process_gives_the_same_bits(tmp_path):
    classifier = ConvNetClassifier(filters=4, **fast(epochs=1)).fit(X, Y)
    assert classifier.engine_ == "openvino"
    (tmp_path / "classifier.pickle").write_bytes(pickle.dumps(classifier))
    np.save(tmp_path / "images.npy", X)
    program = """
import pickle, sys
import numpy as np
from pathlib import Path

folder = Path(sys.argv[1])
classifier = pickle.loads((folder / "classifier.pickle").read_bytes())
np.save(folder / "there.npy", classifier.predict_proba(np.load(folder / "images.npy")))
# OpenVINO reports its use to its makers through this module, which others may need.
assert "openvino_telemetry" not in sys.modules
from openvino.tools.ovc import telemetry_utils
assert telemetry_utils.tm.__name__ == "openvino.tools.ovc.telemetry_stub"
assert classifier.engine_ == "openvino"
"""
    subprocess.run([sys.executable, "-c", program, tmp_path], check=True)
    np.testing.assert_array_equal(
        np.load(tmp_path / "there.npy"), classifier.predict_proba(X)
    )


@needs_openvino
@pytest.mark.slow
@pytest.mark.usefixtures("untrained")
def test_a_network_that_is_loaded_again_is_compiled_once(monkeypatch):
    compiled = []
    compile_network = _inference._compiled_by_openvino
    monkeypatch.setattr(
        _inference,
        "_compiled_by_openvino",
        lambda network: compiled.append(1) or compile_network(network),
    )
    stored = []
    for seed in (0, 1):
        settings = fast(epochs=1, random_state=seed)
        classifier = KerasImageClassifier(linear_network, **settings)
        stored.append(pickle.dumps(classifier.fit(X, Y)))
    first, again, other = (
        pickle.loads(stored[which]).predict_proba(X) for which in (0, 0, 1)
    )
    assert len(compiled) == 2
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@needs_openvino
def test_features():
    def network(input_shape):
        return keras.Sequential(
            [keras.Input(input_shape), keras.layers.Conv2D(8, 3, name="maps")]
        )

    fitted = PretrainedFeatureExtractor(
        network, layer="maps", weights=None, compute_dtype="float32"
    ).fit(X)
    assert fitted.engine_ == "openvino"
    by_openvino = fitted.transform(X)
    np.testing.assert_allclose(
        fitted.set_params(engine="keras").transform(X), by_openvino, atol=1e-5
    )


@needs_openvino
@pytest.mark.usefixtures("untrained")
def test_a_network_that_openvino_refuses():
    classifier = KerasImageClassifier(with_weights_in_bfloat16, **fast(epochs=1))
    classifier.fit(X, Y)
    with pytest.warns(
        UserWarning, match=r"(?s)OpenVINO does not support .* Keras is used"
    ):
        probabilities = classifier.predict_proba(X)
    assert classifier.engine_ == "keras"
    np.testing.assert_array_equal(probabilities, by_engine(classifier, "keras"))
    with pytest.raises(
        ValueError, match=r"engine='openvino': OpenVINO does not support"
    ):
        classifier.set_params(engine="openvino").predict_proba(X)


@needs_openvino
@pytest.mark.usefixtures("untrained")
def test_layers_in_bfloat16_are_openvino_s_own_choice():
    def network(input_shape, n_outputs):
        return keras.Sequential(
            [
                keras.Input(input_shape),
                keras.layers.Conv2D(4, 3),
                keras.layers.LayerNormalization(),
                keras.layers.GlobalAveragePooling2D(),
                keras.layers.Dense(n_outputs, activation="sigmoid"),
            ]
        )

    classifier = KerasImageClassifier(
        network, **fast(epochs=1, compute_dtype="bfloat16")
    )
    assert classifier.fit(X, Y).engine_ == "openvino"


@needs_openvino
@pytest.mark.usefixtures("untrained")
def test_an_openvino_that_cannot_be_imported(monkeypatch):
    classifier = KerasImageClassifier(linear_network, **fast(epochs=1)).fit(X, Y)
    # As a library that is missing would: the next import runs this finder first.
    monkeypatch.delitem(sys.modules, "openvino", raising=False)
    monkeypatch.setattr(sys, "meta_path", [BrokenOpenVINO(), *sys.meta_path])
    with pytest.warns(UserWarning, match=r"libtbb.* Keras is used"):
        classifier.predict_proba(X)
    assert classifier.engine_ == "keras"


@needs_openvino
@pytest.mark.parametrize("limit", ["TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS"])
def test_limits_of_threads_hold(monkeypatch, limit):
    monkeypatch.setenv(limit, "1")
    _, compiled = _inference._compiled_by_openvino(linear_network((8, 8, 3), 1))
    assert compiled.get_property("INFERENCE_NUM_THREADS") == 1


@pytest.mark.usefixtures("untrained")
def test_a_folder_named_openvino_is_none(monkeypatch, tmp_path):
    (tmp_path / "openvino").mkdir()
    find = importlib.machinery.PathFinder.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *_: find(name, [str(tmp_path)])
    )
    classifier = KerasImageClassifier(linear_network, **fast(epochs=1)).fit(X, Y)
    assert classifier.engine_ == "keras"


@pytest.mark.usefixtures("no_openvino", "untrained")
def test_an_estimator_is_shown_where_its_engine_is_missing():
    classifier = KerasImageClassifier(linear_network, **fast(epochs=1)).fit(X, Y)
    classifier.set_params(engine="openvino")
    assert "KerasImageClassifier" in classifier._repr_html_()
    assert not hasattr(classifier, "engine_")


@pytest.mark.usefixtures("no_openvino", "untrained")
def test_without_openvino():
    classifier = KerasImageClassifier(linear_network, **fast(epochs=1)).fit(X, Y)
    assert classifier.engine_ == "keras"
    message = r"engine='openvino' require OpenVINO\. Install .*\"\.\[openvino\]\""
    with pytest.raises(ImportError, match=message):
        classifier.set_params(engine="openvino").predict_proba(X)
    with pytest.raises(ImportError, match=message):
        classifier.fit(X, Y)
    with pytest.raises(ImportError, match=message):
        PretrainedFeatureExtractor(weights=None, engine="openvino").fit(X)


@pytest.mark.usefixtures("untrained")
def test_the_engine_is_not_part_of_the_training(tmp_path):
    log = tmp_path / "log"
    classifier = KerasImageClassifier(
        logged_network,
        network_params={"log": str(log)},
        memory=tmp_path / "cache",
        **fast(epochs=1),
    )
    classifier.fit(X, Y)
    trained = log.read_text().count("\n")
    clone(classifier).set_params(engine="keras").fit(X, Y)
    assert log.read_text().count("\n") == trained
