"""Conversion between RGB and HSV."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import Tags, gen_batches

from malariafuse._transformer import GivesImages, ImageTransformer

_BATCH_BYTES = (
    2**20
)  # small enough that the second pass over the hue is served by the processor cache


class HSVConverter(GivesImages, ImageTransformer):
    """Convert RGB images to HSV (hue, saturation and value).

    Hue shows the kind of stain (salmon cytoplasm, purple chromatin), saturation the
    amount of stain, and value the transmitted light. The conversion uses OpenCV.

    Attributes
    ----------
    image_shape_ : tuple of (int, int, int)
        Height, width and channels of the images seen in `fit`. Images passed to other
        methods must have the same shape.

    See Also
    --------
    GaussianSmoother : Smooth images. Apply it before the conversion, see the notes.

    Notes
    -----
    All three channels use the full range of their dtype [1]_. uint8 stays uint8, with
    hue in [0, 255] for 0 to 360 degrees (``COLOR_RGB2HSV_FULL``, one step is 360 / 256
    degrees). Any floating dtype gives float32, the only floating dtype that OpenCV
    converts, with hue in [0, 1] for 0 to 360 degrees. The result for uint8, divided by
    255, is therefore close to the result for floating images.

    **Hue is circular.** Hues 0 and 255 (or 0 and 1) are adjacent and both red. The
    salmon color of a stained cell is on both sides of this boundary. Averages of hue
    are wrong there: a :class:`GaussianSmoother`, a resize or a mean after this
    conversion turns pixels of hue 2 and 254, both red, into 128, which is cyan. Smooth
    and resize in RGB, and convert last. Hue is unreliable if saturation is low, and 0
    for gray and black.

    References
    ----------
    .. [1] OpenCV, "Color conversions", RGB <-> HSV,
       https://docs.opencv.org/4.x/de/d25/imgproc_color_conversions.html

    Examples
    --------
    >>> import numpy as np
    >>> from malariafuse.preprocessing import HSVConverter
    >>> red_green_blue_gray = np.array(
    ...     [[[[255, 0, 0], [0, 255, 0], [0, 0, 255], [128, 128, 128]]]], dtype=np.uint8
    ... )
    >>> HSVConverter().fit_transform(red_green_blue_gray)[0, 0]
    array([[  0, 255, 255],
           [ 85, 255, 255],
           [171, 255, 255],
           [  0,   0, 128]], dtype=uint8)
    """

    def transform(self, X: ArrayLike) -> NDArray[Any]:
        """Convert images from RGB to HSV.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, 3)
            RGB images, uint8 in [0, 255] or floating in [0, 1].

        Returns
        -------
        ndarray of shape (n_samples, height, width, 3)
            HSV images: uint8 for uint8, float32 in [0, 1] for any floating dtype.

        Raises
        ------
        ValueError, TypeError
            If `X` is not an array of RGB images of the shape seen in `fit`.
        """
        images = self._check(X)
        if images.dtype == np.uint8:
            converted = cv2.cvtColor(_as_rows(images), cv2.COLOR_RGB2HSV_FULL)
            return np.asarray(converted.reshape(images.shape))
        hsv = np.empty(images.shape, dtype=np.float32)
        for batch in _batches(hsv):
            pixels = _as_rows(images[batch].astype(np.float32, copy=False))
            cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV, dst=_as_rows(hsv[batch]))
            hsv[batch, ..., 0] *= 1 / 360
        return hsv

    def inverse_transform(self, X: ArrayLike) -> NDArray[Any]:
        """Convert images from HSV back to RGB.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, 3)
            HSV images as returned by `transform`, uint8 or floating in [0, 1].

        Returns
        -------
        ndarray of shape (n_samples, height, width, 3)
            RGB images: uint8 for uint8, float32 in [0, 1] for any floating dtype. uint8
            values differ from the original by up to 4, because hue and saturation are
            rounded.

        Raises
        ------
        ValueError, TypeError
            If `X` is not an array of images of the shape seen in `fit`.
        """
        images = self._check(X)
        is_bytes = images.dtype == np.uint8
        rgb = np.empty(images.shape, dtype=np.uint8 if is_bytes else np.float32)
        # OpenCV's inverse for uint8 assumes 255 steps of hue per turn, but its
        # conversion uses 256, an error of up to 1.4 degrees. Both dtypes are therefore
        # converted as floats.
        turn = 256 if is_bytes else 1
        for batch in _batches(rgb):
            pixels = _as_rows(images[batch].astype(np.float32))
            pixels[..., 0] *= 360 / turn
            if is_bytes:
                pixels[..., 1:] /= 255
            converted = cv2.cvtColor(pixels, cv2.COLOR_HSV2RGB).reshape(
                rgb[batch].shape
            )
            rgb[batch] = np.rint(converted * 255) if is_bytes else converted
        return rgb

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["uint8", "float32"]
        return tags


def _as_rows(images: NDArray[Any]) -> NDArray[Any]:
    """Return a view of a stack of images as one tall image, for one call of OpenCV."""
    return np.ascontiguousarray(images).reshape(-1, *images.shape[2:])


def _batches(images: NDArray[Any]) -> Any:
    return gen_batches(len(images), max(1, _BATCH_BYTES // images[0].nbytes))
