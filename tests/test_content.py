"""Equal estimators have one digest, and others have another one."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support import dark_spots, fast, linear_network

from malariafuse import KerasImageClassifier
from malariafuse._content import content_digest

IMAGES, Y, _ = dark_spots()
X = IMAGES.mean(axis=(1, 2))


@pytest.fixture(
    scope="module",
    params=["network", "trees", "regression"],
)
def fitted(request):
    if request.param == "network":
        network = KerasImageClassifier(linear_network, **fast(epochs=1))
        return network.fit(IMAGES, Y), IMAGES
    last = {
        "trees": HistGradientBoostingClassifier(max_iter=3, random_state=0),
        "regression": LogisticRegression(),
    }[request.param]
    return make_pipeline(StandardScaler(), last).fit(X, Y), X


def test_of_a_loaded_estimator_and_after_it_was_used(fitted):
    estimator, data = fitted
    expected = content_digest(estimator)
    loaded = pickle.loads(pickle.dumps(estimator))
    assert content_digest(loaded) == expected
    loaded.predict(data)
    assert content_digest(loaded) == expected
    assert content_digest(pickle.loads(pickle.dumps(loaded))) == expected


def test_of_another_process(tmp_path):
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)
    file = tmp_path / "model.pickle"
    file.write_bytes(pickle.dumps(estimator))
    program = (
        "import pickle, sys; from malariafuse._content import content_digest; "
        "print(content_digest(pickle.load(open(sys.argv[1], 'rb'))))"
    )
    given = subprocess.run(
        [sys.executable, "-c", program, str(file)],
        check=True,
        capture_output=True,
        text=True,
    )
    assert given.stdout.strip() == content_digest(estimator)


def test_how_work_is_shared_out_does_not_count():
    forest = LogisticRegression(verbose=0)
    assert content_digest(forest) == content_digest(LogisticRegression(verbose=1))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (LogisticRegression(C=1.0), LogisticRegression(C=2.0)),
        (LogisticRegression(), StandardScaler()),
        (["ab", "c"], ["a", "bc"]),
        ([["a"], "b"], [["a", "b"]]),
        (np.zeros(4), np.zeros((2, 2))),
        (np.zeros(4), np.zeros(4, int)),
        (np.array([("a", 1)], "O,i8"), np.array([("b", 1)], "O,i8")),
        ({"a": 1}, {"a": True}),
        ({1, 2}, {1, 3}),
        (np.random.RandomState(0), np.random.RandomState(1)),
    ],
)
def test_another_content_has_another_digest(one, other):
    assert content_digest(one) != content_digest(other)


def test_what_holds_itself():
    itself = []
    itself.append(itself)
    assert content_digest(itself) != content_digest([[]])


def test_the_weights_of_a_network_count():
    network = KerasImageClassifier(linear_network, **fast(epochs=1)).fit(IMAGES, Y)
    before = content_digest(network)
    weights = network.model_.get_weights()
    weights[0][0] += 1e-6
    network.model_.set_weights(weights)
    assert content_digest(network) != before
