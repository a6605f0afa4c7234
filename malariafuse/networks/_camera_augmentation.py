"""Augmentation layers for framing, focus and compression."""

from math import ceil
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from malariafuse._parameters import Integers, Reals, Rules
from malariafuse.networks._mask_augmentation import cell_mask
from malariafuse.networks._random_layer import RandomImageLayer

_BLOCK = 8
# Quantization tables of luminance and chrominance, JPEG standard, annex K.
_LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMINANCE = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)
_TO_YCC = np.array(
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]
)


@keras.saving.register_keras_serializable("malariafuse")
class RandomCropJitter(RandomImageLayer):
    """Scale and shift the cell in its crop at random during training.

    The layer simulates crops with different margins around the cell. Height and width
    are scaled by the same factor.

    Parameters
    ----------
    scale : float, default=0.1
        Maximum relative change of scale. 0.1 scales by 0.9 to 1.1.
    offset : float, default=0.05
        Maximum shift in each direction, as a fraction of the side of the image.
    seed : int, default=None
        Random seed of the layer. None draws a seed.
    **kwargs : dict
        Keyword arguments of `keras.layers.Layer`.

    Raises
    ------
    ValueError
        If `scale` or `offset` is not a number in [0, 0.5].

    See Also
    --------
    RandomMaskJitter : Move the outline of the cell at random.

    Notes
    -----
    Areas outside the image are black. Interpolation is bilinear.

    Examples
    --------
    >>> import numpy as np
    >>> from malariafuse.networks import RandomCropJitter
    >>> white = np.ones((1, 20, 20, 3), dtype="float32")
    >>> smaller = np.array(RandomCropJitter(0.5, seed=0)(white, training=True))
    >>> bool(smaller[0, 10, 10].min() == 1), bool(smaller.min() == 0)
    (True, True)
    """

    _rules: ClassVar[Rules] = {"scale": (Reals(0, 0.5),), "offset": (Reals(0, 0.5),)}
    scale: float
    offset: float

    def __init__(
        self,
        scale: float = 0.1,
        *,
        offset: float = 0.05,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed=seed, scale=scale, offset=offset, **kwargs)

    def changed(self, images: Any) -> Any:
        """Return the scaled and shifted images.

        Parameters
        ----------
        images : tensor of shape (n, height, width, channels)
            Images in [0, 1].

        Returns
        -------
        tensor of shape (n, height, width, channels)
            Changed images in [0, 1].
        """
        n_images = ops.shape(images)[0]
        height, width = images.shape[1:3]
        # Maps each pixel of the result to its source.
        step = 1 / (1 + self.uniform((n_images,), -self.scale, self.scale))
        x, y = (
            (1 - step) * (side - 1) / 2
            + step * side * self.uniform((n_images,), -self.offset, self.offset)
            for side in (width, height)
        )
        none = ops.zeros_like(step)
        transforms = ops.stack([step, none, x, none, step, y, none, none], axis=1)
        return ops.image.affine_transform(
            images,
            transforms,
            interpolation="bilinear",
            fill_mode="constant",
            fill_value=0.0,
            data_format="channels_last",
        )


@keras.saving.register_keras_serializable("malariafuse")
class RandomBlur(RandomImageLayer):
    """Blur cells at random during training.

    The layer simulates defocus. Each image is mixed with a blurred copy of itself in a
    random proportion. Only pixels of the cell are blurred. The background stays black.

    Parameters
    ----------
    sigma : float, default=0.02
        Standard deviation of the Gaussian, as a fraction of the side of the image.
    seed : int, default=None
        Random seed of the layer. None draws a seed.
    **kwargs : dict
        Keyword arguments of `keras.layers.Layer`.

    Raises
    ------
    ValueError
        If `sigma` is not a number in [0, 0.2].

    See Also
    --------
    RandomJPEG : Compress images at random.

    Examples
    --------
    >>> import numpy as np
    >>> from malariafuse.networks import RandomBlur
    >>> image = np.zeros((1, 20, 20, 3), dtype="float32")
    >>> image[:, 5:15, 5:15] = 0.5
    >>> image[:, 9, 9] = 0.1
    >>> blurred = np.array(RandomBlur(seed=0)(image, training=True))
    >>> bool((blurred[0, 9, 9] > 0.1).all()), bool(blurred[0, 4, 4].max() == 0)
    (True, True)
    """

    _rules: ClassVar[Rules] = {"sigma": (Reals(0, 0.2),)}
    sigma: float

    def __init__(
        self, sigma: float = 0.02, *, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(seed=seed, sigma=sigma, **kwargs)

    def changed(self, images: Any) -> Any:
        """Return the blurred images.

        Parameters
        ----------
        images : tensor of shape (n, height, width, channels)
            Images in [0, 1].

        Returns
        -------
        tensor of shape (n, height, width, channels)
            Changed images in [0, 1].
        """
        sigma = self.sigma * min(images.shape[1:3])
        if not sigma:
            return images
        mask = cell_mask(images)
        weights = ops.maximum(_smooth(mask, sigma), 1e-3)
        blurred = mask * _smooth(images * mask, sigma) / weights
        share = self.uniform((ops.shape(images)[0], 1, 1, 1), 0.0, 1.0)
        return images + share * (ops.where(mask > 0, blurred, images) - images)


@keras.saving.register_keras_serializable("malariafuse")
class RandomJPEG(RandomImageLayer):
    """Apply JPEG compression with random quality during training.

    Blocks of 8 x 8 pixels lose fine details [1]_. The background stays black.

    Parameters
    ----------
    lowest_quality : int, default=30
        Lowest quality, from 1 to 95, on the scale of the Independent JPEG Group. The
        highest quality is 95.
    seed : int, default=None
        Random seed of the layer. None draws a seed.
    **kwargs : dict
        Keyword arguments of `keras.layers.Layer`.

    Raises
    ------
    ValueError
        If `lowest_quality` is not an integer from 1 to 95.

    See Also
    --------
    RandomBlur : Blur images at random.

    Notes
    -----
    There is no chroma subsampling (4:4:4). If a photograph was compressed before its
    cells were cropped and downscaled, the blocks are smaller than 8 x 8 pixels, and
    :class:`RandomBlur` is a better approximation.

    References
    ----------
    .. [1] G. K. Wallace, "The JPEG still picture compression standard", IEEE
       Transactions on Consumer Electronics 38(1), 1992, https://doi.org/10.1109/30.125072

    Examples
    --------
    >>> import numpy as np
    >>> from malariafuse.networks import RandomJPEG
    >>> image = np.random.default_rng(0).uniform(0.2, 0.8, (1, 16, 16, 3))
    >>> stored = np.array(RandomJPEG(10, seed=0)(image, training=True))
    >>> bool(0 < np.abs(stored - image).mean() < 0.2)
    True
    """

    _rules: ClassVar[Rules] = {"lowest_quality": (Integers(1, 95),)}
    _needs_rgb = True
    lowest_quality: int

    def __init__(
        self, lowest_quality: int = 30, *, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(seed=seed, lowest_quality=lowest_quality, **kwargs)

    def changed(self, images: Any) -> Any:
        """Return the images after compression.

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
        below, right = -height % _BLOCK, -width % _BLOCK
        framed = ops.pad(images, ((0, 0), (0, below), (0, right), (0, 0)), "symmetric")
        to_ycc, basis = self._constant(_TO_YCC), self._constant(_cosines())
        blocks = ops.reshape(
            framed,
            (
                -1,
                (height + below) // _BLOCK,
                _BLOCK,
                (width + right) // _BLOCK,
                _BLOCK,
                3,
            ),
        )
        # Centered at 0, as in the JPEG standard. The chrominance of gray is 0.
        ycc = ops.einsum("niajbc,dc->nijdab", 255 * blocks - 128, to_ycc)
        waves = ops.einsum("ua,nijdab,vb->nijduv", basis, ycc, basis)
        quality = self.uniform(
            (ops.shape(images)[0], 1, 1, 1, 1, 1), float(self.lowest_quality), 95.0
        )
        scale = ops.where(quality < 50, 50 / quality, 2 - quality / 50)
        tables = self._constant([_LUMINANCE, _CHROMINANCE, _CHROMINANCE])
        steps = ops.maximum(ops.round(scale * tables), 1.0)
        stored = ops.round(waves / steps) * steps
        again = ops.einsum("ua,nijduv,vb->nijdab", basis, stored, basis)
        rgb = ops.einsum(
            "nijdab,cd->niajbc", again, self._constant(np.linalg.inv(_TO_YCC))
        )
        whole = ops.reshape((rgb + 128) / 255, (-1, height + below, width + right, 3))
        stored_images = ops.clip(whole[:, :height, :width], 0.0, 1.0)
        return ops.where(cell_mask(images) > 0, stored_images, images)

    def _constant(self, values: Any) -> Any:
        return ops.convert_to_tensor(np.asarray(values), dtype=self.compute_dtype)


def _smooth(images: Any, sigma: float) -> Any:
    """Convolve with a Gaussian, with zero padding."""
    reach = ceil(2.5 * sigma)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    channels = images.shape[-1]
    for shape in ((-1, 1, 1, 1), (1, -1, 1, 1)):
        along = np.tile(kernel.reshape(shape), (1, 1, channels, 1))
        images = ops.depthwise_conv(
            images,
            ops.convert_to_tensor(along, dtype=images.dtype),
            padding="same",
            data_format="channels_last",
        )
    return images


def _cosines() -> np.ndarray:
    """Return the orthonormal basis of the discrete cosine transform, by frequency."""
    frequency, place = np.mgrid[:_BLOCK, :_BLOCK]
    basis = np.cos(np.pi * (2 * place + 1) * frequency / (2 * _BLOCK))
    basis[0] *= np.sqrt(0.5)
    return basis * np.sqrt(2 / _BLOCK)
