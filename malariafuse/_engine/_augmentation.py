"""Augmentation of training images, by name or as layers."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from malariafuse._engine._layers import all_layers
from malariafuse._engine._process import keras_seed
from malariafuse._images import to_unit_float
from malariafuse.networks import (
    RandomBackground,
    RandomBlur,
    RandomCropJitter,
    RandomJPEG,
    RandomMaskJitter,
    RandomQuarterTurn,
    RandomStainJitter,
)

# Number of images on which a layer is tested before training, and of repetitions.
_N_TRIED, _N_TRIALS = 16, 4
# Minimum fraction of the contrast of images that a layer must preserve on average.
_LEAST_CONTRAST = 0.1
# Tolerance beyond [0, 1], because of noise.
_MARGIN = 0.5


def _rotation() -> keras.layers.Layer:
    # Areas outside the image are filled with black, like the background of a cell.
    return keras.layers.RandomRotation(0.5, fill_mode="constant", fill_value=0.0)


_AUGMENTATIONS: dict[str, Callable[[], keras.layers.Layer]] = {
    "background": RandomBackground,
    "blur": RandomBlur,
    "crop": RandomCropJitter,
    "flip": keras.layers.RandomFlip,
    "jpeg": RandomJPEG,
    "mask": RandomMaskJitter,
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
            f"Keras layers, such as ({augmentation!r},)."
        )
    layers = []
    for item in augmentation or ():
        if isinstance(item, keras.layers.Layer):
            _refuse_by_settings(item)
            layers.append(_copy(item))
        elif isinstance(item, str) and item in _AUGMENTATIONS:
            layers.append(_AUGMENTATIONS[item]())
        else:
            raise ValueError(
                f"augmentation has {item!r}: expected a Keras layer or one of "
                f"{', '.join(_AUGMENTATIONS)}."
            )
    return layers


def _copy(layer: keras.layers.Layer) -> keras.layers.Layer:
    """Return a copy of a layer, so that the layer of the user is not built."""
    try:
        return type(layer).from_config(layer.get_config())
    except Exception as error:
        raise ValueError(
            f"augmentation has {type(layer).__name__}, which cannot be copied from its "
            f"settings: {error} Pass each range as two numbers, or use another layer."
        ) from error


def _refuse_by_settings(layer: keras.layers.Layer) -> None:
    """Raise if `layer` is for images in [0, 255], or mixes images of two cells."""
    name = type(layer).__name__
    if name in ("MixUp", "CutMix"):
        raise ValueError(
            f"augmentation has {name}, which mixes the images of two cells but not "
            "their labels: expected layers that change single images."
        )
    for part in (*all_layers(layer), layer):
        value_range = tuple(getattr(part, "value_range", (0, 1)))
        if value_range != (0, 1):
            raise ValueError(
                f"augmentation has {type(part).__name__} with "
                f"value_range={value_range}, but images are in [0, 1]: pass "
                "value_range=(0, 1) to it."
            )


def for_vectors(layers: Sequence[keras.layers.Layer]) -> list[keras.layers.Layer]:
    """Return the layers of the views from which vectors are computed.

    Stain jitter is excluded, because vectors may depend on the stain: with it,
    handcrafted features found fewer parasites in other patients. Layers that change the
    black background are excluded, because vectors may need it to find the cell.
    """
    kinds = (RandomBackground, RandomStainJitter)
    return [layer for layer in layers if not isinstance(layer, kinds)]


def augmented(
    images: NDArray[Any], layers: Sequence[keras.layers.Layer]
) -> NDArray[Any]:
    """Return augmented images, float32 in [0, 1] if there are layers."""
    if not layers:
        return images
    changed = to_unit_float(images)
    for layer in layers:
        changed = layer(changed, training=True)
    # Clipped and cast: noise may exceed [0, 1], and a global policy of Keras may change
    # the dtype.
    return np.clip(_as_float32(changed), 0, 1)


def check_augmentation(
    augmentation: Sequence[str | keras.layers.Layer] | None, images: NDArray[Any]
) -> None:
    """Test each layer on a few images, and raise if it destroys them.

    Copies are tested, so that the random state of the layers does not change.

    Raises
    ------
    ValueError
        If a layer fails, changes the shape, exceeds [0, 1], or removes the contrast of
        the images.
    """
    sample = to_unit_float(images[:_N_TRIED])
    contrast = _contrast(sample)
    with keras_seed(0):
        layers = make_augmentation(augmentation)
    for layer, item in zip(layers, augmentation or (), strict=True):
        if isinstance(item, str):
            # Layers of the package need no test.
            continue
        described = f"augmentation has {layer.name!r}, a {type(layer).__name__}"
        kept = []
        for _ in range(_N_TRIALS):
            try:
                changed = _as_float32(layer(sample, training=True))
            except Exception as error:
                raise ValueError(
                    f"{described} that fails on images of shape {sample.shape[1:]} in "
                    f"[0, 1]: {error}"
                ) from error
            if changed.shape != sample.shape:
                raise ValueError(
                    f"{described} that changes images of shape {sample.shape[1:]} to "
                    f"{changed.shape[1:]}: expected a layer that preserves the shape."
                )
            low, high = changed.min(), changed.max()
            # Written so that NaN fails the check.
            if not (low >= -_MARGIN and high <= 1 + _MARGIN):
                raise ValueError(
                    f"{described} whose output is in [{low:.3g}, {high:.3g}] for "
                    "images in [0, 1]: expected an output in [0, 1]. Remove rescaling, "
                    "and set ranges and factors for [0, 1]."
                )
            kept.append(_contrast(np.clip(changed, 0, 1)))
        if contrast > 0 and np.mean(kept) < _LEAST_CONTRAST * contrast:
            raise ValueError(
                f"{described} that preserves {np.mean(kept) / contrast:.1%} of the "
                "contrast of images in [0, 1]: expected a layer after which cells are "
                "visible. Remove rescaling, and set ranges and factors for [0, 1]."
            )


def _contrast(images: NDArray[np.float32]) -> float:
    """Return the mean over the images of the standard deviation of their pixels."""
    return float(images.std(axis=(1, 2, 3)).mean())


def _as_float32(images: Any) -> NDArray[np.float32]:
    return keras.ops.convert_to_numpy(keras.ops.cast(images, "float32"))
