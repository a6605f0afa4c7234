"""Augmentation layers for the segmentation of cells."""

from math import ceil
from typing import Any, ClassVar

import keras
from keras import ops

from malariafuse._parameters import Reals, Rules
from malariafuse.networks._random_layer import RandomImageLayer

# Pixels up to this value (of 1) are background, also after lossy compression.
_BLACK = 10 / 255
# Side of the coarse grid from which a smooth random field is interpolated.
_GRID = 5
# Ratio of the light through plasma to the light through the median cell in red, green
# and blue. The range is that between photographs of two laboratories.
_PLASMA_LOW = (1.05, 1.36, 1.05)
_PLASMA_HIGH = (1.43, 1.8, 1.48)


@keras.saving.register_keras_serializable("malariafuse")
class RandomMaskJitter(RandomImageLayer):
    """Move the outline of each cell at random during training.

    The layer simulates different segmentations, with tight, wide or rough outlines. The
    outline moves by a random constant distance plus a random distance that varies
    smoothly along the outline. If it moves inward, the rim becomes black. If it moves
    outward, the adjacent color of the cell is extended and mixed with a random plasma
    color.

    Parameters
    ----------
    width : float, default=0.04
        Maximum distance as a fraction of the side of the image. One half is the maximum
        of the constant distance, and the other half that of the varying distance.
    seed : int, default=None
        Random seed of the layer. None draws a seed.
    **kwargs : dict
        Keyword arguments of `keras.layers.Layer`.

    Raises
    ------
    ValueError
        If `width` is not a number in [0, 0.2].

    See Also
    --------
    RandomBackground : Add plasma around the cell at random.
    RandomCropJitter : Scale and shift the cell at random.

    Notes
    -----
    Images must be RGB in [0, 1] and black outside the cell. Let :math:`m` be the mean
    of the mask of the cell over a square of side :math:`k`. The distance of a pixel
    from a straight outline, positive inside, is :math:`k (m - 1/2)`. The outline is
    therefore moved by a threshold on :math:`m`.

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
        """Return the images with moved outlines.

        Parameters
        ----------
        images : tensor of shape (n, height, width, channels)
            Images in [0, 1].

        Returns
        -------
        tensor of shape (n, height, width, channels)
            Changed images in [0, 1].
        """
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
        # Pixels on the new outline are mixed with black, as in real crops.
        kept = ops.clip(cell.inside - distance + 0.5, 0.0, 1.0)
        share = self.uniform((n_images, 1, 1, 1), 0.0, 1.0)
        plasma = 1 + share * (plasma_ratio(self, n_images) - 1)
        beyond = cell.near * ops.where(cell.mask > 0, 1.0, plasma)
        return kept * ops.clip(images + (1 - cell.coverage) * beyond, 0.0, 1.0)


@keras.saving.register_keras_serializable("malariafuse")
class RandomBackground(RandomImageLayer):
    """Fill the background of some cells with plasma during training.

    A network trained with this layer accepts both crops with a natural background and
    crops with a black background. The plasma has a constant color in each image, with
    slight noise. It is brighter than the mean of the cell by factors measured on
    photographs of two laboratories.

    Parameters
    ----------
    probability : float, default=0.5
        Probability that the background of an image is filled, in [0, 1].
    noise : float, default=0.015
        Standard deviation of the noise, relative to the plasma color.
    seed : int, default=None
        Random seed of the layer. None draws a seed.
    **kwargs : dict
        Keyword arguments of `keras.layers.Layer`.

    Raises
    ------
    ValueError
        If `probability` or `noise` is not a number in [0, 1].

    See Also
    --------
    RandomMaskJitter : Move the outline of the cell at random.
    malariafuse.preprocessing.BackgroundMasker : Set the background to black instead.

    Notes
    -----
    Images must be RGB in [0, 1] and black outside the cell. Neighboring cells, which
    occur in natural backgrounds, are not simulated.

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
        """Return the images, some of them with a plasma background.

        Parameters
        ----------
        images : tensor of shape (n, height, width, channels)
            Images in [0, 1].

        Returns
        -------
        tensor of shape (n, height, width, channels)
            Changed images in [0, 1].
        """
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
    """Return 1 for non-black pixels, otherwise 0, of shape (n, height, width, 1)."""
    brightest = ops.max(images, axis=-1, keepdims=True)
    return ops.cast(brightest > _BLACK, images.dtype)


class _Cell:
    """Geometry and color of the cells in a batch of images.

    Attributes
    ----------
    mask : tensor of shape (n, height, width, 1)
        1 for non-black pixels, otherwise 0.
    inside : tensor of shape (n, height, width, 1)
        Distance in pixels from the outline, negative outside, valid near the outline.
    near : tensor of shape (n, height, width, channels)
        Mean color of the cell around each pixel.
    coverage : tensor of shape (n, height, width, 1)
        Fraction of a pixel that the cell covers. Pixels on the outline are mixed with
        black, so they are darker than the cell next to them.
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
    """Draw the color of plasma relative to that of the cell for each image."""
    low, high = (
        ops.reshape(
            ops.convert_to_tensor(ends, dtype=layer.compute_dtype), (1, 1, 1, 3)
        )
        for ends in (_PLASMA_LOW, _PLASMA_HIGH)
    )
    # One draw for all channels, because their brightness is correlated between
    # laboratories.
    return low + (high - low) * layer.uniform((n_images, 1, 1, 1), 0.0, 1.0)


def _mean(images: Any, side: int) -> Any:
    """Return the mean over a square around each pixel, with zero padding."""
    before = side // 2
    framed = ops.pad(images, ((0, 0), (before, before), (before, before), (0, 0)))
    # Separable: 2 * side operations per pixel instead of side ** 2.
    for window in ((side, 1), (1, side)):
        framed = ops.average_pool(
            framed, window, strides=1, padding="valid", data_format="channels_last"
        )
    return framed
