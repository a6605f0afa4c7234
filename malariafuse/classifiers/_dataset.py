"""Batches on their way into TensorFlow's training loop."""

import weakref
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from malariafuse.classifiers._batches import ImageBatches


def as_dataset(batches: ImageBatches) -> tf.data.Dataset:
    """Return a dataset that makes the next batch beside the training step on this one.

    It does not keep `batches` alive.

    Keras would have TensorFlow tune how far ahead that is done. The thread that tunes
    sleeps ever longer, twice as long each time and up to a minute, and the end of an
    epoch may have to wait for it to wake up; for short steps it may also decide to make
    nothing ahead.
    """
    # TensorFlow never lets go of a generator, and this one would hold all images.
    held: Any = weakref.proxy(batches)

    def epoch() -> Iterator[Any]:
        held.on_epoch_begin()
        for index in range(len(held)):
            inputs, *rest = held[index]
            # A list would be stacked.
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
