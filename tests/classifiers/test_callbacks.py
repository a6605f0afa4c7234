"""Callbacks of users: what they may do, and whose they are."""

import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from support import dark_spots, fast, normalized_network, tiny_network

from malariafuse import FeatureFusionClassifier, KerasImageClassifier
from malariafuse._engine._optimizer import FollowRates, learning_rates

X, Y, PATIENTS = dark_spots()


def classifier(**parameters):
    return KerasImageClassifier(tiny_network, **fast(**parameters))


class RatesSeen(keras.callbacks.Callback):
    """Note the learning rate of each step."""

    def on_train_begin(self, logs=None):
        self.rates = []

    def on_train_batch_end(self, batch, logs=None):
        self.rates.append(float(self.model.optimizer.learning_rate))


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("warmup_steps", [0, 10])
def test_rates_are_those_of_keras(schedule, warmup_steps):
    by_keras = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.01 if warmup_steps else 0.1,
        warmup_target=0.1 if warmup_steps else None,
        warmup_steps=warmup_steps,
        decay_steps=110 - warmup_steps,
        alpha=0.0 if schedule == "cosine" else 1.0,
    )
    expected = [float(by_keras(step)) for step in range(110)]
    np.testing.assert_allclose(
        learning_rates(0.1, schedule, warmup_steps, 110), expected, rtol=1e-6
    )


def test_the_rate_warms_up_and_falls_in_a_fit():
    seen = RatesSeen()
    classifier(epochs=4, warmup_epochs=2, learning_rate=0.1, callbacks=[seen]).fit(X, Y)
    # 48 images in batches of 8 are 6 steps an epoch.
    np.testing.assert_allclose(seen.rates, learning_rates(0.1, "cosine", 12, 24))


def test_a_single_epoch_is_not_all_warm_up():
    seen = RatesSeen()
    classifier(epochs=1, learning_rate=0.1, callbacks=[seen]).fit(X, Y)
    # Half of the 6 steps.
    np.testing.assert_allclose(seen.rates, learning_rates(0.1, "cosine", 3, 6))
    assert max(seen.rates) == pytest.approx(0.1)


def test_reduce_on_plateau_lowers_a_constant_rate():
    seen = RatesSeen()
    plateau = keras.callbacks.ReduceLROnPlateau(
        monitor="loss", factor=0.5, patience=1, min_delta=100.0
    )
    classifier(
        epochs=4,
        schedule="constant",
        warmup_epochs=1,
        learning_rate=0.08,
        callbacks=[plateau, seen],
    ).fit(X, Y)
    # Nothing improves by 100: from the third epoch on, the rate is halved in each.
    assert [seen.rates[6 * epoch + 5] for epoch in (1, 2, 3)] == pytest.approx(
        [0.08, 0.04, 0.02]
    )


def test_a_scheduler_sets_a_constant_rate():
    seen = RatesSeen()
    scheduler = keras.callbacks.LearningRateScheduler(lambda epoch: 0.3 / (epoch + 1))
    classifier(
        epochs=3, schedule="constant", warmup_epochs=0, callbacks=[scheduler, seen]
    ).fit(X, Y)
    np.testing.assert_allclose(seen.rates, np.repeat([0.3, 0.15, 0.1], 6), rtol=1e-6)


def test_a_rate_that_is_set_in_the_warm_up_becomes_its_peak():
    follow = FollowRates(learning_rates(0.1, "constant", 2, 4), "constant")
    network = tiny_network((8, 8, 3), 1)
    network.compile(keras.optimizers.SGD(0.01))
    follow.set_model(network)
    seen = []
    for step in range(4):
        if step == 1:
            network.optimizer.learning_rate = 0.5
        follow.on_train_batch_begin(step)
        seen.append(float(network.optimizer.learning_rate))
    # Half of the way from 0.05 to 0.5, then the peak.
    np.testing.assert_allclose(seen, [0.01, 0.275, 0.5, 0.5], rtol=1e-6)


@pytest.mark.parametrize(
    "callback",
    [
        keras.callbacks.ReduceLROnPlateau(),
        keras.callbacks.LearningRateScheduler(lambda epoch: 0.1),
    ],
)
def test_a_rate_has_one_master(callback):
    kind = type(callback).__name__
    with pytest.raises(ValueError, match=f"{kind}.*pass schedule='constant'"):
        classifier(callbacks=[callback]).fit(X, Y)


class SetsTheRate(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.model.optimizer.learning_rate = 0.007


def test_a_rate_that_is_set_against_the_schedule_is_noticed():
    with pytest.raises(ValueError, match=r"learning rate to 0\.007, .*'cosine'"):
        classifier(callbacks=[SetsTheRate()]).fit(X, Y)


class Trial:
    """An object outside of the training that a callback reports to."""

    def __init__(self):
        self.reports = []


class Reporter(keras.callbacks.Callback):
    def __init__(self, trial):
        super().__init__()
        self.trial = trial

    def on_epoch_end(self, epoch, logs=None):
        self.trial.reports.append(logs["loss"])


def test_a_callback_reports_to_the_outside():
    trial = Trial()
    reporter = Reporter(trial)
    fitted = classifier(epochs=3, callbacks=[reporter]).fit(X, Y)
    assert trial.reports == fitted.history_["loss"]
    # Nothing of the training is kept alive by it.
    assert reporter.model is None


def test_a_function_makes_a_callback_for_each_fit_of_a_cross_validation():
    trial = Trial()
    shown = classifier(epochs=2, callbacks=[lambda: Reporter(trial)])
    cross_val_score(shown, X, Y, cv=3)
    assert len(trial.reports) == 3 * 2
    assert clone(shown).callbacks[0] is shown.callbacks[0]


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        (print, r"expected None or a list of keras\.callbacks\.Callback"),
        ([3], "callbacks has 3: expected"),
        ([lambda: 3], "which returned 3: expected"),
    ],
)
def test_what_is_no_callback(callbacks, message):
    with pytest.raises(TypeError, match=message):
        classifier(callbacks=callbacks).fit(X, Y)


def backbone(input_shape, filters):
    layers = normalized_network(input_shape, filters).layers[:-1]
    return keras.Sequential([keras.Input(input_shape), *layers])


@pytest.mark.parametrize(
    "made",
    [
        KerasImageClassifier(normalized_network),
        FeatureFusionClassifier(
            vector_head="dense", backbone=backbone, filters=2, embedding_size=4
        ),
    ],
    ids=lambda made: type(made).__name__,
)
@pytest.mark.slow
def test_what_model_checkpoint_writes_loads(made, tmp_path):
    whole, weights = tmp_path / "best.keras", tmp_path / "best.weights.h5"
    made.set_params(
        **fast(epochs=2),
        callbacks=[
            keras.callbacks.ModelCheckpoint(whole),
            keras.callbacks.ModelCheckpoint(weights, save_weights_only=True),
        ],
    ).fit(X, Y)
    inputs = made._inputs(X)
    loaded = keras.saving.load_model(whole)
    given = loaded.predict(inputs, verbose=0)[:, :1]
    np.testing.assert_allclose(given[:, 0], made.predict_proba(X)[:, 1], atol=1e-5)
    again = clone(made).set_params(callbacks=None, epochs=1, learning_rate=1e-30)
    again.set_params(optimizer="sgd", weight_decay=None, initial_weights=weights)
    trained = again.fit(X, Y).model_.trainable_variables
    for a, b in zip(trained, made.model_.trainable_variables, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-20)
