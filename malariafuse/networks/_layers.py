"""Argument validation and output layer shared by all networks."""

from collections.abc import Sequence

import keras

from malariafuse._parameters import Integers, Rule, check_parameter

WIDTHS: Sequence[Rule] = (Integers(1, 2**16),)
"""Limits of units, filters and outputs, to fit into memory."""


def check_network_arguments(
    input_shape: Sequence[int], n_outputs: int, filters: int, *, smallest: int
) -> tuple[int, int, int]:
    """Return `input_shape` as a tuple, or raise if an argument is invalid."""
    if (
        not isinstance(input_shape, Sequence)
        or len(input_shape) != 3
        or not all(Integers(1).allows(side) for side in input_shape)
    ):
        raise ValueError(
            f"input_shape={input_shape!r}: expected three positive integers (height, "
            "width, channels)."
        )
    shape = tuple(input_shape)
    if min(shape[:2]) < smallest:
        raise ValueError(
            f"input_shape={input_shape!r}: height and width must be at least "
            f"{smallest} pixels, because the network downsamples images. Use larger "
            "images."
        )
    for name, value in (("n_outputs", n_outputs), ("filters", filters)):
        check_parameter(name, value, WIDTHS)
    return int(shape[0]), int(shape[1]), int(shape[2])


def probabilities(features: keras.KerasTensor, n_outputs: int) -> keras.KerasTensor:
    """Return the output layer: one sigmoid output, or a softmax over several."""
    return keras.layers.Dense(
        int(n_outputs),
        activation="sigmoid" if n_outputs == 1 else "softmax",
        # In bfloat16, probabilities above 0.5 have steps of 0.004, too coarse to choose
        # a threshold.
        dtype="float32",
        name="probabilities",
    )(features)
