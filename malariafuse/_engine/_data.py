"""Samples and batches for the training of a network."""

import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import keras
import numpy as np
from numpy.typing import NDArray
from sklearn.utils import gen_batches

from malariafuse._engine._augmentation import augmented
from malariafuse._images import to_unit_float

# Samples in one forward pass: enough to keep the cores busy, little to hold.
PREDICTION_BATCH = 128

Shape = tuple[int, ...]
Rows = NDArray[np.int64] | slice


@dataclass(frozen=True)
class Samples:
    """Validated samples.

    Attributes
    ----------
    images : ndarray of shape (n_samples, height, width, channels)
        Images, uint8 or floating in [0, 1].
    codes : ndarray of shape (n_samples,)
        Class codes 0..n_classes - 1.
    weights : ndarray of shape (n_samples,), float32
        Weights in the loss.
    """

    images: NDArray[Any]
    codes: NDArray[np.int64]
    weights: NDArray[np.float32]


@dataclass(frozen=True)
class TrainingData:
    """Training and validation data of a network.

    Attributes
    ----------
    samples : Samples
        Training samples, from which validation samples may be held out.
    groups : ndarray of shape (n_samples,) or None
        Patients, if they determine the held-out samples.
    validation : Samples or None
        Validation samples. None holds out samples with early stopping.
    n_classes : int
        Number of classes.
    positive : int or None
        Code of the positive class of two classes, or None.
    """

    samples: Samples
    groups: NDArray[Any] | None
    validation: Samples | None
    n_classes: int
    positive: int | None


class Inputs(Protocol):
    """Transformation from images to the inputs of a network."""

    @property
    def shapes(self) -> Mapping[str, Shape]:
        """Name and shape of one sample of each input of the network."""

    @property
    def network_shape(self) -> Any:
        """First argument of the function that builds the network."""

    @property
    def see_augmented(self) -> bool:
        """Whether any input changes with the augmentation of the images."""

    def fit(self, images: NDArray[Any], codes: NDArray[np.int64], rows: Rows) -> Self:
        """Fit to some rows, unless already fitted."""

    def precompute(
        self,
        samples: Samples,
        rows: Rows,
        augmentation: Sequence[keras.layers.Layer] = (),
        verbose: int | bool = 0,
    ) -> list[NDArray[np.float32]]:
        """Return arrays that are computed once for all epochs, one for each input."""

    def __call__(
        self,
        images: NDArray[Any],
        precomputed: Sequence[NDArray[np.float32]] | None = None,
    ) -> NDArray[np.float32] | tuple[NDArray[np.float32], ...]:
        """Return the inputs of the network, as a tuple if there are several."""


class ImageInputs:
    """Feed the images to the network unchanged."""

    see_augmented = True
    shapes: Mapping[str, Shape]

    @property
    def network_shape(self) -> Shape:
        """Height, width and channels."""
        return self.shapes["images"]

    def fit(self, images: NDArray[Any], codes: NDArray[np.int64], rows: Rows) -> Self:
        """Store the shape of the images."""
        self.shapes = {"images": images.shape[1:]}
        return self

    def precompute(
        self,
        samples: Samples,
        rows: Rows,
        augmentation: Sequence[keras.layers.Layer] = (),
        verbose: int | bool = 0,
    ) -> list[NDArray[np.float32]]:
        """Return no arrays: nothing is precomputed."""
        return []

    def __call__(
        self,
        images: NDArray[Any],
        precomputed: Sequence[NDArray[np.float32]] | None = None,
    ) -> NDArray[np.float32]:
        """Return the input of the network for some images."""
        return to_unit_float(images)


class ImageBatches(keras.utils.PyDataset):
    """Batches of (inputs, targets, sample weights) for `keras.Model.fit`.

    Images are not converted (they may be uint8 and on disk) until their batch is
    requested. They are augmented before the inputs are computed.

    Parameters
    ----------
    samples : Samples
        Images, class codes and weights.
    rows : ndarray of int
        Positions of the samples that are used.
    batch_size : int
        Samples per batch; the last batch may be smaller.
    inputs : Inputs
        Function that makes the inputs of the network.
    precomputed : sequence of ndarray of shape (n_samples, n_views, n_features)
        Result of ``inputs.precompute`` for all samples.
    augmentation : sequence of keras.layers.Layer, default=()
        Layers applied in training mode.
    generator : numpy.random.Generator, default=None
        Generator that shuffles the rows before each epoch, and chooses among the
        precomputed views of each. None keeps the order and uses the first view.
    """

    def __init__(
        self,
        samples: Samples,
        rows: NDArray[np.int64],
        batch_size: int,
        inputs: Inputs,
        precomputed: Sequence[NDArray[np.float32]],
        augmentation: Sequence[keras.layers.Layer] = (),
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        self.samples = samples
        self.inputs, self.precomputed = inputs, precomputed
        self.augmentation = augmentation
        self.error: Exception | None = None
        self.rows, self.generator = rows.copy(), generator
        self.parts = list(gen_batches(len(rows), batch_size))

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, index: int) -> tuple[Any, NDArray[Any], NDArray[Any]]:
        # In the order of the file, so that a memory map is read sequentially.
        rows = np.sort(self.rows[self.parts[index]])
        n_views = self.precomputed[0].shape[1] if self.precomputed else 1
        view: Any = 0
        if self.generator is not None and n_views > 1:
            view = self.generator.integers(n_views, size=len(rows))
        try:
            inputs = self.inputs(
                augmented(self.samples.images[rows], self.augmentation),
                [part[rows, view] for part in self.precomputed],
            )
        except Exception as error:
            self.error = error
            raise
        return inputs, self.samples.codes[rows, None], self.samples.weights[rows]

    @property
    def state(self) -> tuple[Any, NDArray[np.int64]]:
        """State of the generator and order of the rows, for all later batches."""
        assert self.generator is not None
        return self.generator.bit_generator.state, self.rows

    @state.setter
    def state(self, state: tuple[Any, NDArray[np.int64]]) -> None:
        assert self.generator is not None
        self.generator.bit_generator.state, self.rows = state

    def on_epoch_begin(self) -> None:
        """Shuffle the rows."""
        if self.generator is not None:
            self.generator.shuffle(self.rows)


def as_dataset(batches: ImageBatches) -> Any:
    """Return a TensorFlow dataset that prefetches the next batch during training.

    The dataset does not keep `batches` alive.

    Keras would let TensorFlow tune the size of the prefetch. The tuning thread sleeps
    for increasing times of up to a minute, and the end of an epoch may have to wait for
    it. For short steps, it may also disable prefetching.
    """
    # Imported here, because other backends of Keras do not need it.
    import tensorflow as tf

    # TensorFlow never releases a generator, which would keep all images in memory.
    held: Any = weakref.proxy(batches)

    def epoch() -> Iterator[Any]:
        held.on_epoch_begin()
        for index in range(len(held)):
            inputs, *rest = held[index]
            # A tuple, because a list would be stacked.
            yield tuple(inputs) if isinstance(inputs, list) else inputs, *rest

    inputs = tuple(
        tf.TensorSpec((None, *shape), "float32")
        for shape in batches.inputs.shapes.values()
    )
    options = tf.data.Options()
    options.autotune.enabled = False
    return (
        tf.data.Dataset.from_generator(
            epoch,
            output_signature=(
                inputs[0] if len(inputs) == 1 else inputs,
                tf.TensorSpec((None, 1), "int64"),
                tf.TensorSpec((None,), "float32"),
            ),
        )
        .prefetch(1)
        .with_options(options)
        .apply(tf.data.experimental.assert_cardinality(len(batches)))
    )
