"""Gaussian smoothing of an image at many scales.

A wide Gaussian leaves so few frequencies that products with short matrices take a
fraction of the time of OpenCV's filter, whose kernel is 8 standard deviations long.
"""

from functools import lru_cache
from math import log, pi, sqrt

import cv2
import numpy as np
from numpy.typing import NDArray

# Pixels: below, the kernel is short, and most frequencies are left.
_NARROW = 2.5
# What is damped below this part is left out.
_FAINT = 1e-6


def smooth(
    layers: NDArray[np.float32], sigmas: list[float]
) -> list[NDArray[np.float32]]:
    """Smooth layers by Gaussians as `cv2.GaussianBlur` does, except for rounding.

    Parameters
    ----------
    layers : ndarray of shape (n_layers, height, width), float32
        Layers.
    sigmas : list of float
        Standard deviations in pixels.

    Returns
    -------
    list of ndarray of shape (n_layers, height, width), float32
        Smooth layers for each standard deviation. The layers of the first are those of
        OpenCV to the last bit.
    """
    height, width = layers.shape[1:]
    gains = {
        sigma: [_gains(sigma, length) for length in (height, width)]
        for i, sigma in enumerate(sigmas)
        if i > 0 and sigma >= _NARROW
    }
    if gains:
        rows, columns = (max(map(len, gain)) for gain in zip(*gains.values(), strict=True))
        down, across = _analysis(height)[:rows], _analysis(width)[:columns]
        spectrum = down @ layers @ across.T
    smoothed = []
    for sigma in sigmas:
        if sigma not in gains:
            blurred = [cv2.GaussianBlur(layer, (0, 0), sigma) for layer in layers]
            smoothed.append(np.stack(blurred))
            continue
        down, across = gains[sigma]
        n, m = len(down), len(across)
        damped = spectrum[:, :n, :m] * np.outer(down, across)
        lines = _cosines(height)[:, :n] @ damped
        # One product for all layers.
        smoothed.append(
            (lines.reshape(-1, m) @ _cosines(width)[:m]).reshape(layers.shape)
        )
    return smoothed


@lru_cache(maxsize=16)
def _cosines(length: int) -> NDArray[np.float32]:
    """Return the cosines, frequencies by places, whose mirrored border is OpenCV's."""
    steps = np.arange(length)
    period = max(2 * (length - 1), 1)
    cosines = np.cos(2 * np.pi / period * (np.outer(steps, steps) % period))
    return np.asarray(cosines, dtype=np.float32)


@lru_cache(maxsize=16)
def _analysis(length: int) -> NDArray[np.float32]:
    """Return the matrix that finds the amplitudes of the cosines in a line."""
    weights = np.full(length, 2.0)
    weights[[0, -1]] = 1
    period = max(2 * (length - 1), 1)
    # An end has no mirror image, as a place and as a frequency.
    analysis = _cosines(length) * weights * weights[:, None] / period
    return np.asarray(analysis, dtype=np.float32)


def _gains(sigma: float, length: int) -> NDArray[np.float32]:
    """Return what a Gaussian leaves of each cosine, up to those that it wipes out."""
    size = round(8 * sigma + 1) | 1  # of OpenCV's kernel
    kernel = cv2.getGaussianKernel(size, sigma, cv2.CV_32F).ravel()[size // 2 :]
    kernel[1:] *= 2
    cosines = _cosines(length)
    if len(kernel) > length:
        # A kernel longer than the image meets its mirror images.
        period = max(2 * (length - 1), 1)
        places = np.arange(len(kernel)) % period
        cosines = cosines[:, np.minimum(places, period - places)]
    # The transform of a Gaussian is another, of the inverse width.
    n_left = int((length - 1) * sqrt(-2 * log(_FAINT)) / (pi * sigma)) + 1
    gains: NDArray[np.float32] = cosines[:n_left, : len(kernel)] @ kernel
    return gains
