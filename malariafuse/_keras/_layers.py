"""Layers and inputs of a network, and weights set so that nothing is left behind."""

from collections.abc import Iterator, Sequence
from typing import Any

import keras
from numpy.typing import NDArray


def all_layers(network: keras.Model) -> Iterator[keras.layers.Layer]:
    """Yield the layers of `network` and of the networks in it."""
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from all_layers(layer)
        yield layer


def one_or_list(values: Sequence[Any]) -> Any:
    """Return what Keras takes for a network of as many inputs.

    It tells one input from a list of one.
    """
    return values[0] if len(values) == 1 else list(values)


def set_weights(network: keras.Model, weights: Sequence[NDArray[Any]]) -> None:
    """Set all weights of `network`, and what its layers derive from them."""
    network.set_weights(weights)
    for layer in all_layers(network):
        if isinstance(layer, keras.layers.Normalization):
            # It divides by numbers that it computed from its weights once.
            layer.finalize_state()
