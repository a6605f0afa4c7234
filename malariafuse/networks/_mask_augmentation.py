"""Random changes of how a cell was cut out of its photograph, in training only."""

from math import ceil
from typing import Any, ClassVar

import keras
from keras import ops

from malariafuse._parameters import Reals, Rules
from malariafuse.networks._random_layer import RandomImageLayer

# Of 1: the background of crops is black, also after a lossy format.
_BLACK = 10 / 255
# Sides of the coarse grid from which a smooth random field is interpolated.
_GRID = 5
# Light through plasma in units of that through the median cell, in red, green and blue:
# from the crops of one laboratory to those of another, as measured on photographs.
_PLASMA_LOW = (1.05, 1.36, 1.05)
_PLASMA_HIGH = (1.43, 1.8, 1.48)


@keras.saving.register_keras_serializable("malariafuse")
class RandomMaskJitter(RandomImageLayer):
    """Move the outline at which each cell was cut out, in training only.

    Every segmentation cuts cells its own way: tightly, generously, or along a rough
    line. The outline moves by a random distance, the same all around the cell, plus one
    that varies smoothly along the outline. Where it moves inward, the rim becomes
    black. Where it moves outward, the color of the cell next to it goes on, mixed with
    a random plasma color.

    Parameters
    ----------
    width : float, default=0.04
        Largest distance in units of the side of the image. Half of it is the largest
        distance all around, the other half the largest one that varies.
    seed : int, default=None
        Seed of the layer's own generator; None draws one.
    **kwargs : dict
        Further arguments of `keras.layers.Layer`.

    Raises
    ------
    ValueError
        If `width` is no number from 0 to 0.2.

    See Also
    --------
    RandomBackground : Put plasma around the cell.
    RandomCropJitter : Move and scale the crop.

    Notes
    -----
    The images are RGB in 0..1 and black outside the cell. With :math:`m` the mean of
    the mask of the cell over a square of side :math:`k`, the distance of a pixel inside
    a straight outline is :math:`k (m - 1/2)`, so that moving the outline is a threshold
    on :math:`m`.

    Examples
    --------
    >>> import numpy as np
    >>> from malariafuse.networks import RandomMaskJitter
    >>> image = np.zeros((1, 20, 20, 3), dtype="float32")
    >>> image[:, 5:15, 5:15] = 0.5
    >>> moved = np.array(RandomMaskJitter(0.1, seed=1)(image, training=True))
    >>> bool((moved[0, 8:12, 8:12] == 0.5).all()), bool((moved == image).all())
    (True, False)
    """

    _rules: ClassVar[Rules] = {"width": (Reals(0, 0.2),)}
    _needs_rgb = True
    width: float

    def __init__(
        self, width: float = 0.04, *, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(seed=seed, width=width, **kwargs)

    def changed(self, images: Any) -> Any:
        """Return the images with other outlines."""
        height, width = images.shape[1:3]
        farthest = self.width * min(height, width)
        if not farthest:
            return images
        cell = _Cell(images, 2 * ceil(2 * farthest) + 1)
        n_images = ops.shape(images)[0]
        grid = self.uniform((n_images, _GRID, _GRID, 1), -0.5, 0.5)
        varying = ops.image.resize(
            grid, (height, width), "bicubic", data_format="channels_last"
        )
        distance = farthest * (self.uniform((n_images, 1, 1, 1), -0.5, 0.5) + varying)
        # Pixels across the new outline mix with black, as they do in real crops.
        kept = ops.clip(cell.inside - distance + 0.5, 0.0, 1.0)
        share = self.uniform((n_images, 1, 1, 1), 0.0, 1.0)
        plasma = 1 + share * (plasma_ratio(self, n_images) - 1)
        beyond = cell.near * ops.where(cell.mask > 0, 1.0, plasma)
        return kept * ops.clip(images + (1 - cell.coverage) * beyond, 0.0, 1.0)


@keras.saving.register_keras_serializable("malariafuse")
class RandomBackground(RandomImageLayer):
    """Fill the black around some cells with the color of plasma, in training only.

    A network that is trained with it takes crops that were cut from a photograph as
    they are, along with crops on black. The plasma has one color in each image, and a
    slight noise. It is brighter than the mean of the cell by factors that were measured
    on photographs of two laboratories.

    Parameters
    ----------
    probability : float, default=0.5
        Probability with which the background of an image is filled.
    noise : float, default=0.015
        Standard deviation of the noise in units of the plasma color.
    seed : int, default=None
        Seed of the layer's own generator; None draws one.
    **kwargs : dict
        Further arguments of `keras.layers.Layer`.

    Raises
    ------
    ValueError
        If `probability` is not in 0..1, or `noise` is no number from 0 to 1.

    See Also
    --------
    RandomMaskJitter : Move the outline of the cell.
    malariafuse.preprocessing.BackgroundMasker : Turn backgrounds black instead.

    Notes
    -----
    The images are RGB in 0..1 and black outside the cell. Neighboring cells, which
    natural backgrounds also show, are not imitated.

    Examples
    --------
    >>> import numpy as np
    >>> from malariafuse.networks import RandomBackground
    >>> image = np.zeros((1, 20, 20, 3), dtype="float32")
    >>> image[:, 5:15, 5:15] = 0.5
    >>> filled = np.array(RandomBackground(1.0, seed=0)(image, training=True))
    >>> bool((filled[0, 0, 0] > 0.5).all()), bool((filled[0, 9, 9] == 0.5).all())
    (True, True)
    """

    _rules: ClassVar[Rules] = {
        "probability": (Reals(0, 1),),
        "noise": (Reals(0, 1),),
    }
    _needs_rgb = True
    probability: float
    noise: float

    def __init__(
        self,
        probability: float = 0.5,
        *,
        noise: float = 0.015,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed=seed, probability=probability, noise=noise, **kwargs)

    def changed(self, images: Any) -> Any:
        """Return the images, some of them with another background."""
        cell = _Cell(images, 5)
        n_images = ops.shape(images)[0]
        mean = ops.sum(images * cell.mask, axis=(1, 2), keepdims=True) / ops.maximum(
            ops.sum(cell.mask, axis=(1, 2), keepdims=True), 1.0
        )
        noise = 1 + self.noise * keras.random.normal(
            ops.shape(images), dtype=images.dtype, seed=self.generator
        )
        plasma = ops.minimum(mean * plasma_ratio(self, n_images), 1.0) * noise
        filled = self.uniform((n_images, 1, 1, 1), 0.0, 1.0) < self.probability
        on_plasma = ops.clip(images + (1 - cell.coverage) * plasma, 0.0, 1.0)
        return ops.where(filled, on_plasma, images)


def cell_mask(images: Any) -> Any:
    """Return 1 where images are not black, else 0, of shape (n, height, width, 1)."""
    brightest = ops.max(images, axis=-1, keepdims=True)
    return ops.cast(brightest > _BLACK, images.dtype)


class _Cell:
    """The cells on black in a batch of images.

    Attributes
    ----------
    mask : tensor of shape (n, height, width, 1)
        1 where the image is not black, else 0.
    inside : tensor of shape (n, height, width, 1)
        Distance in pixels from the outline, negative outside, near it.
    near : tensor of shape (n, height, width, channels)
        Mean color of the cell around each pixel.
    coverage : tensor of shape (n, height, width, 1)
        Share of a pixel that the cell covers. Pixels on the outline are mixed with
        black: they are darker than the cell next to them.
    """

    def __init__(self, images: Any, side: int) -> None:
        self.mask = cell_mask(images)
        self.inside = side * (_mean(self.mask, side) - 0.5)
        solid = -ops.max_pool(
            -self.mask, 3, strides=1, padding="same", data_format="channels_last"
        )
        self.near = _mean(images * solid, side) / ops.maximum(_mean(solid, side), 1e-3)
        brightness, around = (
            ops.max(x, axis=-1, keepdims=True) for x in (images, self.near)
        )
        rim = ops.clip(brightness / ops.maximum(around, 1e-3), 0.0, 1.0) * self.mask
        self.coverage = ops.where(solid > 0, 1.0, rim)


def plasma_ratio(layer: RandomImageLayer, n_images: Any) -> Any:
    """Draw the color of plasma in units of the cell's for each image."""
    low, high = (
        ops.reshape(
            ops.convert_to_tensor(ends, dtype=layer.compute_dtype), (1, 1, 1, 3)
        )
        for ends in (_PLASMA_LOW, _PLASMA_HIGH)
    )
    # One draw for all channels: laboratories with a brighter red have brighter others.
    return low + (high - low) * layer.uniform((n_images, 1, 1, 1), 0.0, 1.0)


def _mean(images: Any, side: int) -> Any:
    """Return the mean over a square around each pixel, black beyond the frame."""
    before = side // 2
    framed = ops.pad(images, ((0, 0), (before, before), (before, before), (0, 0)))
    # One direction after the other takes 2 * side steps a pixel instead of side ** 2.
    for window in ((side, 1), (1, side)):
        framed = ops.average_pool(
            framed, window, strides=1, padding="valid", data_format="channels_last"
        )
    return framed
