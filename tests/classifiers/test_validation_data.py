"""What is validated on, what is measured there, and which loss is trained on."""

import keras
import numpy as np
import pytest
from sklearn.metrics import log_loss, recall_score, roc_auc_score
from support import dark_spots, fast, linear_network, tiny_network

from malariafuse import FeatureFusionClassifier, KerasImageClassifier

X, Y, PATIENTS = dark_spots()
X_VAL, Y_VAL, _ = dark_spots(seed=1, n_samples=30)


def classifier(**parameters):
    return KerasImageClassifier(tiny_network, **fast(**parameters))


def tiny_backbone(input_shape, filters):
    inputs = keras.Input(input_shape)
    x = keras.layers.Conv2D(filters, 3, activation="relu")(inputs)
    return keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(x))


def test_validation_data_are_measured_after_each_epoch():
    fitted = classifier(epochs=3).fit(X, Y, X_val=X_VAL, y_val=Y_VAL)
    probability = fitted.predict_proba(X_VAL)
    assert fitted.history_["val_loss"][-1] == pytest.approx(
        log_loss(Y_VAL, probability), rel=1e-4
    )
    assert fitted.history_["val_recall"][-1] == pytest.approx(
        recall_score(Y_VAL, probability[:, 1] > 0.5)
    )
    # All of X is trained on, as without them.
    plain = classifier(epochs=3).fit(X, Y)
    assert plain.history_["loss"] == fitted.history_["loss"]


def test_weights_of_the_validation_data_count():
    weights = np.arange(len(X_VAL)) % 3
    fitted = classifier(epochs=1).fit(
        X, Y, X_val=X_VAL, y_val=Y_VAL, sample_weight_val=weights
    )
    losses = -np.log(fitted.predict_proba(X_VAL)[np.arange(len(Y_VAL)), Y_VAL])
    # Keras divides by the number of samples, not by the sum of their weights.
    assert fitted.history_["val_loss"][-1] == pytest.approx(
        np.mean(losses * weights), rel=1e-4
    )


def test_validation_data_of_branches_with_vectors():
    fitted = FeatureFusionClassifier(
        vector_head="dense",
        backbone=tiny_backbone,
        filters=2,
        embedding_size=4,
        **fast(epochs=1),
    ).fit(X, Y, X_val=X_VAL, y_val=Y_VAL)
    # Of the mean of the branches alone; the loss adds those of both.
    assert fitted.history_["val_accuracy"][-1] == pytest.approx(
        fitted.score(X_VAL, Y_VAL)
    )


def test_early_stopping_on_validation_data_by_another_measure():
    y = np.random.default_rng(0).permutation(Y)
    fitted = classifier(
        epochs=40,
        learning_rate=0.1,
        early_stopping=True,
        monitor="val_auc",
        n_iter_no_change=2,
    ).fit(X, y, X_val=X_VAL, y_val=Y_VAL)
    scores = fitted.history_["val_auc"]
    assert fitted.n_iter_ == len(scores) < 40
    assert len(scores) == int(np.argmax(scores)) + 1 + 2
    # Keras adds up trapezoids between 200 thresholds.
    assert roc_auc_score(Y_VAL, fitted.predict_proba(X_VAL)[:, 1]) == pytest.approx(
        max(scores), abs=0.02
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y_val": Y_VAL}, "y_val without X_val"),
        ({"X_val": X_VAL}, "target y_val is None"),
        ({"X_val": X_VAL[:, :8], "y_val": Y_VAL}, r"X_val has images of shape \(8, 16"),
        ({"X_val": X_VAL, "y_val": Y_VAL + 5}, r"y_val has the label 5: expected one"),
        ({"X_val": X_VAL, "y_val": Y_VAL[:-1]}, "y_val has 29 entries for 30 cells"),
        (
            {"X_val": X_VAL, "y_val": Y_VAL, "sample_weight_val": [1.0]},
            "sample_weight_val has 1 entries for",
        ),
        ({"X_val": X_VAL * 2.0, "y_val": Y_VAL}, "X_val has floating values"),
    ],
)
def test_validation_data_that_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        classifier().fit(X, Y, **arguments)


@pytest.mark.parametrize(
    ("monitor", "labels", "message"),
    [
        ("val_f1", Y, "monitor='val_f1': expected one of 'val_loss', "),
        ("val_recall", np.where(Y, "ring", "none"), "pos_label if they are strings"),
        ("val_auc", np.arange(len(Y)) % 3, "val_auc' requires two classes"),
    ],
)
def test_monitors_that_cannot_be_measured(monitor, labels, message):
    with pytest.raises(ValueError, match=message):
        classifier(early_stopping=True, monitor=monitor).fit(X, labels, groups=PATIENTS)


def first_loss(y, **parameters):
    """Loss of the first epoch at a learning rate of nothing, and the probabilities."""
    fitted = KerasImageClassifier(
        linear_network,
        **fast(epochs=1, optimizer="sgd", learning_rate=1e-30, **parameters),
    ).fit(X, y)
    return fitted.history_["loss"][0], fitted.predict_proba(X).astype(float)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_losses_are_those_of_the_formulas(n_classes):
    y = np.arange(len(X)) % n_classes
    rows, onehot = np.arange(len(y)), np.eye(n_classes)[y]
    loss, p = first_loss(y)
    assert loss == pytest.approx(-np.log(p[rows, y]).mean(), rel=1e-4)
    loss, p = first_loss(y, label_smoothing=0.2)
    smooth = 0.8 * onehot + 0.2 / n_classes
    assert loss == pytest.approx(-(smooth * np.log(p)).sum(axis=1).mean(), rel=1e-4)
    loss, p = first_loss(y, loss="focal")
    true = p[rows, y]
    assert loss == pytest.approx(-((1 - true) ** 2 * np.log(true)).mean(), rel=1e-4)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_loss_object_is_given_targets_and_probabilities(n_classes):
    y = np.arange(len(X)) % n_classes
    loss, p = first_loss(y, loss=keras.losses.MeanSquaredError())
    squares = (p[:, 1] - y) ** 2 if n_classes == 2 else (p - np.eye(3)[y]) ** 2
    assert loss == pytest.approx(squares.mean(), rel=1e-4)


def test_each_branch_is_trained_on_the_loss_that_was_chosen():
    def losses(loss):
        fitted = FeatureFusionClassifier(
            [("a", "passthrough"), ("b", "passthrough")],
            loss=loss,
            backbone=tiny_backbone,
            filters=1,
            embedding_size=4,
            dropout=0.0,
            **fast(epochs=1, optimizer="sgd", learning_rate=1e-30, batch_size=48),
        ).fit(X, Y)
        return fitted.history_["loss"][0]

    by_name, by_object = (
        losses(loss) for loss in ("focal", keras.losses.BinaryFocalCrossentropy())
    )
    assert by_name == pytest.approx(by_object, rel=1e-4)
    assert by_name < losses("crossentropy") / 2


def test_a_loss_object_brings_its_own_smoothing():
    with pytest.raises(ValueError, match=r"label_smoothing=0\.1 has no effect"):
        classifier(label_smoothing=0.1, loss=keras.losses.Hinge()).fit(X, Y)


def test_images_of_the_training_among_those_of_the_validation_are_counted():
    classifier = KerasImageClassifier(linear_network, **fast(epochs=1))
    again = np.concatenate([X_VAL, X[:3]])
    labels = np.concatenate([Y_VAL, Y[:3]])
    with pytest.warns(
        UserWarning, match="X_val has 3 images that are pixel-identical to images of X"
    ):
        classifier.fit(X, Y, X_val=again, y_val=labels)
