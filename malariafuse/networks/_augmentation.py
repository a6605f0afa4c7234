"""Augmentation layers for orientation and stain."""

from typing import Any, ClassVar

import keras
from keras import ops

from malariafuse._parameters import Reals, Rules
from malariafuse.networks._random_layer import RandomImageLayer


@keras.saving.register_keras_serializable("malariafuse")
class RandomQuarterTurn(RandomImageLayer):
    """Rotate each image by a random multiple of 90 degrees during training.

    Cells have no preferred orientation under the microscope. Unlike other angles,
    multiples of 90 degrees need no interpolation.

    Parameters
    ----------
    seed : int, default=None
        Random seed of the layer. None draws a seed.
    **kwargs : dict
        Keyword arguments of `keras.layers.Layer`.

    Raises
    ------
    ValueError
        If the layer is built for images that are not square.

    See Also
    --------
    RandomStainJitter : Change the strength of the stain at random.
    keras.layers.RandomFlip : Flip images at random.

    Examples
    --------
    >>> import numpy as np
    >>> from malariafuse.networks import RandomQuarterTurn
    >>> images = np.random.default_rng(0).random((2, 8, 8, 3), dtype="float32")
    >>> turned = RandomQuarterTurn(seed=0)(images, training=True)
    >>> bool(np.isclose(np.sum(turned), images.sum()))
    True
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Check that the images are square.

        Parameters
        ----------
        input_shape : tuple of int
            Shape of the images, (n, height, width, channels).
        """
        if input_shape[1] != input_shape[2]:
            raise ValueError(
                f"RandomQuarterTurn requires square images, got {input_shape[1:3]} "
                "pixels. Resize images to squares, or do not use quarter turns."
            )

    def changed(self, images: Any) -> Any:
        """Return the rotated images.

        Parameters
        ----------
        images : tensor of shape (n, height, width, channels)
            Images in [0, 1].

        Returns
        -------
        tensor of shape (n, height, width, channels)
            Changed images in [0, 1].
        """
        turns = keras.random.randint(
            (ops.shape(images)[0], 1, 1, 1), 0, 4, seed=self.generator
        )
        quarter = ops.flip(ops.transpose(images, (0, 2, 1, 3)), axis=1)
        images = ops.where(turns % 2 == 1, quarter, images)
        return ops.where(turns >= 2, ops.flip(ops.flip(images, axis=1), axis=2), images)


@keras.saving.register_keras_serializable("malariafuse")
class RandomStainJitter(RandomImageLayer):
    r"""Change the strength of the stain at random during training.

    A pixel :math:`x` becomes :math:`e^u x^{e^v}`, with :math:`u` uniform in [-strength,
    strength] and :math:`v` uniform in [-contrast, contrast], drawn for each image and
    channel. In terms of optical density, the negative logarithm, this adds :math:`-u`
    and multiplies by :math:`e^v`, as in [1]_. It simulates a different stain or lamp.

    Images must be in [0, 1]. An image in which a value would exceed 1 is darkened as a
    whole. Clipping would remove the contrast between parasites and shade in the
    brightest channel. A black background stays black.

    Parameters
    ----------
    strength : float, default=0.4
        Half-width of the interval of :math:`u`. 0.4 scales brightness by 0.67 to 1.49.
    contrast : float, default=0.25
        Half-width of the interval of :math:`v`. 0.25 scales optical density by 0.78 to
        1.28.
    seed : int, default=None
        Random seed of the layer. None draws a seed.
    **kwargs : dict
        Keyword arguments of `keras.layers.Layer`.

    Raises
    ------
    ValueError
        If `strength` or `contrast` is not a finite non-negative number.

    See Also
    --------
    RandomQuarterTurn : Rotate images at random.

    References
    ----------
    .. [1] Tellez et al., "Quantifying the effects of data augmentation and stain
       color normalization in convolutional neural networks for computational
       pathology", Medical Image Analysis 58, 2019,
       https://doi.org/10.1016/j.media.2019.101544

    Examples
    --------
    >>> import numpy as np
    >>> from malariafuse.networks import RandomStainJitter
    >>> black = np.zeros((2, 8, 8, 3), dtype="float32")
    >>> float(np.max(RandomStainJitter(seed=0)(black, training=True)))
    0.0
    """

    _rules: ClassVar[Rules] = dict.fromkeys(("strength", "contrast"), (Reals(0, 10),))
    strength: float
    contrast: float

    def __init__(
        self,
        strength: float = 0.4,
        *,
        contrast: float = 0.25,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed=seed, strength=strength, contrast=contrast, **kwargs)

    def changed(self, images: Any) -> Any:
        """Return the images with changed stain.

        Parameters
        ----------
        images : tensor of shape (n, height, width, channels)
            Images in [0, 1].

        Returns
        -------
        tensor of shape (n, height, width, channels)
            Changed images in [0, 1].
        """
        # The logarithm of black is minus infinity, whose exponential is black.
        # TensorFlow's power is slower.
        logarithms = ops.log(ops.maximum(images, 0.0))
        jittered = ops.exp(
            logarithms * ops.exp(self._draw(images, self.contrast))
            + self._draw(images, self.strength)
        )
        brightest = ops.max(jittered, axis=(1, 2, 3), keepdims=True)
        return jittered / ops.maximum(brightest, 1.0)

    def _draw(self, images: Any, half_width: float) -> Any:
        """Draw one number for each channel of each image."""
        shape = ops.shape(images)
        return self.uniform((shape[0], 1, 1, shape[-1]), -half_width, half_width)
