"""What watches a training: invalid loss, averaging, early stopping, progress."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from tqdm.auto import tqdm

ADVICE = (
    "training diverged. Lower learning_rate, raise warmup_epochs, or set "
    "precision='float32'."
)


class StopOnInvalidLoss(keras.callbacks.Callback):
    """Raise as soon as the loss is NaN or infinite, saying what to change."""

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        """Look at the running mean of the loss."""
        if not np.isfinite((logs or {})["loss"]):
            raise FloatingPointError(
                f"The loss became {(logs or {})['loss']} at batch {batch + 1}: {ADVICE}"
            )


class KeepAveragedWeights(keras.callbacks.Callback):
    """Keep the weights as they are at the end of the last epoch: averaged.

    Keras puts the averages into the network at each end of an epoch, but takes them
    out again when another callback stops the training early.
    """

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Remember the weights."""
        self.weights = self.model.get_weights()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Put them back."""
        self.model.set_weights(self.weights)


class ProgressBar(keras.callbacks.Callback):
    """One bar over all batches, with the last epoch's figures beside it."""

    def __init__(self, description: str) -> None:
        super().__init__()
        self.description = description

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Open the bar."""
        total = self.params["epochs"] * self.params["steps"]
        self.bar = tqdm(total=total, desc=self.description, unit="batch")

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        """Move on by one batch."""
        self.bar.update()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Show the figures of the epoch."""
        figures = {name: f"{value:.3f}" for name, value in (logs or {}).items()}
        self.bar.set_postfix(epoch=epoch + 1, **figures)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Close the bar."""
        self.bar.close()


def make_callbacks(
    callbacks: Sequence[keras.callbacks.Callback] | None,
    *,
    patience: int | None,
    ema: bool,
    progress: str | None,
) -> list[keras.callbacks.Callback]:
    """Return the callbacks of one training; `patience` None means no early stopping."""
    given = () if callbacks is None else callbacks
    if not isinstance(given, Sequence) or not all(
        isinstance(callback, keras.callbacks.Callback) for callback in given
    ):
        raise TypeError(
            f"callbacks={callbacks!r}: expected a list of keras.callbacks.Callback."
        )
    made: list[keras.callbacks.Callback] = [StopOnInvalidLoss()]
    if ema:
        # Before early stopping, which then judges and keeps the averaged weights.
        made.append(keras.callbacks.SwapEMAWeights(swap_on_epoch=True))
        made.append(KeepAveragedWeights())
    if patience is not None:
        made.append(
            keras.callbacks.EarlyStopping(patience=patience, restore_best_weights=True)
        )
    if progress is not None:
        made.append(ProgressBar(progress))
    return [*made, *given]
