"""Selection of layers of a network and truncation of the network."""

import re
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from malariafuse._engine._backbones import did_you_mean
from malariafuse._engine._layers import all_layers

POOLING = {
    "avg": keras.layers.GlobalAveragePooling2D,
    "max": keras.layers.GlobalMaxPooling2D,
    "flatten": keras.layers.Flatten,
}

Layers = dict[str, keras.layers.Layer]


class LayerNames:
    """Rule for a list or tuple of layer names."""

    def allows(self, value: Any) -> bool:
        """Return whether `value` has at least one name, without repetition."""
        return (
            isinstance(value, tuple | list)
            and all(isinstance(name, str) for name in value)
            and 0 < len(set(value)) == len(value)
        )

    def __str__(self) -> str:
        return "a non-empty list of names without repetition"


def layers_by_name(network: keras.Model, *, renumber: bool) -> Layers:
    """Return the layers of `network` by name, in order, without the input.

    Keras numbers unnamed layers across the whole process, so a second InceptionV3 has
    different names. With `renumber`, layers get the names of the first network.
    """
    layers = [
        layer
        for layer in network.layers
        if not isinstance(layer, keras.layers.InputLayer)
    ]
    names = [layer.name for layer in layers]
    if renumber:
        numbered: dict[str, list[tuple[int, int]]] = {}
        for i, layer in enumerate(layers):
            stem = _stem(layer)
            match = re.fullmatch(rf"{stem}(?:_(\d+))?", layer.name)
            if match:
                numbered.setdefault(stem, []).append((int(match[1] or 0), i))
        for stem, places in numbered.items():
            for number, (_, i) in enumerate(sorted(places)):
                names[i] = f"{stem}_{number}" if number else stem
    return dict(zip(names, layers, strict=True))


def _stem(layer: keras.layers.Layer) -> str:
    """Return Keras' default name of a layer of this class, such as re_lu for ReLU."""
    words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", type(layer).__name__)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()


def choose_layers(layers: Layers, names: Sequence[str] | None) -> Layers:
    """Return the layers called `names` in this order, or the last layer for None.

    Raises
    ------
    ValueError
        If a name is unknown.
    """
    if names is None:
        names = [list(layers)[-1]]
    for name in names:
        if name not in layers:
            raise ValueError(
                f"layer={name!r}: the network has no layer of this "
                f"name.{did_you_mean(name, layers)} Call available_layers() for all "
                "names."
            )
    return {name: layers[name] for name in names}


def cut_network(
    network: keras.Model, chosen: Layers, pooling: str
) -> tuple[keras.Model, dict[str, int]]:
    """Return a frozen network that ends in the outputs of the layers `chosen`.

    Parameters
    ----------
    network : keras.Model
        Network, whose layers are shared.
    chosen : dict of str to keras.layers.Layer
        Layers of `network` by name.
    pooling : {"avg", "max", "flatten"}
        Conversion of feature maps to vectors.

    Returns
    -------
    keras.Model
        Network from images to the concatenated outputs, in the order of `chosen`.
    dict of str to int
        Number of features of each layer.

    Raises
    ------
    ValueError
        If the output of a layer is neither a feature map (4-D) nor a vector (2-D), or
        its size is not fixed.
    """
    vectors: list[Any] = []
    widths: dict[str, int] = {}
    for name, layer in chosen.items():
        output = layer.output
        rank = len(getattr(output, "shape", ()))
        if rank not in (2, 4):
            raise ValueError(
                f"layer={name!r} gives {getattr(output, 'shape', 'several outputs')}: "
                "expected maps of shape (None, height, width, channels) or vectors of "
                "shape (None, features). Choose another layer."
            )
        if rank == 4:
            # Names that do not clash with layers of the network.
            output = POOLING[pooling](name=f"features_{len(vectors)}")(output)
        if None in output.shape[1:]:
            raise ValueError(
                f"layer={name!r} gives vectors without a fixed size: use pooling='avg' "
                "or 'max', or give the network a fixed input_shape."
            )
        vectors.append(output)
        widths[name] = int(np.prod(output.shape[1:]))
    joined = vectors[0]
    if len(vectors) > 1:
        joined = keras.layers.Concatenate(name="features")(vectors)
    cut = keras.Model(network.inputs[0], joined)
    cut.trainable = False
    return cut, widths


def has_depthwise_convolutions(network: keras.Model) -> bool:
    """Return whether `network` has a depthwise convolution."""
    kinds = (keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D)
    return any(isinstance(layer, kinds) for layer in all_layers(network))
