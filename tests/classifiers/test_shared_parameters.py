"""One set of parameters for all classifiers, and classes of users that have fewer."""

import inspect
import re
from functools import partial

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.model_selection import GridSearchCV
from support import dark_spots, fast, linear_network, tiny_network

from malariafuse import ConvNetClassifier, KerasImageClassifier, classifiers
from malariafuse._engine._settings import TrainingSettings
from malariafuse.classifiers import BaseImageClassifier
from malariafuse.classifiers._shared import TRAINING_RULES

X, Y, _ = dark_spots()
NAMES = np.where(Y == 1, "Parasitized", "Uninfected")
CLASSES = [getattr(classifiers, name) for name in classifiers.__all__]
# What a classifier may choose for itself.
OWN_DEFAULTS = {"augmentation", "epochs", "head_epochs", "optimizer", "weight_decay"}


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_each_signature_ends_in_the_shared_parameters(kind):
    shared = list(inspect.signature(BaseImageClassifier).parameters.values())
    ending = list(inspect.signature(kind).parameters.values())[-len(shared) :]
    for ours, theirs in zip(shared, ending, strict=True):
        assert ours.name == theirs.name
        assert ours.annotation == theirs.annotation
        assert ours.kind == theirs.kind
        if ours.name not in OWN_DEFAULTS:
            assert ours.default == theirs.default, ours.name


def test_the_table_the_signature_and_the_settings_name_the_same():
    signature = inspect.signature(BaseImageClassifier).parameters
    assert list(TRAINING_RULES) == list(signature)
    assert set(TrainingSettings.__dataclass_fields__) <= set(signature)
    assert set(BaseImageClassifier.__annotations__) >= set(signature)


def test_the_base_class_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        BaseImageClassifier()


class Narrow(ConvNetClassifier):
    """A classifier with one parameter of its own."""

    def __init__(self, width=2):
        super().__init__(filters=width, **fast(epochs=1, batch_size=48))
        self.width = width


class FromTheBase(BaseImageClassifier):
    def __init__(self, seed=0):
        super().__init__(epochs=1, random_state=seed)
        self.seed = seed

    def _network_function(self):
        return tiny_network


@pytest.mark.parametrize("made", [Narrow(3), FromTheBase(1)])
def test_a_subclass_with_fewer_parameters(made, tmp_path):
    fitted = clone(made)
    fitted.memory = tmp_path
    history = fitted.fit(X, Y).history_
    assert fitted.get_params() == made.get_params()
    assert len(made.get_params()) == 1
    assert fitted.predict(X).shape == (len(X),)
    ((name, value),) = made.get_params().items()
    half = (np.arange(24), np.arange(24, 48))
    search = GridSearchCV(made, {name: [value, value + 1]}, cv=[half], refit=False)
    search.fit(X, Y)
    assert search.best_params_[name] in (value, value + 1)
    # What the class decides takes part in the key of the cache as well.
    assert fitted.fit(X, Y).history_ == history


def voting(**parameters):
    members = [
        (
            str(seed),
            KerasImageClassifier(
                linear_network,
                **fast(epochs=20, learning_rate=0.2, random_state=seed, **parameters),
            ),
        )
        for seed in range(3)
    ]
    return VotingClassifier(members, voting="hard")


@pytest.mark.parametrize(
    ("y", "n_jobs"),
    [(Y, None), (NAMES, None), pytest.param(NAMES, 2, marks=pytest.mark.slow)],
    ids=["numbers", "names", "names in two processes"],
)
def test_a_threshold_in_a_vote_needs_the_code_of_the_positive_class(y, n_jobs):
    # The members see 0 and 1 for both, and cannot know which was "Uninfected".
    with pytest.raises(ValueError, match=r"threshold=0\.2 in a member of a Voting"):
        voting(threshold=0.2).set_params(n_jobs=n_jobs).fit(X, y)


def test_a_vote_with_a_low_threshold_calls_more_cells_parasitized():
    fitted = voting(pos_label=0).fit(X, NAMES)

    def n_parasitized(threshold):
        for member in fitted.estimators_:
            member.set_params(threshold=threshold)
        return (fitted.predict(X) == "Parasitized").sum()

    assert n_parasitized(0.01) > n_parasitized(0.5) > n_parasitized(0.99)


def test_a_name_of_a_class_inside_of_a_vote_is_explained():
    message = r"pos_label='Parasitized': .*\[0, 1\]. VotingClassifier.*such a code"
    with pytest.raises(ValueError, match=message):
        voting(pos_label="Parasitized").fit(X, NAMES)


def test_stacking_on_decisions_needs_the_code_too():
    stacking = StackingClassifier(
        voting(threshold=0.2).estimators, cv=2, stack_method="predict"
    )
    with pytest.raises(ValueError, match="requires pos_label"):
        stacking.fit(X, NAMES)


@pytest.mark.parametrize(
    ("parameter", "value", "expected"),
    [
        ("epochs", True, "an integer of at least 0"),
        ("early_stopping", "no", "True or False"),
        ("verbose", "yes", "True or False, or an integer of at least 0"),
        ("learning_rate", np.nan, "None or a number above 0"),
        ("test_time_views", True, "one of 1, 4, 8"),
        ("head_epochs", -1, "an integer of at least 0"),
        ("loss", "hinge", "one of 'crossentropy', 'focal' or a keras.losses.Loss"),
        ("checkpoint", 3, "None or a path"),
    ],
)
def test_wrong_values_are_refused_in_one_form(parameter, value, expected):
    classifier = KerasImageClassifier(tiny_network, **fast(**{parameter: value}))
    message = f"{parameter}={value!r}: expected {expected}."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        classifier.fit(X, Y)


def test_a_threshold_between_a_probability_and_its_float32():
    fitted = KerasImageClassifier(linear_network, **fast(epochs=1)).fit(X, Y)
    highest = float(fitted.predict_proba(X)[Y == 0, 1].max())
    # A little more than the highest probability, and the same in float32.
    threshold = np.nextafter(highest, 1)
    assert np.float32(threshold) == np.float32(highest)
    decided = fitted.set_params(threshold=threshold).predict(X)
    assert decided[Y == 0].sum() == 0


def test_log_odds_and_logarithms_of_probabilities():
    fitted = KerasImageClassifier(linear_network, **fast(epochs=1)).fit(X, Y)
    p = fitted.predict_proba(X).astype(float)
    np.testing.assert_allclose(fitted.predict_log_proba(X), np.log(p), rtol=1e-5)
    np.testing.assert_allclose(
        fitted.decision_function(X), np.log(p[:, 1] / (1 - p[:, 1])), rtol=1e-5
    )
    three = fitted.fit(X, np.arange(len(X)) % 3)
    p = three.predict_proba(X).astype(float)
    assert three.decision_function(X).shape == (len(X), 3)
    np.testing.assert_allclose(
        three.decision_function(X), np.log(p / (1 - p)), rtol=1e-5
    )


def test_log_odds_of_certainty_are_finite():
    def certain(input_shape, n_outputs, bias):
        network = linear_network(input_shape, n_outputs)
        kernel, _ = network.get_weights()
        network.set_weights([kernel * 0, np.array([bias])])
        return network

    settings = fast(epochs=1, optimizer="sgd", learning_rate=1e-30)
    for bias in (-200.0, 200.0):
        fitted = KerasImageClassifier(partial(certain, bias=bias), **settings)
        odds = fitted.fit(X, Y).decision_function(X)
        assert np.isfinite(odds).all()
        assert (np.sign(odds) == np.sign(bias)).all()
