"""Training of a network from samples and settings."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from malariafuse._digest import StoredWithDigest
from malariafuse._engine._augmentation import (
    check_augmentation,
    for_vectors,
    make_augmentation,
)
from malariafuse._engine._callbacks import (
    ADVICE,
    check_rate_setters,
    users_callbacks,
    watching,
)
from malariafuse._engine._checkpoint import Checkpoint, joined
from malariafuse._engine._compute_dtype import resolve_compute_dtype, set_compute_dtype
from malariafuse._engine._cpu import advise_onednn
from malariafuse._engine._data import (
    PREDICTION_BATCH,
    ImageBatches,
    Inputs,
    Samples,
    Shape,
    TrainingData,
    as_dataset,
)
from malariafuse._engine._inference import FrozenNetwork
from malariafuse._engine._layers import all_layers, head_layers
from malariafuse._engine._losses import RecallOfClass, make_loss, make_trainer
from malariafuse._engine._memory import training_key
from malariafuse._engine._normalization import fused_normalization
from malariafuse._engine._optimizer import FollowRates, make_optimizer
from malariafuse._engine._process import (
    forget_kernels,
    keras_seed,
    without_retracing_advice,
)
from malariafuse._engine._settings import TrainingSettings
from malariafuse._engine._validation import Rows, split_rows
from malariafuse._engine._weights import load_weights

# Factor of the learning rate after the training of the head.
FINE_TUNING = 0.1

NetworkFunction = Callable[[Any, int], keras.Model]


@dataclass(frozen=True)
class Training(StoredWithDigest):
    """Result of a training.

    Attributes
    ----------
    network : FrozenNetwork
        Trained network.
    inputs : Inputs
        Fitted transformation to the inputs of the network.
    history : dict of str to list of float
        Metrics of each epoch.
    compute_dtype : str
        Floating dtype of the layers.
    optimizer : list of ndarray or None
        Variables of the optimizer at the end, or None.
    """

    network: FrozenNetwork
    inputs: Inputs
    history: dict[str, list[float]]
    compute_dtype: str
    optimizer: list[NDArray[Any]] | None


@dataclass(frozen=True)
class Watch:
    """Progress bar and checkpoints of a training, which do not affect the result.

    Attributes
    ----------
    progress : str or None
        Title of the progress bar, or None.
    checkpoint : Path or None
        Folder of checkpoints, or None.
    """

    progress: str | None = None
    checkpoint: Path | None = None


@dataclass(frozen=True)
class _Stage:
    """Consecutive epochs with one optimizer."""

    n_epochs: int
    head_only: bool
    optimizer: keras.optimizers.Optimizer
    rates: NDArray[np.float32] | None


def train(
    build: NetworkFunction,
    inputs: Inputs,
    data: TrainingData,
    settings: TrainingSettings,
    watch: Watch,
    *,
    branch_logits: str | None = None,
    optimizer: Sequence[NDArray[Any]] | None = None,
    keep_optimizer: bool = False,
) -> Training:
    """Build a network and train it.

    Parameters
    ----------
    build : callable
        Function ``build(inputs.network_shape, n_outputs)`` that returns a new network,
        which ends in a sigmoid or a softmax of `n_outputs`.
    inputs : Inputs
        Transformation from images to the inputs of the network. It is fitted.
    data : TrainingData
        Samples.
    settings : TrainingSettings
        Settings of the training.
    watch : Watch
        Settings of the progress bar and of the checkpoints.
    branch_logits : str, default=None
        Name of the layer with the logits of branches. If the network has it, the
        branches are also trained separately.
    optimizer : sequence of ndarray, default=None
        Initial variables of the optimizer, as in `Training`.
    keep_optimizer : bool, default=False
        Whether to return the variables of the optimizer.

    Returns
    -------
    Training
        Trained network and history.

    Raises
    ------
    ValueError, TypeError
        If a setting does not match the data or the network.
    FloatingPointError
        If the loss or a weight becomes NaN or infinite.
    """
    seed = check_random_state(settings.random_state).randint(2**31 - 1)
    rows, validation = _split(data, settings, seed)
    # Validated before the branches are computed, which may take minutes.
    stages = _stages(settings, math.ceil(len(rows) / settings.batch_size))
    users = users_callbacks(settings.callbacks)
    check_rate_setters(users, settings.schedule)
    check_augmentation(settings.augmentation, data.samples.images)
    checkpoint = None
    if watch.checkpoint is not None:
        key = training_key(build, inputs, data, settings)
        checkpoint = Checkpoint(watch.checkpoint, key)

    # A slice does not copy images, unlike an index array. Images may be on disk.
    fitted_on = slice(None) if len(rows) == len(data.samples.codes) else rows
    inputs.fit(data.samples.images, data.samples.codes, fitted_on)
    n_outputs = 1 if data.n_classes == 2 else data.n_classes
    compute_dtype = resolve_compute_dtype(settings.compute_dtype)
    with keras_seed(seed):
        network = build(inputs.network_shape, n_outputs)
        augmentation = make_augmentation(settings.augmentation)
    check_network(network, inputs.shapes, n_outputs)
    set_compute_dtype(network, compute_dtype)
    load_weights(network, settings.initial_weights)

    precomputed = inputs.precompute(
        data.samples,
        fitted_on,
        for_vectors(augmentation),
        verbose=watch.progress is not None,
    )
    batches = ImageBatches(
        data.samples,
        rows,
        settings.batch_size,
        inputs,
        precomputed,
        augmentation if inputs.see_augmented else (),
        np.random.default_rng(seed),
    )
    validated = None
    if validation is not None:
        samples, validation_rows = validation
        if samples is not data.samples:
            precomputed = inputs.precompute(samples, slice(0))
        validated = ImageBatches(
            samples, validation_rows, PREDICTION_BATCH, inputs, precomputed
        )

    history: dict[str, list[float]] = {}
    epochs_done = 0
    try:
        for number, stage in enumerate(stages):
            first_epoch, last_epoch = epochs_done, epochs_done + stage.n_epochs
            epochs_done = last_epoch
            if checkpoint is not None and number < checkpoint.stage:
                continue
            ours = watching(
                settings, validated=validated is not None, progress=watch.progress
            )
            if stage.rates is not None:
                ours.append(FollowRates(stage.rates, settings.schedule))
            callbacks = [*ours, *users]
            if checkpoint is not None:
                first_epoch, history = checkpoint.enter(
                    number, first_epoch, history, ours, batches, augmentation
                )
                callbacks.append(checkpoint)
            with _head_only(network) if stage.head_only else nullcontext():
                trainer = _compiled(
                    network, stage.optimizer, settings, data, branch_logits
                )
                if optimizer is not None:
                    _continue(stage, trainer, optimizer)
                with fused_normalization(network), without_retracing_advice():
                    seen = _fit(
                        trainer, batches, validated, callbacks, first_epoch, last_epoch
                    )
            history = joined(history, seen)
    finally:
        for callback in users:
            # It would keep the network and its training state alive.
            keras.callbacks.Callback.set_model(callback, None)
    if not all(np.isfinite(weights).all() for weights in network.get_weights()):
        raise FloatingPointError(f"Weights became NaN or infinite: {ADVICE}")
    if checkpoint is not None:
        checkpoint.delete()
    kept = (
        [keras.ops.convert_to_numpy(v) for v in stages[-1].optimizer.variables]
        if keep_optimizer
        else None
    )
    return Training(FrozenNetwork(network), inputs, history, compute_dtype, kept)


def _split(
    data: TrainingData, settings: TrainingSettings, seed: int
) -> tuple[Rows, tuple[Samples, Rows] | None]:
    """Return the training rows, and the validation samples and rows."""
    everything = np.arange(len(data.samples.codes))
    if data.validation is not None:
        return everything, (data.validation, np.arange(len(data.validation.codes)))
    if not settings.early_stopping:
        return everything, None
    rows, aside = split_rows(
        data.samples.codes, data.groups, settings.validation_fraction, seed
    )
    return rows, (data.samples, aside)


def _stages(settings: TrainingSettings, steps_per_epoch: int) -> list[_Stage]:
    """Return the stages: the head, if it is trained separately, and then all layers."""
    planned = [
        (settings.head_epochs, 1.0, True),
        (settings.epochs, FINE_TUNING if settings.head_epochs else 1.0, False),
    ]
    return [
        _Stage(
            n_epochs,
            head_only,
            *make_optimizer(settings, rate_factor, n_epochs, steps_per_epoch),
        )
        for n_epochs, rate_factor, head_only in planned
        if n_epochs
    ]


def _continue(
    stage: _Stage, trainer: keras.Model, variables: Sequence[NDArray[Any]]
) -> None:
    """Set the variables of the optimizer to those of another one."""
    stage.optimizer.build(trainer.trainable_variables)
    for variable, value in zip(stage.optimizer.variables, variables, strict=True):
        variable.assign(value)
    if stage.rates is not None:
        # It is one of the variables, and may have been changed.
        stage.optimizer.learning_rate = float(stage.rates[0])


def _compiled(
    network: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    settings: TrainingSettings,
    data: TrainingData,
    branch_logits: str | None,
) -> keras.Model:
    """Return a compiled model for training that shares the layers of `network`."""
    n_outputs = network.output_shape[-1]
    loss = partial(make_loss, settings.loss, settings.label_smoothing, n_outputs)
    trainer = make_trainer(network, branch_logits, loss(from_logits=True))
    metrics: list[Any] = ["accuracy"]
    if data.positive is not None:
        metrics.append(RecallOfClass(data.positive))
    if settings.monitor == "val_auc":
        metrics.append(keras.metrics.AUC(name="auc"))
    trainer.compile(
        optimizer=optimizer,
        loss=loss(),
        metrics=metrics,
        # With XLA, training on a CPU takes twice as long.
        jit_compile=False if _on_tensorflow() else "auto",
    )
    _create_variables(trainer)
    return trainer


def _create_variables(trainer: keras.Model) -> None:
    """Create all variables of a training before its first step.

    TensorFlow traces a function a second time if the first trace created variables,
    which doubles the time to the first step.
    """
    optimizer = trainer.optimizer
    optimizer.build(trainer.trainable_variables)
    if _on_tensorflow():
        # With a single replica, no sum of gradients is needed. TensorFlow permanently
        # registers a gradient of that sum, which keeps the graph of each training
        # alive.
        optimizer._all_reduce_sum_gradients = lambda grads_and_vars: grads_and_vars
    n_outputs = trainer.output_shape[-1]
    y, y_pred = np.zeros((1, 1), np.int64), np.full((1, n_outputs), 0.5, np.float32)
    weights = np.ones(1, np.float32)
    of_batch = map(keras.ops.convert_to_tensor, (y, y_pred, weights))
    trainer.compute_metrics(None, *of_batch)
    trainer.reset_metrics()


def _fit(
    trainer: keras.Model,
    batches: ImageBatches,
    validated: ImageBatches | None,
    callbacks: list[keras.callbacks.Callback],
    first_epoch: int,
    last_epoch: int,
) -> dict[str, list[float]]:
    """Train from `first_epoch` to before `last_epoch`, and return the history."""
    feed: Any = batches
    validation_feed: Any = validated
    if _on_tensorflow():
        advise_onednn()
        feed = as_dataset(batches)
        validation_feed = None if validated is None else as_dataset(validated)
    try:
        return trainer.fit(
            feed,
            initial_epoch=first_epoch,
            epochs=last_epoch,
            validation_data=validation_feed,
            callbacks=callbacks,
            verbose=0,
            shuffle=False,
        ).history
    except Exception:
        for part in (batches, validated):
            if part is not None and part.error is not None:
                # TensorFlow would convert it to an error of its type.
                raise part.error from None
        raise
    finally:
        if _on_tensorflow():
            forget_kernels()


def _on_tensorflow() -> bool:
    return keras.backend.backend() == "tensorflow"


@contextmanager
def _head_only(network: keras.Model) -> Iterator[None]:
    """Freeze all layers of `network` but its head in this block."""
    # A layer passes its setting to sublayers, so the outermost layers come first.
    before = [(layer, layer.trainable) for layer in all_layers(network)][::-1]
    head = head_layers(network)
    for layer in network.layers:
        if layer not in head:
            layer.trainable = False
    try:
        yield
    finally:
        for layer, trainable in before:
            layer.trainable = trainable


def check_network(network: Any, shapes: Mapping[str, Shape], n_outputs: int) -> None:
    """Raise unless `network` has these inputs and ends in probabilities."""
    if not getattr(network, "inputs", None):
        raise TypeError(
            f"The network function returned a {type(network).__name__} without "
            "inputs: expected a keras.Sequential that begins with keras.Input, or a "
            "keras.Model made from inputs and outputs."
        )
    if network.output_shape != (None, n_outputs):
        raise ValueError(
            f"The network's output has shape {network.output_shape}: expected (None, "
            f"{n_outputs}) for these classes. Use the argument n_outputs of the "
            "network function."
        )
    if len(network.inputs) != len(shapes):
        raise ValueError(
            f"The network has {len(network.inputs)} inputs, but there are "
            f"{len(shapes)}: {', '.join(shapes)}."
        )
    for given, layer in zip(shapes.values(), network.inputs, strict=True):
        taken = tuple(layer.shape[1:])
        if len(taken) != len(given) or any(
            size not in (None, wanted)
            for size, wanted in zip(taken, given, strict=True)
        ):
            raise ValueError(
                f"The network is for images of shape {taken}, but these have shape "
                f"{given}. Use the argument input_shape of the network function."
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
            "whose output is not probabilities: expected Dense(n_outputs, "
            f"activation={wanted!r}) as the last layer."
        )
