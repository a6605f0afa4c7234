"""Gaussian smoothing of images."""

from multiprocessing.pool import ThreadPool
from typing import Any, ClassVar, Self

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import gen_batches

from malariafuse._parameters import Integers, Nothing, Reals, Rules
from malariafuse._transformer import GivesImages, ImageTransformer

# Far above any useful size. The cost grows with the size, and a kernel of a million
# pixels would not finish.
_LARGEST_KERNEL = 999
# With fewer, the overhead of a thread does not pay off.
_IMAGES_OF_THREAD = 512


class _OddIntegers:
    """Odd integers, so that the kernel has a center."""

    def allows(self, value: Any) -> bool:
        return Integers(1, _LARGEST_KERNEL).allows(value) and bool(value % 2)

    def __str__(self) -> str:
        return (
            f"an odd integer from 1 to {_LARGEST_KERNEL}, so that the kernel has a "
            "center"
        )


class GaussianSmoother(GivesImages, ImageTransformer):
    """Smooth images with a Gaussian kernel.

    Smoothing reduces noise of the camera and of compression. A chromatin dot in a small
    crop is only a few pixels wide, so a large kernel also removes parasites. The
    implementation uses OpenCV.

    Parameters
    ----------
    kernel_size : int, default=5
        Height and width of the kernel in pixels, an odd number from 1 to 999. 1 does
        not change the images.
    sigma : float, default=None
        Standard deviation of the Gaussian in pixels. None computes it from
        `kernel_size`, see the notes.

    Attributes
    ----------
    image_shape_ : tuple of (int, int, int)
        Height, width and channels of the images seen in `fit`. Images passed to other
        methods must have the same shape.

    See Also
    --------
    HSVConverter : Convert to hue, saturation and value. Hue must not be smoothed.

    Notes
    -----
    With ``sigma=None``, OpenCV [1]_ uses
    ``sigma = 0.3 * ((kernel_size - 1) * 0.5 - 1) + 0.8``. For kernels of up to 7 pixels
    (9 in OpenCV 5), it uses similar fixed weights instead: 5 pixels have the binomial
    weights 1, 4, 6, 4, 1, divided by 16.

    Each image and each channel is smoothed separately. At the border, the image is
    mirrored about the center of its outermost pixel (``BORDER_REFLECT_101``:
    ``dcb|abcd|cba``, called ``mode="mirror"`` in SciPy). The cell and its black
    background blend at the outline.

    uint8 stays uint8, rounded to the nearest value. The rounding of an exact half
    depends on the processor. OpenCV's ``GaussianBlur`` also rounds its weights: the
    results differ by at most 1 for the fixed weights and by at most 2 for larger
    kernels. float32 and float64 are preserved. float16, which OpenCV cannot smooth,
    gives float32.

    References
    ----------
    .. [1] OpenCV, "Image filtering", getGaussianKernel and GaussianBlur,
       https://docs.opencv.org/4.x/d4/d86/group__imgproc__filter.html

    Examples
    --------
    >>> import numpy as np
    >>> from malariafuse.preprocessing import GaussianSmoother
    >>> dot = np.zeros((1, 5, 5, 1), dtype=np.uint8)
    >>> dot[0, 2, 2] = 255
    >>> GaussianSmoother(kernel_size=3).fit_transform(dot)[0, :, :, 0]
    array([[ 0,  0,  0,  0,  0],
           [ 0, 16, 32, 16,  0],
           [ 0, 32, 64, 32,  0],
           [ 0, 16, 32, 16,  0],
           [ 0,  0,  0,  0,  0]], dtype=uint8)
    """

    _channels = None
    _parameter_rules: ClassVar[Rules] = {
        "kernel_size": (_OddIntegers(),),
        "sigma": (Nothing(), Reals(0, open_at="low")),
    }

    def __init__(self, kernel_size: int = 5, *, sigma: float | None = None) -> None:
        self.kernel_size = kernel_size
        self.sigma = sigma

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Validate the parameters and store the shape of the images.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, channels)
            Images, uint8 in [0, 255] or floating in [0, 1].
        y : None
            Ignored.

        Returns
        -------
        self : GaussianSmoother
            Fitted transformer.

        Raises
        ------
        ValueError, TypeError
            If a parameter is not as described, or `X` is not an array of images.
        """
        return super().fit(X, y)

    def transform(self, X: ArrayLike) -> NDArray[Any]:
        """Smooth images.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, channels)
            Images, uint8 in [0, 255] or floating in [0, 1].

        Returns
        -------
        ndarray of shape (n_samples, height, width, channels)
            Smoothed images of the same dtype, or float32 for float16.

        Raises
        ------
        ValueError, TypeError
            If `X` is not an array of images of the shape seen in `fit`.
        """
        images = self._check(X)
        if images.dtype not in (np.uint8, np.float32, np.float64):
            images = images.astype(np.float32)
        # Two one-dimensional passes with exact weights. GaussianBlur rounds the weights
        # for uint8 and is slower.
        kernel = cv2.getGaussianKernel(int(self.kernel_size), float(self.sigma or 0))
        smoothed = np.empty(images.shape, dtype=images.dtype)

        def smooth(part: slice) -> None:
            for image, result in zip(images[part], smoothed[part], strict=True):
                cv2.sepFilter2D(
                    np.ascontiguousarray(image), -1, kernel, kernel, dst=result
                )

        # OpenCV divides large images among its threads, but not a stack of small
        # images.
        parts = list(gen_batches(len(images), _IMAGES_OF_THREAD))
        if len(parts) == 1:
            smooth(parts[0])
        else:
            with ThreadPool(max(cv2.getNumThreads(), 1)) as threads:
                threads.map(smooth, parts)
        if smoothed.dtype != np.uint8:
            # The sum of the weights of some kernels slightly exceeds 1.
            np.clip(smoothed, 0, 1, out=smoothed)
        return smoothed
