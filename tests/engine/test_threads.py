"""Eight threads use a loaded classifier for the first time, all at once."""

import importlib.util
import pickle
import threading

import numpy as np
import pytest
from support import dark_spots, fast, normalized_network, tiny_network

from malariafuse import ConvNetClassifier, KerasImageClassifier
from malariafuse._engine import _inference

X, Y, _ = dark_spots()
ENGINES = [
    "keras",
    pytest.param(
        "openvino",
        marks=pytest.mark.skipif(
            importlib.util.find_spec("openvino") is None,
            reason="OpenVINO is not installed",
        ),
    ),
]


def in_threads(work, n_threads=8):
    """Call `work` in threads that begin together, and return all results."""
    barrier, results = threading.Barrier(n_threads), [None] * n_threads

    def run(number):
        barrier.wait(30)
        try:
            results[number] = work(number)
        except Exception as error:
            results[number] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(n_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    for result in results:
        if isinstance(result, Exception):
            raise result
    return results


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "classifier",
    [
        ConvNetClassifier(filters=2, dense_units=(4,)),
        # With batch normalization, Keras computes by another way.
        KerasImageClassifier(normalized_network),
    ],
    ids=lambda classifier: type(classifier).__name__,
)
def test_the_first_predictions_of_a_loaded_classifier(classifier, engine):
    classifier.set_params(**fast(epochs=1), engine=engine).fit(X, Y)
    expected = classifier.predict_proba(X)
    stored = pickle.dumps(classifier)
    for _ in range(3):
        loaded = pickle.loads(stored)
        # The first time, and once more by what the first time left.
        for _ in range(2):
            for given in in_threads(lambda _, c=loaded: c.predict_proba(X)):
                np.testing.assert_array_equal(given, expected)


@pytest.mark.parametrize("engine", ENGINES[1:])
def test_copies_of_one_network_are_compiled_once(engine, monkeypatch):
    monkeypatch.setattr(_inference, "_RECENT", {})
    compiled, compile_network = [], _inference._compiled_by_openvino
    monkeypatch.setattr(
        _inference,
        "_compiled_by_openvino",
        lambda network: compiled.append(1) or compile_network(network),
    )
    classifier = ConvNetClassifier(filters=2, dense_units=(4,), **fast(epochs=1))
    stored = pickle.dumps(classifier.fit(X, Y))
    copies = [pickle.loads(stored).set_params(engine=engine) for _ in range(8)]
    first, *others = in_threads(lambda number: copies[number].predict_proba(X))
    assert len(compiled) == 1
    for other in others:
        np.testing.assert_array_equal(other, first)


@pytest.mark.slow
def test_fits_in_threads_give_the_weights_of_their_seeds():
    def weights(seed):
        classifier = KerasImageClassifier(
            tiny_network, **fast(epochs=1, random_state=seed)
        )
        return classifier.fit(X, Y).model_.get_weights()

    alone = [weights(seed) for seed in range(4)]
    together = in_threads(weights, n_threads=4)
    for a, b in zip(alone, together, strict=True):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_array_equal(x, y)
