"""Layers, inputs and weights of a network."""

from collections.abc import Iterator, Sequence
from typing import Any

import keras
from numpy.typing import NDArray


def all_layers(network: keras.layers.Layer) -> Iterator[keras.layers.Layer]:
    """Yield the layers inside of `network`, innermost first.

    Nested networks and layers of layers are included.
    """
    inner = (
        network.layers
        if isinstance(network, keras.Model)
        # Keras has no public attribute for the sublayers of a layer.
        else getattr(network, "_layers", ())
    )
    for layer in inner:
        yield from all_layers(layer)
        yield layer


def one_or_list(values: Sequence[Any]) -> Any:
    """Return inputs in the form that Keras expects: a list if there are several.

    Keras distinguishes one input from a list of one input.
    """
    return values[0] if len(values) == 1 else list(values)


def set_weights(network: keras.Model, weights: Sequence[NDArray[Any]]) -> None:
    """Set all weights of `network`, and the values that layers derive from them."""
    network.set_weights(weights)
    for layer in all_layers(network):
        if isinstance(layer, keras.layers.Normalization):
            # It uses values that were derived from its weights once.
            layer.finalize_state()


def head_layers(network: keras.Model) -> list[keras.layers.Layer]:
    """Return the layers of the head of `network`.

    The head is all layers outside nested networks such as a backbone. In a network
    without nested networks, it is the last layer with weights.
    """
    outside = [layer for layer in network.layers if not isinstance(layer, keras.Model)]
    if len(outside) < len(network.layers):
        return outside
    return [next(layer for layer in reversed(outside) if layer.weights)]
