"""Whether images have the brightness and the colors of those in training."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from malariafuse._familiar import Floats, summaries, warn_if_far


@dataclass(frozen=True)
class ImageRange:
    """From where to where the summaries of images in training go.

    A summary is the mean of each channel and the darkest and the brightest value of an
    image, all in 0..1.
    """

    low: Floats
    high: Floats

    @classmethod
    def of(cls, images: NDArray[Any]) -> Self:
        """Return the range of `images`, of which one in a hundred may be odd."""
        low, high = np.quantile(summaries(images), [0.01, 0.99], axis=0)
        return cls(low, high)

    def together_with(self, other: Self) -> Self:
        """Return the range that both lie in."""
        low, high = np.minimum(self.low, other.low), np.maximum(self.high, other.high)
        return type(self)(low, high)

    def warn_if_far(self, images: NDArray[Any]) -> None:
        """Warn if the median summary of `images` lies far outside of the range."""
        warn_if_far(self.low, self.high, images)
