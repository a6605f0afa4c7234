"""Base class of augmentation layers."""

from abc import abstractmethod
from typing import Any, ClassVar

import keras

from malariafuse._parameters import Integers, Nothing, Rules, check_parameter

_SEED = (Nothing(), Integers(0, 2**32 - 1))


class RandomImageLayer(keras.layers.Layer):
    """Layer that changes each image at random during training only.

    A subclass declares the valid values of its settings in ``_rules`` and passes the
    settings to this constructor, which validates and stores them.

    Parameters
    ----------
    seed : int, default=None
        Random seed of the layer. None draws a seed.
    **kwargs : dict
        Settings in ``_rules``, and keyword arguments of `keras.layers.Layer`.
    """

    _rules: ClassVar[Rules] = {}
    _needs_rgb: ClassVar[bool] = False

    def __init__(self, *, seed: int | None = None, **kwargs: Any) -> None:
        settings = {name: kwargs.pop(name) for name in self._rules}
        super().__init__(**kwargs)
        for name, value in settings.items():
            check_parameter(name, value, self._rules[name])
            setattr(self, name, value)
        check_parameter("seed", seed, _SEED)
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Check the number of channels."""
        if self._needs_rgb and input_shape[-1] != 3:
            raise ValueError(
                f"{type(self).__name__} requires RGB images, got {input_shape[-1]} "
                "channels. Remove the layer."
            )

    @abstractmethod
    def changed(self, images: Any) -> Any:
        """Return changed images."""

    def call(self, images: Any, training: bool = False) -> Any:
        """Return the images, changed if `training` is True."""
        return self.changed(images) if training else images

    def uniform(self, shape: tuple[Any, ...], low: float, high: float) -> Any:
        """Draw uniform random numbers between two bounds."""
        return keras.random.uniform(
            shape, low, high, dtype=self.compute_dtype, seed=self.generator
        )

    def get_config(self) -> dict[str, Any]:
        """Return the configuration for `from_config`."""
        settings = {name: getattr(self, name) for name in self._rules}
        return {**super().get_config(), **settings, "seed": self.seed}
