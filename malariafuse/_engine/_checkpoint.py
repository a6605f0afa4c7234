"""Checkpoints, from which an interrupted training is resumed."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from malariafuse._engine._data import ImageBatches
from malariafuse._engine._optimizer import FollowRates
from malariafuse._files._scratch import remove_abandoned
from malariafuse._files._write import whole_file

# Increased if older versions cannot read the checkpoints of this version.
FORMAT = 1


class Checkpoint(keras.callbacks.Callback):
    """Save the state of a training before each epoch, and resume from it.

    The complete state is saved: weights, the optimizer, averaged weights, the
    generators of order, augmentation and dropout, the history, and the state of early
    stopping. On a CPU, the final weights of a resumed training are identical to those
    of uninterrupted training. The state of callbacks of the user is not saved.

    It must be the last callback, because it saves the state of the others after an
    epoch.

    Parameters
    ----------
    folder : Path
        Folder of the checkpoints.
    key : str
        Key of the training. Only the same training is resumed from the file.
    """

    # Attributes of Keras' callback with its state.
    _REMEMBERED = ("wait", "best", "best_epoch", "stopped_epoch")

    def __init__(self, folder: Path, key: str) -> None:
        super().__init__()
        # Raised before the first epoch, not after it.
        try:
            folder.mkdir(parents=True, exist_ok=True)
            remove_abandoned(folder)
        except OSError as error:
            raise OSError(
                f"checkpoint={str(folder)!r} is not a writable folder: {error} Pass "
                "another path."
            ) from error
        self._file = folder / f"{key}.npz"
        self._state: dict[str, Any] = {"stage": 0, "epoch": 0, "history": {}}
        self._arrays: dict[str, NDArray[Any]] | None = None
        if self._file.exists():
            self._read()

    def _read(self) -> None:
        try:
            with (
                self._file.open("rb") as file,
                np.load(file, allow_pickle=False) as stored,
            ):
                arrays = {name: stored[name] for name in stored.files}
            state = json.loads(str(arrays.pop("state")))
            if state["format"] != FORMAT:
                raise ValueError(f"it has format {state['format']}, expected {FORMAT}.")
        except Exception as error:
            raise ValueError(
                f"checkpoint: {self._file} cannot be read: {error} Delete it to "
                "restart training."
            ) from error
        self._state, self._arrays = state, arrays

    @property
    def stage(self) -> int:
        """Stage of the training to resume."""
        return int(self._state["stage"])

    def enter(
        self,
        stage: int,
        first_epoch: int,
        history: dict[str, list[float]],
        others: Sequence[keras.callbacks.Callback],
        batches: ImageBatches,
        layers: Sequence[keras.layers.Layer],
    ) -> tuple[int, dict[str, list[float]]]:
        """Prepare for a stage.

        Parameters
        ----------
        stage : int
            Number of the stage.
        first_epoch : int
            Number of the first epoch of the stage, counted over all stages.
        history : dict
            Metrics of each epoch of the previous stages.
        others : sequence of keras.callbacks.Callback
            Callbacks of the package in this stage.
        batches : ImageBatches
            Batches, in their current order.
        layers : sequence of keras.layers.Layer
            Layers with generators outside of the model.

        Returns
        -------
        int, dict
            Epoch from which to resume, and the history before it.
        """
        self._stage, self._first_epoch, self._before = stage, first_epoch, history
        self._entered, self._batches, self._layers = first_epoch, batches, layers
        self._stopping = _first(others, keras.callbacks.EarlyStopping)
        self._rates = _first(others, FollowRates)
        if self._arrays is not None and stage == self.stage:
            self._entered = int(self._state["epoch"])
            self._before = self._state["history"]
        return self._entered, self._before

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Restore the state that was read, after the other callbacks are reset."""
        if self._arrays is None:
            return
        arrays, self._arrays = self._arrays, None
        for i, variable in enumerate(self._variables()):
            variable.assign(arrays[f"variable{i}"])
        if self._stopping is not None:
            for name in self._REMEMBERED:
                setattr(self._stopping, name, self._state["stopping"][name])
            n_best = sum(name.startswith("best") for name in arrays)
            if n_best:
                self._stopping.best_weights = [
                    arrays[f"best{i}"] for i in range(n_best)
                ]
        if self._rates is not None:
            epochs_done = self._entered - self._first_epoch
            self._rates.start_at(epochs_done * self.params["steps"])
        self._batches.state = self._state["generator"], arrays["rows"]

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Save the state before the epoch, unless it has not changed."""
        # No batch of this epoch has been created, so its random numbers are not drawn
        # yet.
        if epoch == self._entered:
            return
        arrays: dict[str, Any] = {
            f"variable{i}": _storable(variable)
            for i, variable in enumerate(self._variables())
        }
        generator, arrays["rows"] = self._batches.state
        stopping = None
        if self._stopping is not None:
            stopping = {
                name: _plain(getattr(self._stopping, name)) for name in self._REMEMBERED
            }
            for i, weights in enumerate(self._stopping.best_weights or ()):
                arrays[f"best{i}"] = _storable(weights)
        state = {
            "format": FORMAT,
            "stage": self._stage,
            "epoch": epoch,
            "history": joined(self._before, self.model.history.history),
            "stopping": stopping,
            "generator": generator,
        }
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            # At once: a kill in between leaves the old file.
            with whole_file(self._file) as file:
                np.savez(file, state=np.array(json.dumps(state)), **arrays)
        except OSError as error:
            raise OSError(
                f"checkpoint: the state of the training cannot be saved: {error} Free "
                "space there, or pass another path."
            ) from error

    def delete(self) -> None:
        """Delete the file of a finished training."""
        self._file.unlink(missing_ok=True)

    def _variables(self) -> list[Any]:
        model = self.model
        model.optimizer.build(model.trainable_variables)
        variables = [*model.variables, *model.optimizer.variables]
        for layer in self._layers:
            variables += layer.variables
        return variables


def joined(
    before: dict[str, list[float]], after: dict[str, Any]
) -> dict[str, list[float]]:
    """Return the concatenated history of two trainings."""
    return {
        name: before.get(name, []) + [float(value) for value in values]
        for name, values in after.items()
    }


def _first(callbacks: Sequence[Any], kind: type[Any]) -> Any:
    return next((c for c in callbacks if isinstance(c, kind)), None)


def _storable(variable: Any) -> NDArray[Any]:
    array = keras.ops.convert_to_numpy(variable)
    # NumPy has no bfloat16. As float32, the weights are the same numbers.
    return array.astype(np.float32) if array.dtype.kind == "V" else array


def _plain(value: Any) -> Any:
    return None if value is None else float(value)
