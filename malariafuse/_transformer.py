"""Base classes of image transformers."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn import get_config
from sklearn.base import TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from malariafuse._base import Estimator
from malariafuse._images import check_image_shape, check_images, remember_image_shape
from malariafuse._parameters import Rules, check_parameters

_CONTAINERS = (None, "default", "pandas", "polars")


class GivesImages(TransformerMixin):
    """Mixin for transformers whose output is images, in pipelines that end in tables.

    A pipeline calls `get_feature_names_out` and `set_output` of each step. With pandas
    output, the images of a table or a Series are a Series of arrays. It keeps the index
    for later steps with table output.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # scikit-learn would convert the output of `transform` to a table.
        super().__init_subclass__(auto_wrap_output_keys=None, **kwargs)
        if "transform" in vars(cls):
            cls.transform = _keeping_row_labels(cls.transform)

    def get_feature_names_out(
        self, input_features: ArrayLike | None = None
    ) -> NDArray[np.object_] | None:
        """Return `input_features` unchanged, because pixels have no names.

        The names of features of a pipeline that ends in vectors are those of its last
        steps.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of input features.

        Returns
        -------
        ndarray of str objects or None
            Names of input features, or None.
        """
        if input_features is None:
            return None
        return np.asarray(input_features, dtype=object)

    def set_output(self, *, transform: str | None = None) -> Self:
        """Set the output container.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"}, default=None
            Output container of a pipeline. With "pandas", images from a Series or
            DataFrame are returned as a Series of arrays (height, width, channels) with
            the same index. Other images are returned as an array. None does not change
            the container.

        Returns
        -------
        self : object
            Fitted transformer.

        Raises
        ------
        ValueError
            If `transform` is invalid.
        """
        if transform not in _CONTAINERS:
            raise ValueError(
                f"transform={transform!r}: expected 'default', 'pandas', 'polars' or "
                "None."
            )
        if transform is not None:
            self._sklearn_output_config = {"transform": transform}
        return self


def _keeping_row_labels(transform: Callable[..., Any]) -> Callable[..., Any]:
    """Return a `transform` whose output keeps the index of pandas input.

    pandas aligns tables by index. Without the index, concatenated tables would have
    rows of different cells.
    """

    @wraps(transform)
    def labeled(self: Any, X: Any, *args: Any, **kwargs: Any) -> Any:
        images = transform(self, X, *args, **kwargs)
        configured = getattr(self, "_sklearn_output_config", {})
        container = configured.get("transform", get_config()["transform_output"])
        if container != "pandas" or not isinstance(X, pd.Series | pd.DataFrame):
            return images
        if isinstance(images, pd.Series):
            return images
        return _as_series(images, X.index)

    return labeled


def _as_series(images: NDArray[Any], index: pd.Index) -> pd.Series:
    values = np.empty(len(images), dtype=object)
    for position, image in enumerate(images):
        values[position] = image
    return pd.Series(values, index=index)


class ImageTransformer(TransformerMixin, Estimator):
    """Base class of transformers of RGB images of a fixed shape."""

    # None accepts any number of channels.
    _channels: int | None = 3
    _parameter_rules: ClassVar[Rules] = {}

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Validate the parameters and store the shape of the images.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, 3)
            RGB images, uint8 in [0, 255] or floating in [0, 1].
        y : None
            Ignored.

        Returns
        -------
        self : object
            Fitted transformer.

        Raises
        ------
        ValueError, TypeError
            If a parameter is not as described, or `X` is not an array of RGB images.
        """
        check_parameters(self)
        remember_image_shape(self, check_images(X, channels=self._channels))
        return self

    def _check(self, X: ArrayLike) -> NDArray[Any]:
        """Return `X` as validated images of the shape seen in `fit`.

        Stateless transformers accept any shape before `fit`.
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
