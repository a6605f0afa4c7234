import gc
import logging
import pickle
import random
import weakref

import keras
import numpy as np
import pytest
from sklearn.metrics import log_loss
from support import (
    dark_spots,
    fast,
    linear_network,
    normalized_network,
    tiny_network,
)

from malariafuse import ConvNetClassifier, KerasImageClassifier, ResNet18Classifier
from malariafuse._engine import _normalization
from malariafuse._engine._augmentation import augmented, make_augmentation
from malariafuse._engine._optimizer import learning_rates, make_optimizer
from malariafuse._engine._validation import split_rows

X, Y, PATIENTS = dark_spots()


def weights_of(classifier):
    return classifier.model_.get_weights()


def assert_same_weights(first, second):
    for a, b in zip(weights_of(first), weights_of(second), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "classifier",
    [
        ConvNetClassifier(filters=4, dense_units=(16,), dropout=0.1, **fast(epochs=12)),
        pytest.param(ResNet18Classifier(filters=4, **fast()), marks=pytest.mark.slow),
        KerasImageClassifier(tiny_network, **fast(epochs=40)),
    ],
    ids=lambda classifier: type(classifier).__name__,
)
def test_each_classifier_learns_dark_spots(classifier):
    assert classifier.fit(X, Y).score(X, Y) >= 0.9


def test_more_than_two_classes():
    y = np.array(["ring", "schizont", "trophozoite"])[np.arange(len(X)) % 3]
    classifier = KerasImageClassifier(tiny_network, **fast(epochs=2)).fit(X, y)
    probabilities = classifier.predict_proba(X)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(
        classifier.predict(X), classifier.classes_[probabilities.argmax(axis=1)]
    )
    assert set(classifier.history_) == {"accuracy", "loss"}


@pytest.mark.parametrize(
    "compute_dtype", ["float32", pytest.param("bfloat16", marks=pytest.mark.slow)]
)
def test_one_seed_gives_identical_weights(compute_dtype):
    settings = fast(
        epochs=2,
        batch_size=24,
        compute_dtype=compute_dtype,
        augmentation=("flip", "rotation", "stain"),
    )
    first, second = (
        ConvNetClassifier(filters=2, **settings).fit(X, Y) for _ in range(2)
    )
    assert_same_weights(first, second)
    other = ConvNetClassifier(filters=2, **{**settings, "random_state": 1}).fit(X, Y)
    assert (weights_of(other)[0] != weights_of(first)[0]).any()


def test_no_global_state_changes():
    random.seed(5)
    # The global generator is what is watched here.
    np.random.seed(5)  # noqa: NPY002
    keras.utils.set_random_seed(5)

    def states():
        return (
            random.getstate(),
            np.random.get_state()[1].tolist(),  # noqa: NPY002
            keras.config.dtype_policy().name,
            keras.config.floatx(),
            keras.src.backend.common.global_state.get_global_attribute(
                "global_seed_generator"
            ),
        )

    before = states()
    classifier = ConvNetClassifier(
        filters=2, **fast(epochs=1, compute_dtype="bfloat16", augmentation=("stain",))
    )
    classifier.fit(X, Y).predict_proba(X)
    assert states() == before


def test_uint8_and_its_unit_floats_are_the_same_images():
    from_bytes = KerasImageClassifier(linear_network, **fast(epochs=3)).fit(X, Y)
    floats = (X / 255).astype("float32")
    np.testing.assert_allclose(
        from_bytes.predict_proba(X), from_bytes.predict_proba(floats), atol=1e-6
    )
    from_floats = KerasImageClassifier(linear_network, **fast(epochs=3)).fit(floats, Y)
    np.testing.assert_allclose(
        from_bytes.predict_proba(X), from_floats.predict_proba(X), atol=1e-4
    )


def test_images_may_stay_on_disk(tmp_path):
    np.save(tmp_path / "images.npy", X)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    assert_same_weights(
        KerasImageClassifier(linear_network, **fast(epochs=3)).fit(X, Y),
        KerasImageClassifier(linear_network, **fast(epochs=3)).fit(mapped, Y),
    )


def test_images_are_let_go_after_training():
    images = X.copy()
    KerasImageClassifier(tiny_network, **fast(epochs=1)).fit(images, Y)
    held = weakref.ref(images)
    del images
    gc.collect()
    assert held() is None


def test_tensorflow_does_not_tune_the_batches(monkeypatch):
    # Its thread that tunes may keep the end of an epoch waiting until it wakes up.
    datasets, fit = [], keras.Model.fit

    def watched(model, batches, *, validation_data, **settings):
        datasets.extend([batches, validation_data])
        return fit(model, batches, validation_data=validation_data, **settings)

    monkeypatch.setattr(keras.Model, "fit", watched)
    KerasImageClassifier(tiny_network, early_stopping=True, **fast(epochs=1)).fit(
        X, Y, groups=PATIENTS
    )
    assert [part.options().autotune.enabled for part in datasets] == [False, False]


def test_bfloat16_computes_but_does_not_store_in_bfloat16():
    settings = fast(epochs=1, batch_size=48, compute_dtype="bfloat16")
    classifier = ConvNetClassifier(filters=2, **settings).fit(X, Y)
    assert classifier.compute_dtype_ == "bfloat16"
    *inner, last = classifier.model_.layers
    assert {layer.compute_dtype for layer in inner[1:]} == {"bfloat16"}
    assert last.compute_dtype == "float32"
    assert {weight.dtype for weight in weights_of(classifier)} == {np.dtype("float32")}
    assert classifier.predict_proba(X).dtype == np.float32


def test_early_stopping_waits_for_an_improvement():
    # Labels without a pattern: what is learned by heart makes validation worse.
    y = np.random.default_rng(0).permutation(Y)
    classifier = KerasImageClassifier(
        tiny_network,
        **fast(epochs=100, learning_rate=0.1, early_stopping=True, n_iter_no_change=2),
        validation_fraction=0.25,
    ).fit(X, y, groups=PATIENTS)
    losses = classifier.history_["val_loss"]
    assert classifier.n_iter_ == len(losses) < 100
    assert classifier.n_iter_ == int(np.argmin(losses)) + 1 + 2


@pytest.mark.parametrize("ema_momentum", [None, 0.7])
def test_early_stopping_returns_the_weights_that_it_measured(ema_momentum):
    # The last epochs diverge, so weights other than the best ones would show.
    validating = PATIENTS < 2
    classifier = KerasImageClassifier(
        tiny_network,
        **fast(epochs=12, learning_rate=1.0, schedule="constant", warmup_epochs=0),
        early_stopping=True,
        n_iter_no_change=3,
        ema_momentum=ema_momentum,
    ).fit(X[~validating], Y[~validating], X_val=X[validating], y_val=Y[validating])
    measured = classifier.history_["val_loss"]
    loss = log_loss(Y[validating], classifier.predict_proba(X[validating]))
    np.testing.assert_allclose(loss, min(measured), rtol=1e-3)
    assert not np.isclose(measured[-1], min(measured), rtol=1e-2)


def test_averaged_weights_survive_a_stop_by_the_users_own_callback():
    settings = fast(schedule="constant", ema_momentum=0.9)

    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    stopped = KerasImageClassifier(
        tiny_network, callbacks=[Stop()], **{**settings, "epochs": 3}
    ).fit(X, Y)
    whole = KerasImageClassifier(tiny_network, **{**settings, "epochs": 2}).fit(X, Y)
    assert stopped.n_iter_ == 2
    for a, b in zip(weights_of(stopped), weights_of(whole), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_averaged_weights_differ_from_the_last_ones():
    settings = fast(epochs=2, schedule="constant")
    last = KerasImageClassifier(tiny_network, **settings).fit(X, Y)
    averaged = KerasImageClassifier(tiny_network, ema_momentum=0.9, **settings)
    assert (weights_of(averaged.fit(X, Y))[0] != weights_of(last)[0]).any()


def test_validation_holds_whole_patients():
    train, validation = split_rows(Y, PATIENTS, 0.2, seed=0)
    assert not set(PATIENTS[train]) & set(PATIENTS[validation])
    assert sorted([*train, *validation]) == list(range(len(Y)))


@pytest.mark.parametrize("seed", range(5))
def test_validation_has_every_class_with_one_sided_patients(seed):
    # Patients 0 to 3 are healthy.
    patients = np.repeat(np.arange(10), 20)
    codes = np.where(patients < 4, 0, np.arange(200) % 2)
    train, validation = split_rows(codes, patients, 0.2, seed)
    assert set(codes[train]) == set(codes[validation]) == {0, 1}
    assert 0.1 <= len(validation) / len(codes) <= 0.3


def test_class_and_sample_weights_move_the_decision():
    def positives(**fit_arguments):
        settings = fast(epochs=3)
        settings["class_weight"] = fit_arguments.pop("class_weight", None)
        classifier = KerasImageClassifier(linear_network, **settings)
        return classifier.fit(X, Y, **fit_arguments).predict_proba(X)[:, 1].mean()

    plain = positives()
    assert positives(class_weight={0: 1, 1: 5}) > plain
    assert positives(sample_weight=np.where(Y == 1, 5, 1)) > plain
    assert positives(class_weight="balanced") == pytest.approx(plain, abs=1e-6)


@pytest.mark.parametrize(
    "optimizer", ["sgd", "adam", "adamw", keras.optimizers.RMSprop(1e-3)]
)
def test_each_optimizer_takes_the_settings(optimizer):
    settings = KerasImageClassifier(
        tiny_network,
        **fast(epochs=2, optimizer=optimizer, learning_rate=0.1, weight_decay=1e-4),
        ema_momentum=0.9,
    )._settings()
    made, rates = make_optimizer(settings, 0.5, n_epochs=2, steps_per_epoch=3)
    assert made.weight_decay == 1e-4
    assert made.ema_momentum == 0.9
    assert float(made.learning_rate) == pytest.approx(0.005)
    np.testing.assert_array_equal(rates, learning_rates(0.05, "cosine", 3, 6))


def test_an_optimizer_with_its_own_schedule_is_used_as_it_is():
    schedule = keras.optimizers.schedules.ExponentialDecay(0.05, 10, 0.9)
    settings = fast(
        optimizer=keras.optimizers.SGD(schedule), learning_rate=None, epochs=1
    )
    with pytest.raises(ValueError, match="has a learning-rate schedule"):
        KerasImageClassifier(tiny_network, **settings).fit(X, Y)
    KerasImageClassifier(
        tiny_network,
        schedule="constant",
        warmup_epochs=0,
        weight_decay=1e-4,
        ema_momentum=0.5,
        **settings,
    ).fit(X, Y)


def test_rotation_turns_about_the_middle_and_fills_with_black():
    images = np.full((8, 9, 15, 3), 200, np.uint8)
    images[:, 4, 7] = 100
    turned = augmented(images, make_augmentation(("rotation",)))
    np.testing.assert_allclose(turned[:, 4, 7], 100 / 255, atol=0.02)
    edge = turned[:, 4, 14]
    assert edge.min() == 0
    assert edge.max() > 0.7
    # More than the multiples of 90 degrees.
    assert len(np.unique(turned[:, 3, 7, 0].round(3))) > 4


def test_parameters_that_hold_keras_objects_stay_as_they_were():
    layer = keras.layers.RandomZoom(0.2)
    optimizer = keras.optimizers.Adam(1e-3)
    classifier = KerasImageClassifier(
        tiny_network,
        **fast(epochs=1, augmentation=("flip", layer), optimizer=optimizer),
    ).fit(X, Y)
    assert classifier.augmentation == ("flip", layer)
    assert not layer.built
    assert not optimizer.built


def test_callbacks_and_progress_see_every_batch(capsys):
    batches = []
    classifier = KerasImageClassifier(
        tiny_network,
        **fast(epochs=2),
        verbose=1,
        callbacks=[
            keras.callbacks.LambdaCallback(
                on_train_batch_end=lambda batch, logs: batches.append(batch)
            )
        ],
    ).fit(X, Y)
    assert batches == [*range(6), *range(6)]
    assert "12/12" in capsys.readouterr().err
    assert classifier.history_["loss"][1] < classifier.history_["loss"][0]


def test_recall_in_the_history_is_that_of_the_positive_class():
    y = np.where(Y == 1, "parasitized", "uninfected")
    classifier = KerasImageClassifier(
        tiny_network, **fast(epochs=30), pos_label="parasitized"
    ).fit(X, y)
    last = classifier.history_["recall"][-1]
    recall = (classifier.predict(X)[Y == 1] == "parasitized").mean()
    assert last == pytest.approx(recall, abs=0.1)
    without = KerasImageClassifier(tiny_network, **fast(epochs=1)).fit(X, y)
    assert "recall" not in without.history_


def test_invalid_loss_stops_with_advice():
    classifier = KerasImageClassifier(
        tiny_network, **fast(learning_rate=1e38, warmup_epochs=0)
    )
    with pytest.raises(FloatingPointError, match="Decrease learning_rate"):
        classifier.fit(X, Y)


def test_weights_that_the_last_step_made_infinite_are_noticed():
    classifier = KerasImageClassifier(
        tiny_network,
        **fast(epochs=1, batch_size=64, optimizer="sgd", learning_rate=1e38),
        warmup_epochs=0,
    )
    with pytest.raises(FloatingPointError, match="Weights became NaN or infinite"):
        classifier.fit(X, Y, sample_weight=np.full(len(Y), 1e6))


@pytest.mark.usefixtures("untrained")
def test_a_network_that_gives_nan_decides_nothing():
    classifier = KerasImageClassifier(tiny_network, **fast(epochs=1)).fit(X, Y)
    classifier.model_.set_weights(
        [weight * np.nan for weight in weights_of(classifier)]
    )
    with pytest.raises(FloatingPointError, match="is NaN for these images"):
        classifier.predict(X)


@pytest.mark.usefixtures("untrained")
def test_a_generator_as_random_state_moves_on(tmp_path):
    for memory in (None, tmp_path):
        generator = np.random.RandomState(0)
        classifier = KerasImageClassifier(
            tiny_network, **fast(epochs=1, random_state=generator), memory=memory
        )
        first = classifier.fit(X, Y).predict_proba(X)
        assert (classifier.fit(X, Y).predict_proba(X) != first).any()


def test_a_model_that_two_classifiers_share_stays_as_it_was():
    shared = tiny_network((16, 16, 3), 1)
    before = [weight.copy() for weight in shared.get_weights()]
    classifier = KerasImageClassifier(
        lambda input_shape, n_outputs: shared, **fast(epochs=1)
    ).fit(X, Y)
    for a, b in zip(shared.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
    assert classifier.model_ is not shared


def test_a_network_may_begin_with_that_of_another_classifier():
    stored = pickle.dumps(
        KerasImageClassifier(tiny_network, **fast(epochs=1)).fit(X, Y)
    )

    def continued(input_shape, n_outputs):
        return pickle.loads(stored).model_

    assert KerasImageClassifier(continued, **fast(epochs=1)).fit(X, Y).n_iter_ == 1


def test_compute_dtype_holds_under_another_global_policy():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        classifier = KerasImageClassifier(tiny_network, **fast(epochs=1)).fit(X, Y)
    finally:
        keras.config.set_dtype_policy("float32")
    assert {layer.compute_dtype for layer in classifier.model_.layers} == {"float32"}


@pytest.mark.usefixtures("untrained")
def test_probabilities_are_float32_from_the_last_weights_on():
    def network(input_shape, n_outputs):
        return keras.Sequential(
            [
                keras.Input(input_shape),
                keras.layers.GlobalAveragePooling2D(),
                keras.layers.Dense(n_outputs),
                keras.layers.Activation("sigmoid"),
            ]
        )

    classifier = KerasImageClassifier(
        network, **fast(epochs=1, compute_dtype="bfloat16")
    )
    layers = classifier.fit(X, Y).model_.layers
    assert [layer.compute_dtype for layer in layers] == [
        "bfloat16",
        "float32",
        "float32",
    ]


@pytest.mark.usefixtures("untrained")
def test_probabilities_of_a_network_within_the_network_are_float32():
    def network(input_shape, n_outputs):
        head = keras.Sequential(
            [
                keras.Input((4,)),
                keras.layers.Dense(4),
                keras.layers.Dense(n_outputs, activation="sigmoid"),
            ]
        )
        return keras.Sequential(
            [
                keras.Input(input_shape),
                keras.layers.Conv2D(4, 3),
                keras.layers.GlobalAveragePooling2D(),
                head,
            ]
        )

    classifier = KerasImageClassifier(
        network, **fast(epochs=1, compute_dtype="bfloat16")
    )
    head = classifier.fit(X, Y).model_.layers[-1]
    assert [layer.compute_dtype for layer in head.layers] == ["bfloat16", "float32"]


@pytest.mark.usefixtures("untrained")
def test_test_time_views_average_flips_and_turns():
    classifier = ConvNetClassifier(filters=2, **fast(epochs=1)).fit(X, Y)
    views = [
        turned[:, :, ::flip]
        for flip in (1, -1)
        for turned in (np.rot90(X, k, axes=(1, 2)) for k in range(4))
    ]
    expected = np.mean([classifier.predict_proba(view) for view in views], axis=0)
    classifier.set_params(test_time_views=8)
    np.testing.assert_allclose(classifier.predict_proba(X), expected, atol=1e-6)


def test_fused_normalization_trains_like_that_of_keras(monkeypatch):
    classifier = KerasImageClassifier(normalized_network, **fast(epochs=3))
    fused = classifier.fit(X, Y).model_
    monkeypatch.setattr(_normalization, "_can_fuse", lambda layer: False)
    plain = classifier.fit(X, Y).model_
    for a, b in zip(fused.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)
    (normalization,) = (
        layer for layer in fused.layers if "normalization" in layer.name
    )
    assert "call" not in vars(normalization)


@pytest.mark.slow
def test_many_models_draw_no_advice_on_retracing(caplog):
    for _ in range(6):
        KerasImageClassifier(linear_network, **fast(epochs=1)).fit(X, Y).predict(X)
    assert "retracing" not in caplog.text
    assert logging.getLogger("tensorflow").filters == []
