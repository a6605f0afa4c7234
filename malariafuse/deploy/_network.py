"""Conversion of a Keras network to ONNX."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

from malariafuse._engine._inference import with_constant_weights
from malariafuse._engine._layers import all_layers
from malariafuse._engine._process import keras_seed
from malariafuse._engine._stored import storable_copy
from malariafuse._quiet import quiet_tensorflow

_HALF = "mixed_bfloat16"


def in_float32(network: keras.Model) -> keras.Model:
    """Return a copy of `network` that computes in float32 throughout."""
    with keras_seed(0):
        plain = storable_copy(network)
    for layer in all_layers(plain):
        if layer.dtype_policy.name == _HALF:
            layer.dtype_policy = "float32"
    return plain


def to_onnx(network: keras.Model, opset: int) -> Any:
    """Return `network` as an `onnx.ModelProto`, or raise ValueError."""
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "An export requires Keras on TensorFlow, but the backend is "
            f"{keras.backend.backend()}. Set the environment variable "
            "KERAS_BACKEND=tensorflow before Keras is imported."
        )
    import tf2onnx

    function = with_constant_weights(network)
    try:
        with _quiet(), quiet_tensorflow():
            model, _ = tf2onnx.convert.from_function(
                function, input_signature=function.input_signature, opset=opset
            )
    except Exception as error:
        raise ValueError(
            f"The network {network.name!r} is not supported by ONNX: {error}"
        ) from error
    custom = {node.domain for node in model.graph.node} - {"", "ai.onnx.ml"}
    if custom:
        raise ValueError(
            f"The network {network.name!r} needs operations of {sorted(custom)}, which "
            "ONNX does not have."
        )
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the output of tf2onnx."""
    log = logging.getLogger("tf2onnx")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)
