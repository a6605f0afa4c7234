"""Layers of a network by name, and the network cut off behind some of them."""

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
    """Names of several layers, in a list or a tuple."""

    def allows(self, value: Any) -> bool:
        """Return whether `value` is at least one name, and none twice."""
        return (
            isinstance(value, tuple | list)
            and all(isinstance(name, str) for name in value)
            and 0 < len(set(value)) == len(value)
        )

    def __str__(self) -> str:
        return "a list of names, at least one and none twice"


def layers_by_name(network: keras.Model, *, renumber: bool) -> Layers:
    """Return the layers of `network` in its order, except its input.

    Layers without a name of their own are numbered by Keras through the whole process:
    the second InceptionV3 has other names than the first. With `renumber`, they get
    those of the first.
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
    """Return what Keras calls a layer of this class: ReLU becomes re_lu."""
    words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", type(layer).__name__)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()


def choose_layers(layers: Layers, names: Sequence[str] | None) -> Layers:
    """Return the layers called `names`, in this order; the last one for None.

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
                f"layer={name!r}: the network has no layer of this name."
                f"{did_you_mean(name, layers)} available_layers() lists all of them."
            )
    return {name: layers[name] for name in names}


def cut_network(
    network: keras.Model, chosen: Layers, pooling: str
) -> tuple[keras.Model, dict[str, int]]:
    """Make a frozen network of `network` that ends in the outputs of `chosen`.

    Parameters
    ----------
    network : keras.Model
        The network; the new one shares its layers.
    chosen : dict of str to keras.layers.Layer
        Layers of it by name.
    pooling : {"avg", "max", "flatten"}
        Way in which a map becomes a vector.

    Returns
    -------
    keras.Model
        Images to the outputs in the order of `chosen`, side by side.
    dict of str to int
        Number of features of each layer.

    Raises
    ------
    ValueError
        If the output of a layer is neither a map (4-D) nor a vector (2-D), or its size
        is not fixed.
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
                "shape (None, features). Name another layer."
            )
        if rank == 4:
            # Names that no layer of the network has, whatever it was made from.
            output = POOLING[pooling](name=f"features_{len(vectors)}")(output)
        if None in output.shape[1:]:
            raise ValueError(
                f"layer={name!r} gives vectors of no fixed size: use pooling='avg' or "
                "'max', or give the network a fixed input_shape."
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
    """Return whether a convolution in `network` looks at each channel by itself."""
    kinds = (keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D)
    return any(isinstance(layer, kinds) for layer in all_layers(network))
