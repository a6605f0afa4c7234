"""Gaussian smoothing of images at many scales.

OpenCV mirrors an image at its border, so that it is a sum of cosines, each of which a
Gaussian only damps. A wide Gaussian leaves few of them, and products with short
matrices take a fraction of the time of a kernel of 8 standard deviations.

Images of cells of about one size are smoothed together, each by Gaussians of its own,
with as many cosines. How many is known from the class of their size alone, so that an
image is smoothed in the same way with whatever others.
"""

from collections.abc import Iterator
from functools import lru_cache
from math import floor, log, log2, pi, sqrt

import numpy as np
from numpy.typing import NDArray

# What is damped below this part is left out.
_FAINT = 1e-5
# Multiplications, up to which OpenBLAS takes one thread.
_IN_ONE_THREAD = 2**18
_FEWEST_ROWS = 8
_CLASSES_PER_OCTAVE = 4


def size_class(radius: float) -> int:
    """Return the class of a radius: within one, the largest is 1.19 times the least."""
    return floor(_CLASSES_PER_OCTAVE * log2(radius))


def smooth(
    layers: NDArray[np.float32], scales: list[float], radii: NDArray[np.float64]
) -> Iterator[NDArray[np.float32]]:
    """Smooth layers by Gaussians as `cv2.GaussianBlur` does, except for rounding.

    Parameters
    ----------
    layers : ndarray of shape (n_layers, n_images, height, width), float32
        Layers of images.
    scales : list of float
        Standard deviations in radii.
    radii : ndarray of shape (n_images,), float64
        Length in pixels that is the unit of the scales in each image. All are of one
        class, see `size_class`.

    Yields
    ------
    ndarray of shape (n_layers, n_images, height, width), float32
        Smooth layers, for each scale in turn.
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
    """Return the product of stacks of matrices, few rows at a time.

    OpenBLAS computes larger products in threads, which on a busy machine wait for each
    other much longer than the product takes, and round in other ways.
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


def _n_cosines(sigma: float, length: int) -> int:
    """Return how many cosines a Gaussian leaves more than faint."""
    # The transform of a Gaussian is another, of the inverse width.
    most = (length - 1) * sqrt(-2 * log(_FAINT)) / pi
    return min(length, int(most / sigma) + 1)


def _gains(
    sigmas: NDArray[np.float64], largest: float, length: int
) -> NDArray[np.float32]:
    """Return what each Gaussian, up to the largest, leaves of each cosine."""
    sigmas = sigmas[..., np.newaxis]
    reach = np.rint(8 * sigmas + 1) // 2  # of OpenCV's kernel, in pixels
    places = np.arange(round(8 * largest + 1) // 2 + 1)
    kernels = np.exp(-0.5 * (places / sigmas) ** 2) * (places <= reach)
    kernels[..., 1:] *= 2
    kernels /= kernels.sum(axis=-1, keepdims=True)
    cosines = _cosines(length)
    if len(places) <= length:
        cosines = cosines[: len(places)]
    else:
        # A kernel longer than the image meets its mirror images.
        period = max(2 * (length - 1), 1)
        cosines = cosines[np.minimum(places % period, -places % period)]
    # A product for each image, so that it is rounded in the same way among others.
    by_image = kernels.astype(np.float32).swapaxes(0, 1)
    return _multiply(by_image, cosines).swapaxes(0, 1)
