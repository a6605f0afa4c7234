"""Outlier detection for images of cells."""

from typing import Any, ClassVar, Self

import cv2
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from malariafuse._base import Estimator
from malariafuse._images import (
    check_image_shape,
    check_images,
    remember_image_shape,
    to_unit_float,
)
from malariafuse._parameters import Instances, Nothing, Reals, Rules, check_parameters
from malariafuse.features import SpotFeatureExtractor
from malariafuse.quality._measures import COLOR, FORM, TEXTURE, columns, measure
from malariafuse.quality._typical import Boundary, Floats, Gaussian

_GROUPS = {"color": COLOR, "texture": TEXTURE, "form": FORM}
# Measures of the absorption of the stain by channel.
_TINT = COLOR[:8]
# Hue rotations in degrees. None swaps red and blue, and 0 removes the color.
_TURNS = (60, 90, 120, 180, 240, 270, 300, None, 0)
_MOST_TURNED, _TURNS_OF_EACH = 1500, 2
# Distances are scaled to 0 at the median of the training cells and 1 at this quantile.
_TAIL = 0.005
_FARTHEST = 100.0  # maximum distance, and the distance of an image without a cell


class CellOutlierDetector(OutlierMixin, Estimator):
    """Detect images that do not show a single stained red cell.

    A classifier returns a probability for any image: a photograph, noise, a white blood
    cell, or a cell out of focus. This detector is fitted on training cells of both
    classes and detects images that differ from them. Apply it before a classifier, and
    ignore the classifier's prediction if the detector predicts -1.

    Read more in the :ref:`user guide <outliers>`.

    Parameters
    ----------
    contamination : float, default=0.01
        Proportion of outliers among the training cells, in (0, 0.5]. For cells of other
        patients, the proportion is up to twice as high.
    features : transformer, default=None
        Transformer from images to additional features, of which a clone is fitted. None
        uses a :class:`~malariafuse.features.SpotFeatureExtractor`.

    Attributes
    ----------
    offset_ : float
        Threshold of the score. An image is an inlier if its score is at least the
        threshold: ``decision_function = score_samples - offset_``.
    features_ : transformer
        Fitted transformer.
    image_shape_ : tuple of (int, int, int)
        Height, width and channels of the images seen in `fit`. Images passed to other
        methods must have the same shape.

    See Also
    --------
    cell_quality : Measure sharpness, exposure and color.
    malariafuse.preprocessing.BackgroundMasker : Set the background to black.

    Notes
    -----
    The score is the negative of the largest of five distances from the training set:

    - "color", "texture" and "form" are Mahalanobis distances of a few measures each.
      "color" has the color and the absorption of the three channels, "texture" the
      sharpness and the scale of structures in the cell, and "form" the clipped pixels,
      the proportion of black pixels and the outline;
    - "features" is the Mahalanobis distance of the features from `features`;
    - "tint" is the log-odds of a logistic regression that separates training cells from
      training cells with rotated hue or swapped channels.

    Measures are transformed to be nearly normal by the Yeo-Johnson power transform
    [1]_, and their covariance is shrunk [2]_. If there are many features, the 20
    principal components with the largest variance are kept, and the others are modeled
    as noise. Each distance is scaled to 0 at the median of the training cells and 1 at
    their 99.5th percentile. No single training cells are stored.

    The background must be black, as for the classifiers. A cell with a natural
    background is an outlier. See :class:`~malariafuse.preprocessing.BackgroundMasker`.

    Cells of another laboratory differ in color and sharpness, so more of them are
    outliers. If most cells of a slide are outliers, the slide differs from the training
    set. Check the classifier on labeled cells of this slide.

    References
    ----------
    .. [1] I. Yeo and R. Johnson, "A new family of power transformations to improve
       normality or symmetry", Biometrika 87, 2000,
       https://doi.org/10.1093/biomet/87.4.954
    .. [2] O. Ledoit and M. Wolf, "A well-conditioned estimator for large-dimensional
       covariance matrices", Journal of Multivariate Analysis 88, 2004,
       https://doi.org/10.1016/S0047-259X(03)00096-4

    Examples
    --------
    >>> import numpy as np
    >>> from malariafuse.datasets import make_cell_images
    >>> from malariafuse.quality import CellOutlierDetector
    >>> cells = make_cell_images(120, 4, image_size=(40, 40), random_state=0).images
    >>> detector = CellOutlierDetector(contamination=0.02).fit(cells)
    >>> noise = np.random.default_rng(0).integers(0, 256, (2, 40, 40, 3), dtype="uint8")
    >>> detector.predict(noise)
    array([-1, -1])
    >>> int((detector.predict(cells) == -1).sum())
    3
    """

    _parameter_rules: ClassVar[Rules] = {
        "contamination": (Reals(0, 0.5, open_at="low"),),
        "features": (
            Nothing(),
            Instances(BaseEstimator, "a transformer from images to vectors"),
        ),
    }

    def __init__(self, *, contamination: float = 0.01, features: Any = None) -> None:
        self.contamination = contamination
        self.features = features

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Fit the detector.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, 3)
            RGB images of single cells of both classes on a black background, uint8 in
            [0, 255] or floating in [0, 1].
        y : None
            Ignored.

        Returns
        -------
        self : object
            Fitted detector.

        Raises
        ------
        ValueError, TypeError
            If a parameter is not as described, or `X` is not an array of RGB images
            with at least two cells.
        """
        check_parameters(self)
        images = check_images(X, channels=3)
        measured = measure(images)
        found = np.flatnonzero(~np.isnan(measured[:, 0]))
        if len(found) < 2:
            raise ValueError(
                f"X has {len(found)} image(s) with a cell among "
                f"n_samples={len(images)}: expected at least 2 bright cells on a black "
                "background."
            )
        remember_image_shape(self, images)
        template = SpotFeatureExtractor() if self.features is None else self.features
        if not hasattr(template, "transform"):
            raise TypeError(
                f"features={template!r} has no transform method: expected a "
                "transformer from images to vectors."
            )
        self.features_ = clone(template).fit(images[found])
        measured, vectors = measured[found], self._vectors(images[found])
        self._parts = {
            name: Gaussian.of(measured[:, columns(group)])
            for name, group in _GROUPS.items()
        }
        self._parts["features"] = Gaussian.of(vectors)
        tint = columns(_TINT)
        turned = measure(_turned(images[found]))[:, tint]
        others = turned[~np.isnan(turned).any(axis=1)]
        self._tint = Boundary.of(measured[:, tint], others) if len(others) else None
        raw = self._raw(measured, vectors)
        middle, tail = np.quantile(raw, [0.5, 1 - _TAIL], axis=0)
        self._middle, self._reach = middle, np.maximum(tail - middle, 1e-6)
        scores = np.full(len(images), -_FARTHEST)
        scores[found] = -self._scaled(raw).max(axis=1)
        self.offset_ = float(np.quantile(scores, self.contamination))
        return self

    def distances(self, X: ArrayLike) -> pd.DataFrame:
        """Compute the distances of each image from the training cells.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, 3)
            RGB images, uint8 in [0, 255] or floating in [0, 1].

        Returns
        -------
        pandas.DataFrame
            One row for each image, with the columns "color", "texture", "form",
            "features" and "tint". A distance is 0 at the median of the training cells
            and 1 at their 99.5th percentile. It is at most 100. All distances of an
            image without a cell are 100.

        Raises
        ------
        ValueError, TypeError
            If `X` is not an array of RGB images of the shape seen in `fit`.
        """
        check_is_fitted(self)
        images = check_images(X, channels=3, may_be_black=True)
        check_image_shape(self, images)
        names = [*self._parts, "tint"]
        distances = np.full((len(images), len(names)), _FARTHEST)
        measured = measure(images)
        found = np.flatnonzero(~np.isnan(measured[:, 0]))
        if len(found):
            raw = self._raw(measured[found], self._vectors(images[found]))
            distances[found] = self._scaled(raw)
        return pd.DataFrame(distances, columns=names)

    def score_samples(self, X: ArrayLike) -> Floats:
        """Compute the normality score of each image.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, 3)
            RGB images, uint8 in [0, 255] or floating in [0, 1].

        Returns
        -------
        ndarray of shape (n_samples,), float64
            Negative of the largest distance. A higher score is more normal. The score
            of an image without a cell is -100.

        Raises
        ------
        ValueError, TypeError
            If `X` is not an array of RGB images of the shape seen in `fit`.
        """
        scores: Floats = -self.distances(X).to_numpy().max(axis=1)
        return scores

    def decision_function(self, X: ArrayLike) -> Floats:
        """Compute the score of each image relative to `offset_`.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, 3)
            RGB images, uint8 in [0, 255] or floating in [0, 1].

        Returns
        -------
        ndarray of shape (n_samples,), float64
            Score minus `offset_`, negative for outliers.

        Raises
        ------
        ValueError, TypeError
            If `X` is not an array of RGB images of the shape seen in `fit`.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:
        """Predict whether each image shows a cell.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, 3)
            RGB images, uint8 in [0, 255] or floating in [0, 1].

        Returns
        -------
        ndarray of shape (n_samples,), int64
            1 for an inlier, -1 for an outlier.

        Raises
        ------
        ValueError, TypeError
            If `X` is not an array of RGB images of the shape seen in `fit`.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    def _vectors(self, images: NDArray[Any]) -> Floats:
        vectors = np.asarray(self.features_.transform(images))
        if vectors.ndim != 2 or vectors.dtype.kind not in "biuf":
            raise ValueError(
                f"features={self.features_!r} returned an array of shape "
                f"{vectors.shape} and dtype {vectors.dtype}: expected numbers of shape "
                "(n_samples, n_features)."
            )
        if not np.isfinite(vectors).all():
            raise ValueError(
                f"features={self.features_!r} returned NaN or infinity: expected "
                "finite numbers."
            )
        return vectors.astype(np.float64)

    def _raw(self, measured: Floats, vectors: Floats) -> Floats:
        """Return the unscaled distances of cells."""
        distances = [
            self._parts[name](measured[:, columns(group)])
            for name, group in _GROUPS.items()
        ]
        distances.append(self._parts["features"](vectors))
        tint = measured[:, columns(_TINT)]
        distances.append(
            np.zeros(len(tint)) if self._tint is None else self._tint(tint)
        )
        return np.stack(distances, axis=1)

    def _scaled(self, raw: Floats) -> Floats:
        scaled: Floats = np.clip(
            (raw - self._middle) / self._reach, -_FARTHEST, _FARTHEST
        )
        return scaled

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        return tags


def _turned(images: NDArray[Any]) -> NDArray[np.uint8]:
    """Return a fixed subset of the images in wrong colors."""
    chosen = images[:: -(-len(images) // _MOST_TURNED)]
    turned = []
    for i, image in enumerate(np.repeat(chosen, _TURNS_OF_EACH, axis=0)):
        turn = _TURNS[i % len(_TURNS)]
        pixels: NDArray[Any] = to_unit_float(image)
        if turn is None:
            pixels = pixels[..., ::-1]
        else:
            hsv = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2HSV)
            if turn == 0:
                hsv[..., 1] = 0
            hsv[..., 0] = (hsv[..., 0] + turn) % 360
            pixels = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
        turned.append(np.rint(pixels * 255).astype(np.uint8))
    return np.array(turned)
