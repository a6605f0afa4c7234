"""Batch normalization in one operation while a network trains on TensorFlow.

Keras computes it from a dozen elementwise operations. TensorFlow's fused kernel takes
the same inputs to the same outputs, and a small ResNet-18 then trains three times as
fast on a CPU.
"""

from typing import Any

import keras
import tensorflow as tf

from malariafuse._keras._layers import all_layers, set_weights


class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalization over the last axis of images by TensorFlow's fused kernel."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalize by the batch and update the moving statistics, if `training`."""
        if not training or not self.trainable:
            return super().call(inputs, training=training, mask=mask)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=tf.convert_to_tensor(self.gamma),
            offset=tf.convert_to_tensor(self.beta),
            mean=[],
            variance=[],
            epsilon=self.epsilon,
            is_training=True,
        )
        # The kernel reports the unbiased variance; Keras keeps the biased one.
        count = tf.cast(tf.reduce_prod(tf.shape(inputs)[:-1]), variance.dtype)
        variance *= (count - 1) / count
        for moving, now in (
            (self.moving_mean, mean),
            (self.moving_variance, variance),
        ):
            moving.assign(moving * self.momentum + now * (1 - self.momentum))
        return outputs


def _can_fuse(layer: keras.layers.Layer) -> bool:
    return (
        type(layer) is keras.layers.BatchNormalization
        and layer.input_spec.ndim == 4
        and layer.axis in (-1, 3)
        and layer.scale
        and layer.center
        and not layer.synchronized
        # Newer versions of Keras have batch renormalization.
        and not getattr(layer, "renorm", False)
    )


def with_fused_normalization(network: keras.Model) -> keras.Model:
    """Return a copy of `network` to train in its place, or itself if nothing is fused.

    The copy has the same weights in the same order.
    """
    if not any(_can_fuse(layer) for layer in all_layers(network)):
        return network

    def copy(layer: keras.layers.Layer) -> keras.layers.Layer:
        if isinstance(layer, keras.Model):
            return with_fused_normalization(layer)
        kind = FusedBatchNormalization if _can_fuse(layer) else type(layer)
        return kind.from_config(layer.get_config())

    fused = keras.models.clone_model(network, clone_function=copy)
    set_weights(fused, network.get_weights())
    return fused
