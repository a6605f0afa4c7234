"""Gaussian smoothing of images at many scales.

With mirrored borders, as in OpenCV, an image is a sum of cosines, and a Gaussian only
damps each cosine. A wide Gaussian keeps few of them. Products with small matrices are
much faster than a kernel of 8 standard deviations.

Images of cells of similar size are smoothed together, each with Gaussians scaled to its
cell and with the same number of cosines. The number of cosines depends only on the size
class, so the result does not depend on the other images.
"""

from collections.abc import Iterator
from functools import lru_cache
from math import floor, log, log2, pi, sqrt

import numpy as np
from numpy.typing import NDArray

# Cosines that are damped below this fraction are dropped.
_FAINT = 1e-5
# Number of multiplications up to which OpenBLAS uses one thread.
_IN_ONE_THREAD = 2**18
_FEWEST_ROWS = 8
_CLASSES_PER_OCTAVE = 4


def size_class(radius: float) -> int:
    """Return the size class of a radius, a range up to a factor of 1.19."""
    return floor(_CLASSES_PER_OCTAVE * log2(radius))


def smooth(
    layers: NDArray[np.float32], scales: list[float], radii: NDArray[np.float64]
) -> Iterator[NDArray[np.float32]]:
    """Smooth layers with Gaussians, like `cv2.GaussianBlur` except for rounding.

    Parameters
    ----------
    layers : ndarray of shape (n_layers, n_images, height, width), float32
        Layers of images.
    scales : list of float
        Standard deviations in radii.
    radii : ndarray of shape (n_images,), float64
        Unit of the scales in pixels, for each image. All radii must be in one size
        class, see `size_class`.

    Yields
    ------
    ndarray of shape (n_layers, n_images, height, width), float32
        Smoothed layers, for each scale in turn.
    """
    height, width = layers.shape[2:]
    size = size_class(radii[0])
    least, most = (2 ** ((size + i) / _CLASSES_PER_OCTAVE) for i in (0, 1))
    down, across = (
        [_n_cosines(scale * least, length) for scale in scales]
        for length in (height, width)
    )
    upright = _multiply(_analysis(height)[: max(down)], layers)
    spectrum = _multiply(upright, _analysis(width)[: max(across)].T)
    sigmas = np.multiply.outer(scales, radii)
    of_rows = _gains(sigmas, max(scales) * most, height)
    of_columns = of_rows
    if width != height:
        of_columns = _gains(sigmas, max(scales) * most, width)
    for a, b, rows, columns in zip(of_rows, of_columns, down, across, strict=True):
        damped = spectrum[..., :rows, :columns] * (
            a[:, :rows, np.newaxis] * b[:, np.newaxis, :columns]
        )
        lines = _multiply(_cosines(height)[:, :rows], damped)
        yield _multiply(lines, _cosines(width)[:columns])


def _multiply(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the product of stacks of matrices, computed in blocks of few rows.

    OpenBLAS computes larger products in threads. On a busy machine, they wait for each
    other longer than the product takes, and they round differently.
    """
    n_rows = a.shape[-2]
    at_once = max(_FEWEST_ROWS, _IN_ONE_THREAD // (b.shape[-2] * b.shape[-1]))
    if n_rows <= at_once:
        return np.matmul(a, b)
    stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    out = np.empty((*stack, n_rows, b.shape[-1]), dtype=np.float32)
    for start in range(0, n_rows, at_once):
        part = slice(start, start + at_once)
        np.matmul(a[..., part, :], b, out=out[..., part, :])
    return out


@lru_cache(maxsize=16)
def _cosines(length: int) -> NDArray[np.float32]:
    """Return the cosines of a mirrored border, of shape (frequencies, positions)."""
    steps = np.arange(length)
    period = max(2 * (length - 1), 1)
    cosines = np.cos(2 * np.pi / period * (np.outer(steps, steps) % period))
    return np.asarray(cosines, dtype=np.float32)


@lru_cache(maxsize=16)
def _analysis(length: int) -> NDArray[np.float32]:
    """Return the matrix that computes the amplitudes of the cosines of a line."""
    weights = np.full(length, 2.0)
    weights[[0, -1]] = 1
    period = max(2 * (length - 1), 1)
    # The first and the last position and frequency have no mirror image.
    analysis = _cosines(length) * weights * weights[:, None] / period
    return np.asarray(analysis, dtype=np.float32)


def _n_cosines(sigma: float, length: int) -> int:
    """Return the number of cosines that a Gaussian does not damp below the limit."""
    # The Fourier transform of a Gaussian is a Gaussian of the inverse width.
    most = (length - 1) * sqrt(-2 * log(_FAINT)) / pi
    return min(length, int(most / sigma) + 1)


def _gains(
    sigmas: NDArray[np.float64], largest: float, length: int
) -> NDArray[np.float32]:
    """Return the damping factor of each cosine for each Gaussian."""
    sigmas = sigmas[..., np.newaxis]
    reach = np.rint(8 * sigmas + 1) // 2  # half-width of OpenCV's kernel in pixels
    places = np.arange(round(8 * largest + 1) // 2 + 1)
    kernels = np.exp(-0.5 * (places / sigmas) ** 2) * (places <= reach)
    kernels[..., 1:] *= 2
    kernels /= kernels.sum(axis=-1, keepdims=True)
    cosines = _cosines(length)
    if len(places) <= length:
        cosines = cosines[: len(places)]
    else:
        # A kernel longer than the image extends into the mirror images.
        period = max(2 * (length - 1), 1)
        cosines = cosines[np.minimum(places % period, -places % period)]
    # One product for each image, so that rounding does not depend on other images.
    by_image = kernels.astype(np.float32).swapaxes(0, 1)
    return _multiply(by_image, cosines).swapaxes(0, 1)
