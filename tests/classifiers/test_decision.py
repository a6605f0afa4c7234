from copy import copy

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import (
    FixedThresholdClassifier,
    TunedThresholdClassifierCV,
    cross_val_predict,
)
from support import dark_spots, fast, linear_network

from malariafuse import KerasImageClassifier
from malariafuse.classifiers._checks import check_threshold

X, Y, PATIENTS = dark_spots()
NAMES = np.where(Y == 1, "Parasitized", "Uninfected")


def classifier(**parameters):
    settings = {"epochs": 20, "learning_rate": 0.2, **parameters}
    return KerasImageClassifier(linear_network, **fast(**settings))


@pytest.fixture(scope="module")
def fitted():
    return classifier().fit(X, Y)


@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.5, 0.8, 1.0])
def test_positive_from_the_threshold_on(fitted, threshold):
    fitted = copy(fitted).set_params(threshold=threshold)
    np.testing.assert_array_equal(
        fitted.predict(X), (fitted.predict_proba(X)[:, 1] >= threshold).astype(int)
    )


def test_pos_label_says_whose_probability_is_compared():
    named = classifier(pos_label="Parasitized", threshold=0.2).fit(X, NAMES)
    assert named.classes_.tolist() == ["Parasitized", "Uninfected"]
    expected = np.where(
        named.predict_proba(X)[:, 0] >= 0.2, "Parasitized", "Uninfected"
    )
    np.testing.assert_array_equal(named.predict(X), expected)


def test_string_labels_without_pos_label_decide_at_one_half_only():
    named = classifier(epochs=1).fit(X, NAMES)
    assert set(named.predict(X)) <= {"Parasitized", "Uninfected"}
    named.set_params(threshold=0.3)
    with pytest.raises(ValueError, match="set pos_label to one of"):
        named.predict(X)
    with pytest.raises(ValueError, match="set pos_label to one of"):
        classifier(threshold=0.3).fit(X, NAMES)


@pytest.mark.parametrize(
    ("threshold", "pos_label", "n_classes", "message"),
    [
        (1.5, None, 2, r"threshold=1\.5: expected a number in \[0, 1\]"),
        (float("nan"), None, 2, "threshold=nan"),
        (0.5, 7, 2, "pos_label=7: expected None or one of the classes"),
        (0.4, None, 3, "expected two classes"),
    ],
)
def test_thresholds_that_cannot_decide(threshold, pos_label, n_classes, message):
    with pytest.raises(ValueError, match=message):
        check_threshold(threshold, pos_label, np.arange(n_classes))


def test_in_scikit_learn_s_threshold_classifiers(fitted):
    probabilities = fitted.predict_proba(X)[:, 1]
    # Half of the parasitized cells, and no other, reach it.
    threshold = float(np.median(probabilities[Y == 1]))
    fixed = FixedThresholdClassifier(
        FrozenEstimator(fitted), threshold=threshold, pos_label=1
    ).fit(X, Y)
    np.testing.assert_array_equal(fixed.predict(X), probabilities >= threshold)
    assert fixed.predict(X).sum() == 12
    tuned = TunedThresholdClassifierCV(classifier(), scoring="f1", cv=2)
    assert tuned.fit(X, Y).score(X, Y) > 0.8


@pytest.mark.slow
def test_in_scikit_learn_s_ensembles():
    pair = [("a", classifier(random_state=0)), ("b", classifier(random_state=1))]
    voting = VotingClassifier(pair, voting="soft").fit(X, Y)
    mean = np.mean([member.predict_proba(X) for member in voting.estimators_], axis=0)
    np.testing.assert_allclose(voting.predict_proba(X), mean, atol=1e-6)
    # Trained in two processes, they are the same.
    apart = VotingClassifier(pair, voting="soft", n_jobs=2).fit(X, Y)
    np.testing.assert_allclose(apart.predict_proba(X), mean, atol=1e-5)
    assert StackingClassifier(pair[:1], cv=2).fit(X, Y).score(X, Y) > 0.8


@pytest.mark.slow
def test_in_calibration_and_cross_validation():
    calibrated = CalibratedClassifierCV(classifier(), cv=2, ensemble=False)
    assert calibrated.fit(X, Y).score(X, Y) > 0.8
    probabilities = cross_val_predict(classifier(), X, Y, cv=2, method="predict_proba")
    assert ((probabilities[:, 1] >= 0.5) == Y).mean() > 0.8
