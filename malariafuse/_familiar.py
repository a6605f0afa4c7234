"""Comparison of the brightness and colors of images with those of training."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from malariafuse._warn import warn

Floats = NDArray[np.float64]

# Number of images that is sufficient, at negligible cost compared with a network.
_N_SAMPLED = 1000
# How far a median may lie outside of the range of training: a quarter of its width, and
# something more for sets of images that are all alike. Single pixels vary the most.
_SHARE_OF_WIDTH, _MEAN_BY, _EXTREME_BY = 0.25, 0.05, 0.2


def warn_if_far(low: Floats, high: Floats, images: NDArray[Any]) -> None:
    """Warn if the median summary of `images` lies far outside of `low` to `high`."""
    median = np.median(summaries(images), axis=0)
    n_channels = len(median) - 2
    least = [_MEAN_BY] * n_channels + [_EXTREME_BY] * 2
    margin = least + _SHARE_OF_WIDTH * (high - low)
    far = (median < low - margin) | (median > high + margin)
    if not far.any():
        return
    names = [f"mean of channel {channel}" for channel in range(n_channels)]
    names += ["darkest value", "brightest value"]
    differences = "; ".join(
        f"{names[i]} {median[i]:.2f}, in fit {low[i]:.2f} to {high[i]:.2f}"
        for i in np.flatnonzero(far)
    )
    warn(
        "X differs from the images of fit, so its probabilities may be unreliable "
        f"(median over images, where white is 1: {differences}). Check that the scale, "
        "the order of the channels, the background and all steps before the classifier "
        "are the same as in fit."
    )


def summaries(images: NDArray[Any]) -> Floats:
    """Return the mean of each channel, the minimum and the maximum, in [0, 1]."""
    step = -(-len(images) // _N_SAMPLED)
    chosen = images[::step]
    whole = 255 if images.dtype == np.uint8 else 1
    summaries = [
        *np.moveaxis(chosen.mean(axis=(1, 2), dtype=np.float64), -1, 0),
        chosen.min(axis=(1, 2, 3)),
        chosen.max(axis=(1, 2, 3)),
    ]
    return np.stack(summaries, axis=1).astype(np.float64) / whole
