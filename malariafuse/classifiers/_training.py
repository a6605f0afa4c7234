"""One training, from images and settings to a network that can be stored."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from malariafuse._keras._cpu import advise_onednn
from malariafuse._keras._inference import FrozenNetwork
from malariafuse._keras._layers import set_weights
from malariafuse._keras._precision import resolve_precision, set_precision
from malariafuse._keras._quiet import without_retracing_advice
from malariafuse._keras._seeds import keras_seed
from malariafuse.classifiers._augment import make_augmentation
from malariafuse.classifiers._batches import (
    PREDICTION_BATCH,
    ImageBatches,
    TrainingData,
)
from malariafuse.classifiers._callbacks import ADVICE, make_callbacks
from malariafuse.classifiers._inputs import BranchInputs, ImageInputs, Shape
from malariafuse.classifiers._optimizer import make_optimizer
from malariafuse.classifiers._trainer import make_trainer
from malariafuse.classifiers._validation import split_rows
from malariafuse.networks import RandomStainJitter

if TYPE_CHECKING:
    from malariafuse.classifiers._base import BaseImageClassifier


@dataclass(frozen=True)
class Training:
    """What one training leaves behind."""

    network: FrozenNetwork
    inputs: ImageInputs | BranchInputs
    history: dict[str, list[float]]
    precision: str


class RecallOfClass(keras.metrics.Recall):
    """Recall of one of the two classes that a sigmoid tells apart."""

    def __init__(self, code: int) -> None:
        super().__init__(name="recall")
        self.code = code

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count a batch."""
        if self.code == 0:
            y_true, y_pred = 1 - y_true, 1 - y_pred
        super().update_state(y_true, y_pred, sample_weight)


def train(
    key: str | None,
    classifier: "BaseImageClassifier",
    data: TrainingData,
    verbose: int | bool,
) -> Training:
    """Train the network of `classifier`, a clone whose parameters may be used up.

    `key` alone identifies the call in a cache.
    """
    seed = check_random_state(classifier.random_state).randint(2**31 - 1)
    precision = resolve_precision(classifier.precision)
    n_classes = int(data.codes.max()) + 1
    n_outputs = 1 if n_classes == 2 else n_classes
    inputs, images = classifier._make_inputs(), data.images
    rows, validation_rows = np.arange(len(data.codes)), None
    # A slice copies nothing, as rows do: images may be on disk.
    fitted_on: NDArray[np.int64] | slice = slice(None)
    if classifier.early_stopping:
        rows, validation_rows = split_rows(
            data.codes, data.groups, classifier.validation_fraction, seed
        )
        fitted_on = rows
    # Before the branches, which may take minutes to compute: both may be refused.
    steps = math.ceil(len(rows) / classifier.batch_size)
    optimizer = make_optimizer(
        classifier.optimizer,
        learning_rate=classifier.learning_rate,
        momentum=classifier.momentum,
        weight_decay=classifier.weight_decay,
        ema_momentum=classifier.ema_momentum,
        schedule=classifier.schedule,
        warmup_steps=round(classifier.warmup_epochs * steps),
        steps=classifier.epochs * steps,
    )
    callbacks = make_callbacks(
        classifier.callbacks,
        patience=classifier.n_iter_no_change if classifier.early_stopping else None,
        ema=classifier.ema_momentum is not None,
        progress=type(classifier).__name__ if verbose else None,
    )
    inputs.fit(images, data.codes, fitted_on)
    on_tensorflow = keras.backend.backend() == "tensorflow"
    with keras_seed(seed):
        network = classifier._build_network(inputs.shapes, n_outputs)
        augmentation = make_augmentation(classifier.augmentation)
        check_network(network, inputs.shapes, n_outputs)
        set_precision(network, precision)
        trained = _fused(network) if on_tensorflow else network
    # Vectors may say how strong the stain is, which jitter takes away: with it,
    # handcrafted features found fewer parasites on other patients.
    unstained = [
        layer for layer in augmentation if not isinstance(layer, RandomStainJitter)
    ]
    precomputed = inputs.precompute(images, fitted_on, unstained, verbose)
    batches = ImageBatches(
        data,
        rows,
        classifier.batch_size,
        inputs,
        precomputed,
        augmentation if inputs.see_augmented else (),
        np.random.default_rng(seed),
    )
    validation = (
        None
        if validation_rows is None
        else ImageBatches(data, validation_rows, PREDICTION_BATCH, inputs, precomputed)
    )
    feed: Any = batches
    validation_feed: Any = validation
    if on_tensorflow:
        advise_onednn()
        feed = _dataset(batches)
        validation_feed = None if validation is None else _dataset(validation)
    trainer = make_trainer(trained, classifier._branch_logits(trained))
    metrics = ["accuracy"]
    if data.positive is not None:
        metrics.append(RecallOfClass(data.positive))
    trainer.compile(
        optimizer=optimizer,
        loss="binary_crossentropy"
        if n_outputs == 1
        else "sparse_categorical_crossentropy",
        metrics=metrics,
        # XLA halves the speed of TensorFlow's training on a CPU.
        jit_compile=False if on_tensorflow else "auto",
    )
    try:
        with without_retracing_advice():
            history = trainer.fit(
                feed,
                epochs=classifier.epochs,
                validation_data=validation_feed,
                callbacks=callbacks,
                verbose=0,
                shuffle=False,
            ).history
    except Exception:
        for part in (batches, validation):
            if part is not None and part.error is not None:
                # TensorFlow would put it into the text of an error of its own.
                raise part.error from None
        raise
    if trained is not network:
        set_weights(network, trained.get_weights())
    if not all(np.isfinite(weights).all() for weights in network.get_weights()):
        raise FloatingPointError(f"Weights became NaN or infinite: {ADVICE}")
    return Training(
        FrozenNetwork(network),
        inputs,
        {name: [float(value) for value in values] for name, values in history.items()},
        precision,
    )


# These modules need TensorFlow, which is absent where Keras runs on another backend.


def _fused(network: keras.Model) -> keras.Model:
    from malariafuse.classifiers._fused import with_fused_normalization

    return with_fused_normalization(network)


def _dataset(batches: ImageBatches) -> Any:
    from malariafuse.classifiers._dataset import as_dataset

    return as_dataset(batches)


def check_network(network: Any, shapes: Mapping[str, Shape], n_outputs: int) -> None:
    """Raise unless `network` takes these inputs and ends in probabilities."""
    if not getattr(network, "inputs", None):
        raise TypeError(
            f"The network function returned a {type(network).__name__} without "
            "inputs: expected a keras.Sequential that begins with keras.Input, or a "
            "keras.Model made from inputs and outputs."
        )
    if network.output_shape != (None, n_outputs):
        raise ValueError(
            f"The network's output has shape {network.output_shape}: expected "
            f"(None, {n_outputs}) for these classes. Use the n_outputs that the "
            "network function is given."
        )
    if len(network.inputs) != len(shapes):
        raise ValueError(
            f"The network takes {len(network.inputs)} inputs, and there are "
            f"{len(shapes)}: {', '.join(shapes)}."
        )
    for given, layer in zip(shapes.values(), network.inputs, strict=True):
        taken = tuple(layer.shape[1:])
        if len(taken) != len(given) or any(
            size not in (None, wanted)
            for size, wanted in zip(taken, given, strict=True)
        ):
            raise ValueError(
                f"The network takes images of shape {taken}, and these have {given}. "
                "Use the input_shape that the network function is given."
            )
    last = network.layers[-1]
    while isinstance(last, keras.Model):
        last = last.layers[-1]
    wanted = "sigmoid" if n_outputs == 1 else "softmax"
    ending = getattr(last, "activation", None)
    if isinstance(last, keras.layers.Softmax):
        ending = keras.activations.softmax
    if ending is not keras.activations.get(wanted):
        raise ValueError(
            f"The network ends in {getattr(ending, '__name__', type(last).__name__)}, "
            "which gives no probabilities: end it in Dense(n_outputs, "
            f"activation={wanted!r})."
        )
