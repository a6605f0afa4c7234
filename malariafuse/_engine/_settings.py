"""Settings of a training."""

from dataclasses import dataclass
from typing import Any

import keras


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of the training of any network.

    The fields have the names and meaning of the parameters of the classifiers.

    Attributes
    ----------
    head_epochs, epochs : int
        Epochs of the head alone, and then of all layers.
    batch_size : int
        Samples per step.
    optimizer : str or keras.optimizers.Optimizer
        Optimizer: "sgd", "adam", "adamw" or an object to copy.
    learning_rate, momentum, weight_decay : float or None
        Settings of the optimizer. None uses its default.
    schedule : str
        Schedule of the learning rate: "cosine" or "constant".
    warmup_epochs : float
        Epochs of rising learning rate.
    loss : str or keras.losses.Loss
        Loss: "crossentropy", "focal" or an object.
    label_smoothing : float
        Fraction of the target that is distributed over all classes.
    augmentation : sequence of str or keras.layers.Layer, or None
        Augmentation of images.
    early_stopping : bool
        Whether to stop by `monitor`.
    monitor : str
        Metric of the validation samples.
    validation_fraction : float
        Fraction of the samples in the validation set.
    n_iter_no_change : int
        Number of epochs without improvement before training stops.
    ema_momentum : float or None
        Momentum of averaged weights.
    compute_dtype : str
        Floating type of the layers: "auto", "float32" or "bfloat16".
    callbacks : sequence of keras.callbacks.Callback or callable, or None
        The user's callbacks, or functions that make them.
    initial_weights : keras.Model, path or None
        Source of the initial weights.
    random_state : int or None
        Random seed. None draws a seed.
    """

    head_epochs: int
    epochs: int
    batch_size: int
    optimizer: str | keras.optimizers.Optimizer
    learning_rate: float | None
    momentum: float
    weight_decay: float | None
    schedule: str
    warmup_epochs: float
    loss: Any
    label_smoothing: float
    augmentation: Any
    early_stopping: bool
    monitor: str
    validation_fraction: float
    n_iter_no_change: int
    ema_momentum: float | None
    compute_dtype: str
    callbacks: Any
    initial_weights: Any
    random_state: int | None
