"""Range of the brightness and colors of training images."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from malariafuse._familiar import Floats, summaries, warn_if_far


@dataclass(frozen=True)
class ImageRange:
    """Range of the summaries of training images.

    A summary is the mean of each channel and the darkest and the brightest value of an
    image, all in [0, 1].
    """

    low: Floats
    high: Floats

    @classmethod
    def of(cls, images: NDArray[Any]) -> Self:
        """Return the range of `images`, without the most extreme percent."""
        low, high = np.quantile(summaries(images), [0.01, 0.99], axis=0)
        return cls(low, high)

    def together_with(self, other: Self) -> Self:
        """Return the range that contains both ranges."""
        low, high = np.minimum(self.low, other.low), np.maximum(self.high, other.high)
        return type(self)(low, high)

    def warn_if_far(self, images: NDArray[Any]) -> None:
        """Warn if the median summary of `images` is far outside of the range."""
        warn_if_far(self.low, self.high, images)
