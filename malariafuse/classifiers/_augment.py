"""Random changes of images in training, by name or as layers."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from malariafuse._images import to_unit_float
from malariafuse.networks import RandomQuarterTurn, RandomStainJitter


def _rotation() -> keras.layers.Layer:
    # What turns in from outside is black, as the background of a cell is.
    return keras.layers.RandomRotation(0.5, fill_mode="constant", fill_value=0.0)


_AUGMENTATIONS: dict[str, Callable[[], keras.layers.Layer]] = {
    "flip": keras.layers.RandomFlip,
    "quarter_turn": RandomQuarterTurn,
    "rotation": _rotation,
    "stain": RandomStainJitter,
}


def make_augmentation(
    augmentation: Sequence[str | keras.layers.Layer] | None,
) -> list[keras.layers.Layer]:
    """Return new layers for the names and layers in `augmentation`."""
    if isinstance(augmentation, str) or not isinstance(augmentation, Iterable | None):
        raise TypeError(
            f"augmentation={augmentation!r}: expected None or a sequence of names and "
            f"Keras layers, for example ({augmentation!r},)."
        )
    layers = []
    for item in augmentation or ():
        if isinstance(item, keras.layers.Layer):
            # A copy: the layer that the user holds stays unbuilt and unshared.
            layers.append(type(item).from_config(item.get_config()))
        elif item in _AUGMENTATIONS:
            layers.append(_AUGMENTATIONS[item]())
        else:
            raise ValueError(
                f"augmentation has {item!r}: expected a Keras layer or one of "
                f"{', '.join(_AUGMENTATIONS)}."
            )
    return layers


def augmented(
    images: NDArray[Any], layers: Sequence[keras.layers.Layer]
) -> NDArray[Any]:
    """Return images as training sees them, float32 in 0..1 if there are layers."""
    if not layers:
        return images
    changed = to_unit_float(images)
    for layer in layers:
        changed = layer(changed, training=True)
        if tuple(changed.shape) != images.shape:
            raise ValueError(
                f"augmentation has {layer.name!r}, which makes images of shape "
                f"{tuple(changed.shape[1:])} from {images.shape[1:]}: expected a layer "
                "that keeps the shape."
            )
    # Images still, whatever the layers did: noise may leave 0..1, and a global policy
    # of Keras may have them compute in another type.
    changed = keras.ops.convert_to_numpy(keras.ops.cast(changed, "float32"))
    return np.clip(changed, 0, 1)
