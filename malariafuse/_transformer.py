"""What the transformers of images share."""

from typing import Any, ClassVar, Self

from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from malariafuse._images import check_image_shape, check_images, remember_image_shape
from malariafuse._parameters import Rules, check_parameters


class ImageTransformer(TransformerMixin, BaseEstimator):
    """Take RGB images of one shape, which is all that is learned."""

    # None takes any number.
    _channels: int | None = 3
    _parameter_rules: ClassVar[Rules] = {}

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Check parameters and remember the shape of the images.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, 3)
            RGB images, uint8 in 0..255 or floating in 0..1.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted transformer.

        Raises
        ------
        ValueError, TypeError
            If a parameter is not as described, or `X` is not an array of RGB images.
        """
        check_parameters(self)
        remember_image_shape(self, check_images(X, channels=self._channels))
        return self

    def _check(self, X: ArrayLike) -> NDArray[Any]:
        """Return `X` as images of the shape seen in `fit`, or raise.

        Transformers whose tags ask for no fit take any shape before one.
        """
        check_is_fitted(self)
        check_parameters(self)
        images = check_images(X, channels=self._channels)
        if hasattr(self, "image_shape_"):
            check_image_shape(self, images)
        return images

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.transformer_tags.preserves_dtype = ["uint8", "float32", "float64"]
        tags.requires_fit = True
        return tags
