"""Refuse images that are no single stained red cell."""

from typing import Any, ClassVar, Self

import cv2
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from malariafuse._images import (
    check_image_shape,
    check_images,
    remember_image_shape,
    to_unit_float,
)
from malariafuse._parameters import Instances, Nothing, Reals, Rules, check_parameters
from malariafuse._stored import StoredEstimator
from malariafuse.features import SpotFeatureExtractor
from malariafuse.quality._measures import COLOR, FORM, TEXTURE, columns, measure
from malariafuse.quality._typical import Boundary, Floats, Gaussian

_GROUPS = {"color": COLOR, "texture": TEXTURE, "form": FORM}
# Measures that tell which channel the stain absorbs.
_TINT = COLOR[:8]
# In degrees; None swaps red and blue, and 0 takes the color away.
_TURNS = (60, 90, 120, 180, 240, 270, 300, None, 0)
_MOST_TURNED, _TURNS_OF_EACH = 1500, 2
# Distances are 0 at the median of training and 1 where so few cells are farther.
_TAIL = 0.005
_FARTHEST = 100.0  # and that of an image without a cell


class CellOutlierDetector(OutlierMixin, StoredEstimator):
    """Refuse images that are no single stained red cell, as training cells are.

    A classifier gives a probability for whatever it is shown: a photograph, noise, a
    white cell, a cell out of focus. This detector learns from the training cells of
    both classes how a cell looks, and says which images look otherwise. Put it in
    front of a classifier, and do not answer where it predicts -1.

    Read more in the :ref:`user guide <outliers>`.

    Parameters
    ----------
    contamination : float, default=0.01
        Share of the training cells that is refused, in (0, 0.5]. Of cells of other
        patients, up to twice as many are.
    features : transformer, default=None
        Transformer of images to vectors, whose features are compared too; None is a
        :class:`~malariafuse.features.SpotFeatureExtractor`. A clone of it is fitted.

    Attributes
    ----------
    offset_ : float
        Score from which on an image is a cell:
        ``decision_function = score_samples - offset_``.
    features_ : transformer
        The fitted transformer.
    image_shape_ : tuple of (int, int, int)
        Height, width and channels of the images seen in `fit`. Later images must have
        the same shape.

    See Also
    --------
    cell_quality : Measure sharpness, exposure and color, without training.
    malariafuse.preprocessing.BackgroundMasker : Make the background black.

    Notes
    -----
    Five distances from training are taken, and the largest one counts:

    - "color", "texture" and "form" are Mahalanobis distances in a few measures each:
      color and the absorption of the three channels; sharpness and the scale of what
      is in the cell; clipped pixels, the share of black and the outline;
    - "features" is the one in `features`;
    - "tint" is how much more the cell looks like training cells of which the hue is
      turned, or whose channels are swapped, than like these cells. It is the log-odds
      of a logistic regression.

    The measures are made nearly normal by the power transform of Yeo and Johnson [1]_,
    and their covariance is shrunk [2]_; of many features, the 20 largest directions
    are kept, and the others are taken for noise. Each distance is scaled such that it
    is 0 at the median of the training cells and 1 at their 99.5th percentile. Nothing
    of single training cells is stored.

    The background must be black, as for the classifiers. A cell with a natural
    background is refused; see :class:`~malariafuse.preprocessing.BackgroundMasker`.

    Cells of another laboratory have other colors and another sharpness, so more of
    them are refused. If most of the cells of a slide are, the slide differs from
    training: warn, and check the classifier there.

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
            Instances(BaseEstimator, "a transformer of images to vectors"),
        ),
    }

    def __init__(self, *, contamination: float = 0.01, features: Any = None) -> None:
        self.contamination = contamination
        self.features = features

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Learn how cells look.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, 3)
            RGB images of single cells on black, parasitized and not, uint8 in 0..255
            or floating in 0..1.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted detector.

        Raises
        ------
        ValueError, TypeError
            If a parameter is not as described, or `X` is not an array of RGB images of
            which at least two show a cell.
        """
        check_parameters(self)
        images = check_images(X, channels=3)
        measured = measure(images)
        found = np.flatnonzero(~np.isnan(measured[:, 0]))
        if len(found) < 2:
            raise ValueError(
                f"X has {len(found)} image(s) with a cell among n_samples="
                f"{len(images)}: expected at least 2, bright on black."
            )
        remember_image_shape(self, images)
        template = SpotFeatureExtractor() if self.features is None else self.features
        if not hasattr(template, "transform"):
            raise TypeError(
                f"features={template!r} has no transform: expected a transformer of "
                "images to vectors."
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
        """Return how far each image is from the training cells, and in what respect.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, 3)
            RGB images, uint8 in 0..255 or floating in 0..1.

        Returns
        -------
        pandas.DataFrame
            One row for each image, with the columns "color", "texture", "form",
            "features" and "tint". A distance is 0 at the median of the training cells
            and 1 at their 99.5th percentile; it is at most 100, as all are where an
            image has no cell.

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
        """Return how normal each image is.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, 3)
            RGB images, uint8 in 0..255 or floating in 0..1.

        Returns
        -------
        ndarray of shape (n_samples,), float64
            The negative of the largest distance, so that higher is more normal. It is
            -100 where an image has no cell.

        Raises
        ------
        ValueError, TypeError
            If `X` is not an array of RGB images of the shape seen in `fit`.
        """
        scores: Floats = -self.distances(X).to_numpy().max(axis=1)
        return scores

    def decision_function(self, X: ArrayLike) -> Floats:
        """Return by how much the score of each image is above `offset_`.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, 3)
            RGB images, uint8 in 0..255 or floating in 0..1.

        Returns
        -------
        ndarray of shape (n_samples,), float64
            Negative for outliers.

        Raises
        ------
        ValueError, TypeError
            If `X` is not an array of RGB images of the shape seen in `fit`.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:
        """Say which images are cells.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, 3)
            RGB images, uint8 in 0..255 or floating in 0..1.

        Returns
        -------
        ndarray of shape (n_samples,), int64
            1 for a cell like those of training, -1 for anything else.

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
                f"features={self.features_!r} gives an array of shape {vectors.shape} "
                f"and dtype {vectors.dtype}: expected vectors of numbers, "
                "(n_samples, n_features)."
            )
        if not np.isfinite(vectors).all():
            raise ValueError(
                f"features={self.features_!r} gives NaN or infinity: expected finite "
                "numbers."
            )
        return vectors.astype(np.float64)

    def _raw(self, measured: Floats, vectors: Floats) -> Floats:
        """Return the distances of cells, each on a scale of its own."""
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
    """Return some of the images in wrong colors, the same ones each time."""
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
