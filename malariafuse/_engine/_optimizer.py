"""Optimizer and learning-rate schedule of a training."""

import math
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from malariafuse._engine._settings import TrainingSettings

_OPTIMIZERS = {
    "adam": (keras.optimizers.Adam, 1e-3),
    "adamw": (keras.optimizers.AdamW, 1e-3),
    "sgd": (keras.optimizers.SGD, 0.05),
}
OPTIMIZERS = tuple(_OPTIMIZERS)
SCHEDULES = ("constant", "cosine")

Rates = NDArray[np.float32]


def make_optimizer(
    settings: TrainingSettings, factor: float, n_epochs: int, steps_per_epoch: int
) -> tuple[keras.optimizers.Optimizer, Rates | None]:
    """Return a new optimizer, and the learning rate of each step.

    Parameters
    ----------
    settings : TrainingSettings
        Settings of the training.
    factor : float
        Factor on the peak of the learning rate.
    n_epochs, steps_per_epoch : int
        Length of the schedule.

    Returns
    -------
    keras.optimizers.Optimizer
        Optimizer with the first learning rate.
    ndarray of shape (n_steps,), float32, or None
        Learning rates, or None if the optimizer of the user has a schedule.

    Raises
    ------
    ValueError
        If the optimizer of the user has a schedule, but `settings` have another one.
    """
    optimizer = settings.optimizer
    if isinstance(optimizer, keras.optimizers.Optimizer):
        kind, config = type(optimizer), optimizer.get_config()
        rate: Any = config["learning_rate"]
    else:
        kind, rate = _OPTIMIZERS[optimizer]
        config = kind(rate).get_config()
        if optimizer == "sgd":
            config |= {"momentum": settings.momentum, "nesterov": True}
    if settings.weight_decay is not None:
        config["weight_decay"] = settings.weight_decay
    if settings.ema_momentum is not None:
        config |= {"use_ema": True, "ema_momentum": settings.ema_momentum}
    rates = None
    if not isinstance(rate, dict):
        peak = rate if settings.learning_rate is None else settings.learning_rate
        rates = learning_rates(
            float(peak) * factor,
            settings.schedule,
            # At most half of the training, so that a short training is not only
            # warm-up.
            round(min(settings.warmup_epochs, n_epochs / 2) * steps_per_epoch),
            n_epochs * steps_per_epoch,
        )
        rate = float(rates[0])
    elif (
        settings.schedule != "constant"
        or settings.warmup_epochs
        or settings.learning_rate is not None
        or settings.head_epochs
    ):
        raise ValueError(
            "optimizer has a learning-rate schedule: set schedule='constant', "
            "warmup_epochs=0, head_epochs=0 and learning_rate=None to use it, or pass "
            "an optimizer with a constant learning rate."
        )
    made = kind.from_config({**config, "learning_rate": rate})
    # Weight decay applies to kernels, not to biases and scales.
    if made.weight_decay:
        made.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
    return made, rates


def learning_rates(
    peak: float, schedule: str, warmup_steps: int, n_steps: int
) -> Rates:
    """Return the learning rate of each step.

    The rate increases linearly from a tenth of `peak` to `peak`. Then it is constant,
    or decays to zero like `keras.optimizers.schedules.CosineDecay`.

    Parameters
    ----------
    peak : float
        Highest learning rate.
    schedule : {"cosine", "constant"}
        Schedule of the learning rate after the warm-up.
    warmup_steps, n_steps : int
        Numbers of steps of the warm-up and of the training.

    Returns
    -------
    ndarray of shape (n_steps,), float32
        Learning rates.
    """
    # In float32, as in Keras.
    top, first = np.float32(peak), np.float32(peak / 10)
    rates = np.full(n_steps, top)
    rising = np.arange(warmup_steps, dtype=np.float32) / np.float32(warmup_steps or 1)
    rates[:warmup_steps] = (top - first) * rising + first
    if schedule == "cosine":
        n_falling = n_steps - warmup_steps
        done = np.arange(n_falling, dtype=np.float32) / np.float32(max(n_falling, 1))
        angle = np.float32(math.pi) * done
        cosine = np.cos(angle.astype(np.float64)).astype(np.float32)
        rates[warmup_steps:] = top * (np.float32(0.5) * (np.float32(1) + cosine))
    return rates


class FollowRates(keras.callbacks.Callback):
    """Set the learning rate of each step.

    With Keras' schedules, which are part of the optimizer, callbacks that set the
    learning rate fail. Here, with ``schedule="constant"``, the learning rate set by
    another callback becomes the peak. A cosine schedule is not compatible with such a
    callback.

    Parameters
    ----------
    rates : ndarray of shape (n_steps,), float32
        Learning rates.
    schedule : {"cosine", "constant"}
        Name of the schedule of the learning rates.
    """

    def __init__(self, rates: Rates, schedule: str) -> None:
        super().__init__()
        self._rates, self._schedule = rates, schedule
        self._peak = float(rates.max())
        self.start_at(0)

    def start_at(self, step: int) -> None:
        """Resume from a step of an interrupted training."""
        self._step = step
        # The optimizer starts with the first rate.
        self._was_set = float(self._rates[max(step - 1, 0)])

    def on_train_batch_begin(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        """Set the rate of this step."""
        # On JAX, the variables are copies that are synchronized on demand.
        if keras.backend.backend() == "jax":
            self.model.jax_state_sync()
        optimizer = self.model.optimizer
        now = float(keras.ops.convert_to_numpy(optimizer.learning_rate))
        if now != self._was_set:
            self._take_over(now)
        rate, self._step = float(self._rates[self._step]), self._step + 1
        if rate != now:
            optimizer.learning_rate = rate
        self._was_set = rate

    def _take_over(self, peak: float) -> None:
        """Use the learning rate of another callback as the peak from this step."""
        if self._schedule != "constant":
            raise ValueError(
                f"a callback set the learning rate to {peak:g}, but "
                f"schedule={self._schedule!r} sets it at each step: pass "
                "schedule='constant'."
            )
        warm = self._rates == np.float32(self._peak)
        self._rates = self._rates * np.float32(peak / self._peak)
        self._rates[warm] = peak
        self._peak = peak
