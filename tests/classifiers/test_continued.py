"""Trainings that go on: from weights, in calls or stages, after an interruption."""

import os
import pickle
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from sklearn.base import clone
from support import dark_spots, fast, tiny_network

from malariafuse import (
    FeatureFusionClassifier,
    FineTunedClassifier,
    KerasImageClassifier,
    SpotFeatureExtractor,
)

X, Y, PATIENTS = dark_spots()


def classifier(**parameters):
    return KerasImageClassifier(tiny_network, **fast(**parameters))


def weights_of(fitted):
    return [weight.copy() for weight in fitted.model_.get_weights()]


def assert_same(first, second):
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def assert_close(first, second):
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-20)


# So small that nothing but a weight of 0 moves.
STANDS_STILL = {"optimizer": "sgd", "learning_rate": 1e-30, "epochs": 1}


@pytest.mark.parametrize("source", ["model", ".keras", ".weights.h5"])
def test_weights_of_a_fitted_classifier_are_first_weights(source, tmp_path):
    fitted = classifier(epochs=2).fit(X, Y)
    given = fitted.model_
    if source == ".keras":
        given = tmp_path / "network.keras"
        fitted.model_.save(given)
    elif source == ".weights.h5":
        given = str(tmp_path / "network.weights.h5")
        fitted.model_.save_weights(given)
    other = classifier(random_state=5, initial_weights=given, **STANDS_STILL)
    assert_close(weights_of(clone(other).fit(X, Y)), weights_of(fitted))


def test_first_weights_that_do_not_fit(tmp_path):
    other = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match=r"initial_weights: the network .* has 2 arr"):
        classifier(initial_weights=other).fit(X, Y)
    with pytest.raises(FileNotFoundError, match=r"initial_weights='.*none\.keras'"):
        classifier(initial_weights=tmp_path / "none.keras").fit(X, Y)
    damaged = tmp_path / "damaged.keras"
    damaged.write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"initial_weights='.*damaged\.keras' can"):
        classifier(initial_weights=damaged).fit(X, Y)
    with pytest.raises(ValueError, match="initial_weights=3: expected None, a keras"):
        classifier(initial_weights=3).fit(X, Y)


def test_warm_start_goes_on_from_the_fit_before():
    warm = classifier(epochs=2, warm_start=True).fit(X, Y)
    before = weights_of(warm)
    warm.set_params(**STANDS_STILL).fit(X, Y)
    assert_close(weights_of(warm), before)
    # Without it, everything begins anew.
    warm.set_params(warm_start=False).fit(X, Y)
    assert (weights_of(warm)[0] != before[0]).any()


def test_warm_start_needs_the_same_classes_and_images():
    warm = classifier(epochs=1, warm_start=True).fit(X, Y)
    with pytest.raises(
        ValueError, match=r"classes \[0, 1\], but the new classes are \[1, 2\]"
    ):
        warm.fit(X, Y + 1)
    with pytest.raises(ValueError, match=r"fitted on images of shape \(16, 16, 3\)"):
        warm.fit(X[:, :8], Y)


@pytest.mark.slow
def test_partial_fit_trains_an_epoch_in_each_call_and_learns():
    partial = classifier(batch_size=4)
    for call in range(1, 7):
        partial.partial_fit(X, Y, classes=[0, 1] if call == 1 else None)
        assert partial.n_iter_ == len(partial.history_["loss"]) == call
    assert partial.score(X, Y) >= 0.9


def test_partial_fit_keeps_the_state_of_the_optimizer():
    settings = {"optimizer": "adam", "learning_rate": 0.01, "batch_size": len(X)}
    # One step an epoch over all samples, whose order does not matter then.
    settings["initial_weights"] = tiny_network((16, 16, 3), 1)
    whole = classifier(**settings, epochs=2, schedule="constant", warmup_epochs=0)
    partial = classifier(**settings).partial_fit(X, Y, [0, 1]).partial_fit(X, Y)
    for a, b in zip(weights_of(partial), weights_of(whole.fit(X, Y)), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_partial_fit_sees_one_class_at_a_time():
    partial = classifier().partial_fit(X[Y == 0], Y[Y == 0], classes=[0, 1])
    partial.partial_fit(X[Y == 1], Y[Y == 1])
    assert partial.predict_proba(X).shape == (len(X), 2)
    loaded = pickle.loads(pickle.dumps(partial))
    assert_same(
        weights_of(loaded.partial_fit(X, Y)), weights_of(partial.partial_fit(X, Y))
    )


def test_partial_fit_of_what_it_cannot():
    with pytest.raises(
        ValueError, match="expected all classes in the first call of partial_fit"
    ):
        classifier().partial_fit(X, Y)
    with pytest.raises(ValueError, match=r"y has the label 1: expected one of \[0, 2"):
        classifier().partial_fit(X, Y, classes=[0, 2])
    begun = classifier().partial_fit(X, Y, classes=[0, 1])
    with pytest.raises(ValueError, match=r"partial_fit continues with the classes"):
        begun.partial_fit(X, Y, classes=[0, 1, 2])


def test_partial_fit_keeps_fitted_branches():
    fusion = FeatureFusionClassifier(
        [("spots", SpotFeatureExtractor())], embedding_size=4, **fast()
    ).partial_fit(X, Y, [0, 1])
    before = fusion._inputs(X)
    fusion.partial_fit(X // 2, Y)
    for of_head, expected in zip(fusion._inputs(X), before, strict=True):
        np.testing.assert_array_equal(of_head, expected)


def backbone(input_shape):
    return keras.Sequential(
        [
            keras.Input(input_shape),
            keras.layers.Conv2D(4, 3, name="convolution"),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
        ]
    )


def fine_tuned(**parameters):
    settings = {"weights": None, "dense_units": (8,), "dropout": 0.0}
    return FineTunedClassifier(backbone, **settings, **fast(**parameters))


def test_the_head_is_trained_first_and_then_all_at_a_tenth_of_the_rate():
    class Watched(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            network = self.model.get_layer("backbone")
            seen.append((network.get_weights()[0].copy(), peak(self.model)))

    def peak(model):
        return float(model.optimizer.learning_rate)

    seen = []
    fitted = fine_tuned(
        head_epochs=2,
        epochs=2,
        schedule="constant",
        warmup_epochs=0,
        learning_rate=0.1,
        callbacks=[Watched()],
    ).fit(X, Y)
    kernels, rates = zip(*seen, strict=True)
    # 6 steps an epoch: the backbone stands still for the first 12.
    assert_same(kernels[:12], kernels[:1] * 12)
    assert (kernels[-1] != kernels[0]).any()
    np.testing.assert_allclose(rates, [0.1] * 12 + [0.01] * 12, rtol=1e-6)
    assert fitted.n_iter_ == len(fitted.history_["loss"]) == 4
    assert [layer.trainable for layer in fitted.model_.layers] == [True] * len(
        fitted.model_.layers
    )


def test_a_backbone_stays_frozen_without_epochs():
    frozen = fine_tuned(head_epochs=3, epochs=0).fit(X, Y)
    first = frozen.model_.get_layer("backbone").get_weights()
    more = fine_tuned(head_epochs=1, epochs=0, random_state=1).fit(X, Y)
    assert_same(more.model_.get_layer("backbone").get_weights(), first)
    with pytest.raises(
        ValueError, match="epochs=0: expected a positive integer, or head"
    ):
        fine_tuned(head_epochs=0, epochs=0).fit(X, Y)


def test_batch_normalization_of_a_backbone_keeps_its_statistics():
    fitted = fine_tuned(head_epochs=1, epochs=1).fit(X, Y)
    (normalization,) = (
        layer
        for layer in fitted.model_.get_layer("backbone").layers
        if "normalization" in layer.name
    )
    gamma, beta, mean, variance = normalization.get_weights()
    assert_same(
        [gamma, beta, mean, variance],
        [gamma * 0 + 1, beta * 0, mean * 0, variance * 0 + 1],
    )


@pytest.mark.parametrize("name", ["MobileNetV2", "VGG16", "DenseNet121"])
def test_images_are_prepared_as_the_backbone_needs_them(name):
    from malariafuse.classifiers._finetuned import _prepared

    images = keras.Input((8, 8, 3))
    prepare = keras.Model(images, _prepared(name, images))
    module = {
        "MobileNetV2": keras.applications.mobilenet_v2,
        "VGG16": keras.applications.vgg16,
        "DenseNet121": keras.applications.densenet,
    }[name]
    pixels = X[:4, :8, :8].astype(np.float32)
    np.testing.assert_allclose(
        prepare.predict(pixels / 255, verbose=0),
        module.preprocess_input(pixels.copy()),
        rtol=1e-4,
        atol=1e-3,
    )


def test_stages_of_a_network_without_parts_train_its_last_layer_first():
    class Watched(keras.callbacks.Callback):
        def on_train_end(self, logs=None):
            ends.append([weight.copy() for weight in self.model.get_weights()])

    ends = []
    start = tiny_network((16, 16, 3), 1)
    classifier(
        head_epochs=1, epochs=1, initial_weights=start, callbacks=[Watched()]
    ).fit(X, Y)
    head, everything = ends
    assert_same(head[:2], start.get_weights()[:2])
    assert (head[2] != start.get_weights()[2]).any()
    assert (everything[0] != head[0]).any()


INTERRUPTED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])

import keras
import numpy as np
from support import dark_spots, fast

from malariafuse import FeatureFusionClassifier, HSVConverter, SpotFeatureExtractor

EPOCHS = Path(sys.argv[2] + ".log")


class Killer(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch
        with EPOCHS.open("a") as file:
            file.write(f"{epoch} ")

    def on_train_batch_end(self, batch, logs=None):
        if batch == 2 and os.environ.get("KILLED_IN") == str(self.epoch):
            os.kill(os.getpid(), signal.SIGKILL)


def backbone(input_shape, filters):
    network = keras.Sequential(
        [
            keras.Input(input_shape),
            keras.layers.Conv2D(filters, 3),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.3),
            keras.layers.GlobalAveragePooling2D(),
        ]
    )
    return network


X, Y, patients = dark_spots()
classifier = FeatureFusionClassifier(
    [("hsv", HSVConverter()), ("spots", SpotFeatureExtractor())],
    backbone=backbone,
    filters=2,
    embedding_size=4,
    training_views=2,
    head_epochs=2,
    ema_momentum=0.8,
    early_stopping=True,
    n_iter_no_change=2,
    callbacks=[Killer],
    checkpoint=os.environ.get("CHECKPOINT"),
    **fast(epochs=4, augmentation=("flip", "rotation", "stain")),
).fit(X, Y, groups=patients)
np.savez(
    sys.argv[2],
    *classifier.model_.get_weights(),
    **{name: values for name, values in classifier.history_.items()},
)
"""


def interrupted(tmp_path, name, killed_in=None):
    environment = {"CHECKPOINT": str(tmp_path / "checkpoints")}
    if killed_in is not None:
        environment["KILLED_IN"] = str(killed_in)
    script = tmp_path / "train.py"
    script.write_text(INTERRUPTED)
    result = tmp_path / f"{name}.npz"
    done = subprocess.run(
        [sys.executable, script, str(Path(__file__).parents[1]), str(result)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if killed_in is not None:
        assert done.returncode == -signal.SIGKILL, done.stderr
        return None
    assert done.returncode == 0, done.stderr
    return arrays_in(result)


def undisturbed(tmp_path, monkeypatch):
    script, result = tmp_path / "undisturbed.py", tmp_path / "whole.npz"
    script.write_text(INTERRUPTED)
    with monkeypatch.context() as patched:
        patched.setattr(
            sys, "argv", [str(script), str(Path(__file__).parents[1]), str(result)]
        )
        patched.setattr(sys, "path", [*sys.path])
        runpy.run_path(str(script))
    return arrays_in(result)


def arrays_in(file):
    with np.load(file) as stored:
        return {name: stored[name] for name in stored.files}


@pytest.mark.slow
def test_a_training_that_was_killed_ends_with_the_weights_it_would_have_had(
    tmp_path, monkeypatch
):
    expected = undisturbed(tmp_path, monkeypatch)
    # In the second epoch of each stage: the head alone, then all layers.
    interrupted(tmp_path, "killed", killed_in=1)
    interrupted(tmp_path, "killed", killed_in=3)
    assert len(list((tmp_path / "checkpoints").glob("*.npz"))) == 1
    resumed = interrupted(tmp_path, "killed")
    assert resumed.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(resumed[name], values, err_msg=name)
    epochs = [int(e) for e in (tmp_path / "killed.npz.log").read_text().split()]
    # Early stopping may end the last run sooner, as it ended the undisturbed one.
    assert epochs == [0, 1, 1, 2, 3, 3, 4, 5][: len(epochs)]
    assert len(epochs) > 5
    # Nothing is left behind when all is done.
    assert list((tmp_path / "checkpoints").iterdir()) == []


def test_a_damaged_checkpoint_says_so(tmp_path):
    class Breaks(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise InterruptedError

    shown = classifier(epochs=4, checkpoint=tmp_path, callbacks=[Breaks()])
    with pytest.raises(InterruptedError):
        shown.fit(X, Y)
    (file,) = tmp_path.glob("*.npz")
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"checkpoint: .*npz cannot be read.*Delete"):
        shown.fit(X, Y)


def test_another_training_does_not_take_up_a_checkpoint(tmp_path):
    class Breaks(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise InterruptedError

    with pytest.raises(InterruptedError):
        classifier(epochs=3, checkpoint=tmp_path, callbacks=[Breaks()]).fit(X, Y)
    other = classifier(epochs=3, checkpoint=tmp_path, random_state=1).fit(X, Y)
    assert other.n_iter_ == 3
    assert len(list(tmp_path.glob("*.npz"))) == 1


def test_a_checkpoint_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    def refuse(file):
        raise OSError(28, "No space left on device", str(file))

    monkeypatch.setattr("malariafuse._engine._checkpoint.whole_file", refuse)
    with pytest.raises(OSError, match=r"^checkpoint: the state .*No space left.*npz"):
        classifier(epochs=2, checkpoint=tmp_path).fit(X, Y)
