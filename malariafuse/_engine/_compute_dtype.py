"""Floating dtype of the computation of a network."""

import keras

from malariafuse._engine._cpu import cpu_flags
from malariafuse._engine._layers import all_layers


def resolve_compute_dtype(compute_dtype: str) -> str:
    """Return "bfloat16" or "float32". "auto" depends on the instructions of the CPU.

    float32 is used if the CPU has no bfloat16 instructions or they are unknown.
    """
    if compute_dtype == "auto":
        fast = cpu_flags() & {"amx_bf16", "avx512_bf16"}
        return "bfloat16" if fast else "float32"
    return compute_dtype


def set_compute_dtype(network: keras.Model, compute_dtype: str) -> None:
    """Make the layers of `network` compute in `compute_dtype`. Weights stay float32.

    Only this network changes, not Keras' global policy. A layer with an explicit
    floating dtype other than the default keeps it.
    """
    default = keras.config.dtype_policy().name
    wanted = "mixed_bfloat16" if compute_dtype == "bfloat16" else "float32"
    for layer in all_layers(network):
        if layer.dtype_policy.name == default:
            layer.dtype_policy = wanted
    # Probabilities need more than the 8 bits of bfloat16's significand, so all layers
    # after the last weights compute in float32.
    for layer in _from_the_end(network):
        for part in (*all_layers(layer), layer):
            part.dtype_policy = "float32"
        if layer.weights:
            break


def _from_the_end(network: keras.Model) -> list[keras.layers.Layer]:
    """Return the layers of `network` in reverse order, nested networks flattened."""
    layers: list[keras.layers.Layer] = []
    for layer in reversed(network.layers):
        # The layers of a subclassed network are not in the order of computation.
        if isinstance(layer, keras.Sequential) or hasattr(layer, "operations"):
            layers += _from_the_end(layer)
        else:
            layers.append(layer)
    return layers
