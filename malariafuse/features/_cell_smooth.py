"""Gaussian smoothing of an image at many scales.

OpenCV mirrors an image at its border, so that it is a sum of cosines, each of which a
Gaussian only damps. A wide Gaussian leaves few of them, and products with short
matrices take a fraction of the time of a kernel of 8 standard deviations.
"""

from functools import lru_cache
from math import log, pi, sqrt

import numpy as np
from numpy.typing import NDArray

# What is damped below this part is left out.
_FAINT = 1e-6
# Multiplications, up to which OpenBLAS takes one thread.
_IN_ONE_THREAD = 2**18
_FEWEST_ROWS = 8


def smooth(
    layers: NDArray[np.float32], sigmas: list[float], out: NDArray[np.float32]
) -> None:
    """Smooth layers by Gaussians as `cv2.GaussianBlur` does, except for rounding.

    Parameters
    ----------
    layers : ndarray of shape (n_layers, height, width), float32
        Layers.
    sigmas : list of float
        Standard deviations in pixels.
    out : ndarray of shape (n_sigmas, n_layers, height, width), float32
        Smooth layers for each standard deviation, to be written.
    """
    height, width = layers.shape[1:]
    down = _gains(sigmas, height)
    across = down if height == width else _gains(sigmas, width)
    rows, columns = (max(map(len, gains)) for gains in (down, across))
    upright = _multiply(_analysis(height)[:rows], layers).reshape(-1, width)
    spectrum = _multiply(upright, _analysis(width)[:columns].T)
    spectrum = spectrum.reshape(-1, rows, columns)
    for smoothed, a, b in zip(out, down, across, strict=True):
        damped = spectrum[:, : len(a), : len(b)] * (a[:, None] * b)
        lines = _multiply(_cosines(height)[:, : len(a)], damped)
        # One product for all layers.
        smoothed[:] = _multiply(
            lines.reshape(-1, len(b)), _cosines(width)[: len(b)]
        ).reshape(smoothed.shape)


def _multiply(
    matrix: NDArray[np.float32], others: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the product of a matrix with each of others, few rows at a time.

    OpenBLAS computes larger products in threads, which on a busy machine wait for each
    other much longer than the product takes, and round in other ways.
    """
    n_rows = len(matrix)
    out = np.empty((*others.shape[:-2], n_rows, others.shape[-1]), dtype=np.float32)
    at_once = max(_FEWEST_ROWS, _IN_ONE_THREAD // (others.shape[-2] * others.shape[-1]))
    for start in range(0, n_rows, at_once):
        part = slice(start, start + at_once)
        np.matmul(matrix[part], others, out=out[..., part, :])
    return out


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


def _gains(sigmas: list[float], length: int) -> list[NDArray[np.float32]]:
    """Return what each Gaussian leaves of each cosine, up to those it wipes out."""
    sigma = np.array(sigmas)[:, None]
    reach = np.rint(8 * sigma + 1) // 2  # of OpenCV's kernel, in pixels
    places = np.arange(int(reach.max()) + 1)
    kernels = np.exp(-0.5 * (places / sigma) ** 2) * (places <= reach)
    kernels[:, 1:] *= 2
    kernels /= kernels.sum(axis=1, keepdims=True)
    cosines = _cosines(length)
    if len(places) <= length:
        cosines = cosines[: len(places)]
    else:
        # A kernel longer than the image meets its mirror images.
        period = max(2 * (length - 1), 1)
        cosines = cosines[np.minimum(places % period, -places % period)]
    gains = kernels.astype(np.float32) @ cosines
    # The transform of a Gaussian is another, of the inverse width.
    most = (length - 1) * sqrt(-2 * log(_FAINT)) / pi
    return [line[: int(most / s) + 1] for line, s in zip(gains, sigmas, strict=True)]
