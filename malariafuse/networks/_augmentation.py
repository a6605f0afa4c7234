"""Random turns and stains, in training only."""

from typing import Any, ClassVar

import keras
from keras import ops

from malariafuse._parameters import Reals, Rules
from malariafuse.networks._random_layer import RandomImageLayer


@keras.saving.register_keras_serializable("malariafuse")
class RandomQuarterTurn(RandomImageLayer):
    """Turn each image by 0, 90, 180 or 270 degrees, in training only.

    A cell has no up or down under the microscope, and unlike other angles these
    move every pixel without interpolation.

    Parameters
    ----------
    seed : int, default=None
        Seed of the layer's own generator; None draws one.
    **kwargs : dict
        Further arguments of `keras.layers.Layer`.

    Raises
    ------
    ValueError
        When it is built for images that are not square.

    See Also
    --------
    RandomStainJitter : Change the strength of the stain.
    keras.layers.RandomFlip : Flip images.

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
        """Check that the images are square."""
        if input_shape[1] != input_shape[2]:
            raise ValueError(
                f"RandomQuarterTurn needs square images, got {input_shape[1:3]} "
                "pixels. Make them square or leave out quarter turns."
            )

    def changed(self, images: Any) -> Any:
        """Return the images, turned."""
        turns = keras.random.randint(
            (ops.shape(images)[0], 1, 1, 1), 0, 4, seed=self.generator
        )
        quarter = ops.flip(ops.transpose(images, (0, 2, 1, 3)), axis=1)
        images = ops.where(turns % 2 == 1, quarter, images)
        return ops.where(turns >= 2, ops.flip(ops.flip(images, axis=1), axis=2), images)


@keras.saving.register_keras_serializable("malariafuse")
class RandomStainJitter(RandomImageLayer):
    r"""Change the strength of the stain in each color channel, in training only.

    A pixel :math:`x` becomes :math:`e^u x^{e^v}`, with :math:`u` uniform in [-strength,
    strength] and :math:`v` in [-contrast, contrast], one draw per image and channel. In
    optical densities, the negative logarithms that add up where stains do, this adds
    :math:`-u` and multiplies by :math:`e^v`, as in [1]_. Images are in 0..1, and stay
    there: one in which anything would pass 1 is dimmed as a whole until nothing does.
    Clipped, the brightest channel would lose what tells a parasite from shade. A black
    background stays black, so the jitter imitates another stain or lamp and nothing
    else.

    Parameters
    ----------
    strength : float, default=0.4
        Half-width of the interval of :math:`u`; 0.4 scales by 0.67 to 1.49.
    contrast : float, default=0.25
        Half-width of the interval of :math:`v`; 0.25 multiplies the density of a spot
        by 0.78 to 1.28.
    seed : int, default=None
        Seed of the layer's own generator; None draws one.
    **kwargs : dict
        Further arguments of `keras.layers.Layer`.

    Raises
    ------
    ValueError
        If `strength` or `contrast` is no finite number of at least 0.

    See Also
    --------
    RandomQuarterTurn : Turn images.

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
        """Return the images, jittered."""
        # Black is minus infinity, and black again. TensorFlow's power is slower.
        logarithms = ops.log(ops.maximum(images, 0.0))
        jittered = ops.exp(
            logarithms * ops.exp(self._draw(images, self.contrast))
            + self._draw(images, self.strength)
        )
        brightest = ops.max(jittered, axis=(1, 2, 3), keepdims=True)
        return jittered / ops.maximum(brightest, 1.0)

    def _draw(self, images: Any, half_width: float) -> Any:
        """Draw a number for each channel of each image."""
        shape = ops.shape(images)
        return self.uniform((shape[0], 1, 1, shape[-1]), -half_width, half_width)
