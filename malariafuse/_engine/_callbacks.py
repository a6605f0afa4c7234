"""Callbacks of training: invalid loss, averaging, early stopping and progress."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from malariafuse._engine._settings import TrainingSettings
from malariafuse._progress import Progress

ADVICE = (
    "training diverged. Decrease learning_rate, increase warmup_epochs, or set "
    "compute_dtype='float32'."
)
# Metrics for monitoring, and whether higher is better.
MONITORS = {
    "val_loss": "min",
    "val_accuracy": "max",
    "val_recall": "max",
    "val_auc": "max",
}


class StopOnInvalidLoss(keras.callbacks.Callback):
    """Raise with advice as soon as the loss is NaN or infinite."""

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        """Look at the running mean of the loss."""
        if not np.isfinite((logs or {})["loss"]):
            raise FloatingPointError(
                f"The loss became {(logs or {})['loss']} at batch {batch + 1}: {ADVICE}"
            )


class KeepAveragedWeights(keras.callbacks.Callback):
    """Keep the averaged weights of the end of the last epoch.

    Keras puts the averages into the network at each end of an epoch, but takes them
    out again when another callback stops the training early.
    """

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Store the weights."""
        self.weights = self.model.get_weights()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Restore the weights."""
        self.model.set_weights(self.weights)


class ProgressBar(keras.callbacks.Callback):
    """Progress bar over all batches, with the metrics of the last epoch."""

    def __init__(self, description: str) -> None:
        super().__init__()
        self.description = description

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Open the bar."""
        total = self.params["epochs"] * self.params["steps"]
        self.bar = Progress(total=total, desc=self.description, unit="batch")

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Skip epochs that are already trained."""
        self.bar.update(epoch * self.params["steps"] - self.bar.n)

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        """Move on by one batch."""
        self.bar.update()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Show the measures of the epoch."""
        measures = {name: f"{value:.3f}" for name, value in (logs or {}).items()}
        self.bar.set_postfix(epoch=epoch + 1, **measures)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Close the bar."""
        self.bar.close()


def users_callbacks(callbacks: Any) -> list[keras.callbacks.Callback]:
    """Return the callbacks of the user for one training.

    Raises
    ------
    TypeError
        If an item is not a callback, or a function does not return one.
    """
    if callbacks is None:
        return []
    expected = (
        "expected a list of keras.callbacks.Callback, or of functions without "
        "arguments that return one."
    )
    if not isinstance(callbacks, Sequence) or isinstance(callbacks, str):
        raise TypeError(f"callbacks={callbacks!r}: {expected}")
    made = []
    for callback in callbacks:
        if not isinstance(callback, keras.callbacks.Callback):
            if not callable(callback):
                raise TypeError(f"callbacks has {callback!r}: {expected}")
            given, callback = callback, callback()
            if not isinstance(callback, keras.callbacks.Callback):
                raise TypeError(
                    f"callbacks has {given!r}, which returned {callback!r}: {expected}"
                )
        made.append(callback)
    return made


def check_rate_setters(callbacks: Sequence[Any], schedule: str) -> None:
    """Raise ValueError if a callback sets the learning rate despite a schedule."""
    kinds = (
        keras.callbacks.ReduceLROnPlateau,
        keras.callbacks.LearningRateScheduler,
    )
    for callback in callbacks:
        if isinstance(callback, kinds) and schedule != "constant":
            raise ValueError(
                f"callbacks has {type(callback).__name__}, which sets the learning "
                f"rate, but schedule={schedule!r} also sets it: pass "
                "schedule='constant'."
            )


def watching(
    settings: TrainingSettings, *, validated: bool, progress: str | None
) -> list[keras.callbacks.Callback]:
    """Return the callbacks of the package for one training."""
    made: list[keras.callbacks.Callback] = [StopOnInvalidLoss()]
    if settings.ema_momentum is not None:
        # Before early stopping, which then uses the averaged weights.
        made.append(keras.callbacks.SwapEMAWeights(swap_on_epoch=True))
        made.append(KeepAveragedWeights())
    if settings.early_stopping and validated:
        made.append(
            keras.callbacks.EarlyStopping(
                monitor=settings.monitor,
                mode=MONITORS[settings.monitor],
                patience=settings.n_iter_no_change,
                restore_best_weights=True,
            )
        )
    if progress is not None:
        made.append(ProgressBar(progress))
    return made
