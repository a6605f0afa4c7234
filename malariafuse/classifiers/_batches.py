"""Images on their way into a network, one batch at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from malariafuse.classifiers._augment import augmented
from malariafuse.classifiers._inputs import BranchInputs, ImageInputs

# Samples in one forward pass: enough to keep the cores busy, little to hold.
PREDICTION_BATCH = 128


@dataclass(frozen=True)
class TrainingData:
    """What a network is trained on, checked.

    Attributes
    ----------
    images : ndarray of shape (n_samples, height, width, channels)
        uint8, or floating in 0..1.
    codes : ndarray of shape (n_samples,)
        Class codes 0..n_classes - 1, each present.
    weights : ndarray of shape (n_samples,), float32
        Weights in the loss.
    groups : ndarray of shape (n_samples,) or None
        Patients.
    positive : int or None
        Code of the positive class of two, if there is one.
    """

    images: NDArray[Any]
    codes: NDArray[np.int64]
    weights: NDArray[np.float32]
    groups: NDArray[Any] | None
    positive: int | None


def slices(n_samples: int, batch_size: int) -> Iterator[slice]:
    """Yield the slices of successive batches."""
    for start in range(0, n_samples, batch_size):
        yield slice(start, min(start + batch_size, n_samples))


class ImageBatches(keras.utils.PyDataset):
    """Batches of (inputs, targets, sample weights) for `keras.Model.fit`.

    Images stay as they are (uint8, perhaps on disk) until their batch is asked for, and
    are augmented before the inputs are made from them.

    Parameters
    ----------
    data : TrainingData
        Images, class codes and weights.
    rows : ndarray of int
        Which samples are used.
    batch_size : int
        Samples per batch; the last batch may be smaller.
    inputs : ImageInputs or BranchInputs
        Makes the inputs of the network.
    precomputed : sequence of ndarray of shape (n_samples, n_views, n_features)
        What ``inputs.precompute`` gave for all of the data.
    augmentation : sequence of keras.layers.Layer, default=()
        Applied in training mode.
    generator : numpy.random.Generator, default=None
        Shuffles the rows before each epoch, and chooses among the precomputed views
        of each; None keeps their order and takes the first.
    """

    def __init__(
        self,
        data: TrainingData,
        rows: NDArray[np.int64],
        batch_size: int,
        inputs: ImageInputs | BranchInputs,
        precomputed: Sequence[NDArray[np.float32]],
        augmentation: Sequence[keras.layers.Layer] = (),
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        self.data = data
        self.inputs, self.precomputed = inputs, precomputed
        self.augmentation = augmentation
        self.error: Exception | None = None
        self.rows, self.generator = rows.copy(), generator
        self.parts = list(slices(len(rows), batch_size))

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, index: int) -> tuple[Any, NDArray[Any], NDArray[Any]]:
        # In the order of the file: a memory map then reads forward.
        rows = np.sort(self.rows[self.parts[index]])
        n_views = self.precomputed[0].shape[1] if self.precomputed else 1
        view: Any = 0
        if self.generator is not None and n_views > 1:
            view = self.generator.integers(n_views, size=len(rows))
        try:
            inputs = self.inputs(
                augmented(self.data.images[rows], self.augmentation),
                [part[rows, view] for part in self.precomputed],
            )
        except Exception as error:
            self.error = error
            raise
        return inputs, self.data.codes[rows, None], self.data.weights[rows]

    def on_epoch_begin(self) -> None:
        """Shuffle the rows."""
        if self.generator is not None:
            self.generator.shuffle(self.rows)
