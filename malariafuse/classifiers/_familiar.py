"""Whether images have the brightness and the colors of those in training."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from malariafuse._warn import warn

Floats = NDArray[np.float64]

# So many images tell enough, and cost next to nothing compared with a network.
_N_SAMPLED = 1000
# How far a median may lie outside of the range of training: a quarter of its width, and
# something more for sets of images that are all alike. Single pixels vary the most.
_SHARE_OF_WIDTH, _MEAN_BY, _EXTREME_BY = 0.25, 0.05, 0.2


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
        low, high = np.quantile(_summaries(images), [0.01, 0.99], axis=0)
        return cls(low, high)

    def together_with(self, other: Self) -> Self:
        """Return the range that both lie in."""
        low, high = np.minimum(self.low, other.low), np.maximum(self.high, other.high)
        return type(self)(low, high)

    def warn_if_far(self, images: NDArray[Any]) -> None:
        """Warn if the median summary of `images` lies far outside of the range."""
        median = np.median(_summaries(images), axis=0)
        n_channels = len(median) - 2
        least = [_MEAN_BY] * n_channels + [_EXTREME_BY] * 2
        margin = least + _SHARE_OF_WIDTH * (self.high - self.low)
        far = (median < self.low - margin) | (median > self.high + margin)
        if not far.any():
            return
        names = [f"mean of channel {channel}" for channel in range(n_channels)]
        names += ["darkest value", "brightest value"]
        differences = "; ".join(
            f"{names[i]} {median[i]:.2f}, in fit {self.low[i]:.2f} to "
            f"{self.high[i]:.2f}"
            for i in np.flatnonzero(far)
        )
        warn(
            "X differs from the images of fit, so its probabilities may mean little "
            f"(median over images, where white is 1: {differences}). Check that the "
            "scale, the order of the channels, the background and all steps before "
            "the classifier are those of fit."
        )


def _summaries(images: NDArray[Any]) -> Floats:
    step = -(-len(images) // _N_SAMPLED)
    chosen = images[::step]
    whole = 255 if images.dtype == np.uint8 else 1
    summaries = [
        *np.moveaxis(chosen.mean(axis=(1, 2), dtype=np.float64), -1, 0),
        chosen.min(axis=(1, 2, 3)),
        chosen.max(axis=(1, 2, 3)),
    ]
    return np.stack(summaries, axis=1).astype(np.float64) / whole
