import multiprocessing
import pickle
import subprocess
import sys

import joblib
import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from support import dark_spots, fast, tiny_network

from malariafuse import (
    ConvNetClassifier,
    HSVConverter,
    KerasImageClassifier,
)
from malariafuse._digest import with_digests

X, Y, PATIENTS = dark_spots()

LOAD_AND_PREDICT = """
import sys, joblib, numpy as np
images = np.load(sys.argv[1])
for file in sys.argv[2:]:
    np.save(file + ".npy", joblib.load(file).predict_proba(images))
"""


@pytest.mark.slow
def test_a_pipeline_predicts_bit_for_bit_in_a_new_process(tmp_path):
    images = tmp_path / "images.npy"
    np.save(images, X)
    expected = {}
    for compute_dtype in ("float32", "bfloat16"):
        settings = fast(epochs=1, compute_dtype=compute_dtype)
        pipeline = Pipeline(
            [
                ("hsv", HSVConverter()),
                ("classifier", ConvNetClassifier(filters=2, **settings)),
            ]
        ).fit(X, Y)
        file = tmp_path / f"{compute_dtype}.joblib"
        joblib.dump(pipeline, file)
        expected[file] = pipeline.predict_proba(X)
    subprocess.run(
        [sys.executable, "-c", LOAD_AND_PREDICT, images, *expected], check=True
    )
    for file, probabilities in expected.items():
        np.testing.assert_array_equal(np.load(f"{file}.npy"), probabilities)


def test_a_file_holds_the_weights_once_and_no_optimizer(tmp_path):
    classifier = ConvNetClassifier(filters=8, **fast(epochs=1, optimizer="adam"))
    classifier.fit(X, Y)
    joblib.dump(classifier, tmp_path / "model.joblib")
    held = sum(weight.nbytes for weight in classifier.model_.get_weights())
    assert (tmp_path / "model.joblib").stat().st_size < held + 30_000


def test_the_full_resnet18_takes_45_megabytes(tmp_path):
    from malariafuse._engine._stored import StoredNetwork
    from malariafuse.networks import build_resnet18

    joblib.dump(StoredNetwork(build_resnet18()), tmp_path / "network.joblib")
    assert (tmp_path / "network.joblib").stat().st_size <= 45_000_000


@pytest.mark.usefixtures("untrained")
def test_stored_again_before_it_is_used():
    classifier = KerasImageClassifier(tiny_network, **fast(epochs=1)).fit(X, Y)
    twice = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(classifier))))
    np.testing.assert_array_equal(twice.predict_proba(X), classifier.predict_proba(X))
    assert twice.history_ == classifier.history_


@pytest.mark.usefixtures("untrained")
def test_a_clone_is_not_fitted():
    classifier = KerasImageClassifier(tiny_network, **fast(epochs=1)).fit(X, Y)
    copy = clone(classifier)
    assert not hasattr(copy, "classes_")
    assert copy.get_params() == classifier.get_params()


@pytest.mark.slow
def test_in_worker_processes():
    classifier = KerasImageClassifier(tiny_network, **fast(epochs=1)).fit(X, Y)
    expected = classifier.predict_proba(X)
    (loky,) = joblib.Parallel(n_jobs=2)(
        joblib.delayed(KerasImageClassifier.predict_proba)(classifier, X)
        for _ in range(1)
    )
    np.testing.assert_array_equal(loky, expected)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        spawned = pool.apply(KerasImageClassifier.predict_proba, (classifier, X))
    np.testing.assert_array_equal(spawned, expected)


def assert_loads_alike(classifier):
    expected = classifier.predict_proba(X)
    # The functions below are local, which is no matter for what they have built.
    classifier._network = pickle.loads(pickle.dumps(classifier._network))
    np.testing.assert_array_equal(classifier.predict_proba(X), expected)


def test_layers_that_derive_numbers_from_their_weights():
    def normalized(input_shape, n_outputs):
        scale = keras.layers.Normalization()
        scale.adapt(X / np.float32(255))
        network = tiny_network(input_shape, n_outputs)
        return keras.Sequential(
            [
                keras.Input(input_shape),
                scale,
                keras.layers.BatchNormalization(),
                *network.layers,
            ]
        )

    classifier = KerasImageClassifier(normalized, **fast(epochs=1)).fit(X, Y)
    assert_loads_alike(classifier)


def test_weights_in_bfloat16():
    def network(input_shape, n_outputs):
        return keras.Sequential(
            [
                keras.Input(input_shape),
                keras.layers.Conv2D(2, 3, dtype="bfloat16"),
                keras.layers.GlobalAveragePooling2D(),
                keras.layers.Dense(n_outputs, activation="sigmoid"),
            ]
        )

    # OpenVINO does not read such weights.
    classifier = KerasImageClassifier(network, engine="keras", **fast(epochs=1))
    assert_loads_alike(classifier.fit(X, Y))


@pytest.mark.usefixtures("untrained")
def test_a_file_of_another_format_says_so():
    classifier = KerasImageClassifier(tiny_network, **fast(epochs=1)).fit(X, Y)
    stored = classifier._network.__getstate__()
    with pytest.raises(ValueError, match=r"stored by malariafuse 9\.0 in format 7"):
        classifier._network.__setstate__({**stored, "format": 7, "malariafuse": "9.0"})


@pytest.mark.usefixtures("untrained")
def test_a_configuration_that_keras_cannot_read_says_so():
    classifier = KerasImageClassifier(tiny_network, **fast(epochs=1)).fit(X, Y)
    stored = classifier._network.__getstate__()
    stored["config"] = stored["config"].replace('"Dense"', '"DenserThanDense"')
    stored["keras"] = "99.0"
    del stored["sha256"]
    classifier._network.__setstate__(with_digests(stored))
    with pytest.raises(ValueError, match=r"stored with Keras 99\.0"):
        classifier.predict(X)


def test_a_network_that_could_not_be_loaded_is_refused_before_training():
    def with_lambda(input_shape, n_outputs):
        return keras.Sequential(
            [
                keras.Input(input_shape),
                keras.layers.Lambda(lambda images: images * 2),
                keras.layers.Flatten(),
                keras.layers.Dense(n_outputs, activation="sigmoid"),
            ]
        )

    with pytest.raises(ValueError, match="not be stored and loaded"):
        KerasImageClassifier(with_lambda, **fast()).fit(X, Y)
