"""The base of layers that change images at random."""

from abc import abstractmethod
from typing import Any

import keras

from malariafuse._parameters import Integers, Nothing, check_parameter

_SEED = (Nothing(), Integers(0, 2**32 - 1))


class RandomImageLayer(keras.layers.Layer):
    """Change images in training, each by draws of its own, and never otherwise.

    Parameters
    ----------
    seed : int, default=None
        Seed of the layer's own generator; None draws one.
    **kwargs : dict
        Further arguments of `keras.layers.Layer`.
    """

    def __init__(self, *, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_parameter("seed", seed, _SEED)
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)

    def _check_rgb(self, input_shape: tuple[int | None, ...]) -> None:
        if input_shape[-1] != 3:
            raise ValueError(
                f"{type(self).__name__} needs RGB images, got {input_shape[-1]} "
                "channels. Leave it out."
            )

    @abstractmethod
    def changed(self, images: Any) -> Any:
        """Return changed images of the same shape."""

    def call(self, images: Any, training: bool = False) -> Any:
        """Return the images, changed if `training`."""
        return self.changed(images) if training else images

    def uniform(self, shape: tuple[Any, ...], low: float, high: float) -> Any:
        """Draw numbers between two bounds."""
        return keras.random.uniform(
            shape, low, high, dtype=self.compute_dtype, seed=self.generator
        )

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` needs."""
        return {**super().get_config(), "seed": self.seed}
