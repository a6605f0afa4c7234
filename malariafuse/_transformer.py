"""Base classes of the transformers of images."""

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from malariafuse._images import check_image_shape, check_images, remember_image_shape
from malariafuse._parameters import Rules, check_parameters

_CONTAINERS = (None, "default", "pandas", "polars")


class GivesImages(TransformerMixin):
    """Give images, which no table holds, as a step of pipelines that end in tables.

    A pipeline asks each of its steps in turn for names of features, and sets the output
    of each.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # Nothing wraps the output of `transform`, whatever the configuration is.
        super().__init_subclass__(auto_wrap_output_keys=None, **kwargs)

    def get_feature_names_out(
        self, input_features: ArrayLike | None = None
    ) -> NDArray[np.object_] | None:
        """Return the names that are given: the pixels of images have none.

        A pipeline that ends in vectors has the names of its last steps.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the features of the input.

        Returns
        -------
        ndarray of str objects or None
            The same names; None if there are none.
        """
        if input_features is None:
            return None
        return np.asarray(input_features, dtype=object)

    def set_output(self, *, transform: str | None = None) -> Self:
        """Keep giving arrays, whatever a pipeline has its steps give.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"}, default=None
            Container of the output of other transformers.

        Returns
        -------
        self : object
            The transformer itself.

        Raises
        ------
        ValueError
            If there is no such container.
        """
        if transform not in _CONTAINERS:
            raise ValueError(
                f"transform={transform!r}: expected 'default', 'pandas', 'polars' or "
                "None."
            )
        if transform is not None:
            self._sklearn_output_config = {"transform": transform}
        return self


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
