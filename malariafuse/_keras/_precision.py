"""In which floating type a network computes."""

import keras

from malariafuse._keras._cpu import cpu_flags
from malariafuse._keras._layers import all_layers

PRECISIONS = ("auto", "bfloat16", "float32")


def resolve_precision(precision: str) -> str:
    """Return "bfloat16" or "float32"; "auto" asks the CPU for instructions in bfloat16.

    Without them, or where the CPU does not tell, float32 is faster or the safe answer.
    """
    if precision not in PRECISIONS:
        raise ValueError(
            f"precision={precision!r}: expected one of {', '.join(PRECISIONS)}."
        )
    if precision == "auto":
        fast = cpu_flags() & {"amx_bf16", "avx512_bf16"}
        return "bfloat16" if fast else "float32"
    return precision


def set_precision(network: keras.Model, precision: str) -> None:
    """Make the layers of `network` compute in `precision`; weights stay float32.

    Only this network changes, never Keras' global policy. A layer that was given a
    floating type of its own, other than the default, keeps it.
    """
    default = keras.config.dtype_policy().name
    wanted = "mixed_bfloat16" if precision == "bfloat16" else "float32"
    every = list(all_layers(network))
    for layer in every:
        if layer.dtype_policy.name == default:
            layer.dtype_policy = wanted
    # Probabilities need more than the 8 bits of bfloat16's significand: whatever makes
    # them from the last weights on.
    for layer in reversed(every):
        if isinstance(layer, keras.Model):
            continue
        layer.dtype_policy = "float32"
        if layer.weights:
            break
