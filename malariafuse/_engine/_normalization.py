"""Fused batch normalization for training on TensorFlow.

Keras computes batch normalization by a dozen elementwise operations. TensorFlow's fused
kernel computes the same outputs. With it, a small ResNet-18 trains three times as fast
on a CPU.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from types import MethodType
from typing import Any

import keras

from malariafuse._engine._layers import all_layers


@contextmanager
def fused_normalization(network: keras.Model) -> Iterator[None]:
    """Make the layers of `network` use the fused kernel in this block.

    The class of the layers does not change, so a network that is stored in this block
    can be loaded as usual.
    """
    changed = [layer for layer in all_layers(network) if _can_fuse(layer)]
    for layer in changed:
        layer.call = MethodType(_call, layer)
    try:
        yield
    finally:
        for layer in changed:
            # The method of the class becomes visible again.
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
    """Normalize by batch statistics and update the moving statistics, if `training`."""
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
    # The kernel returns the unbiased variance, but Keras uses the biased variance.
    count = tf.cast(tf.reduce_prod(tf.shape(inputs)[:-1]), variance.dtype)
    variance *= (count - 1) / count
    for moving, now in (
        (layer.moving_mean, mean),
        (layer.moving_variance, variance),
    ):
        moving.assign(moving * layer.momentum + now * (1 - layer.momentum))
    return outputs
