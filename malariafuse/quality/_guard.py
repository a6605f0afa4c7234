"""Pipeline step that warns of outliers."""

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone

from malariafuse._parameters import Instances, Nothing, Reals, Rules
from malariafuse._transformer import GivesImages, ImageTransformer
from malariafuse._warn import warn
from malariafuse.quality._outliers import CellOutlierDetector


class CellGuard(GivesImages, ImageTransformer):
    """Warn if images do not show single stained red cells.

    A classifier predicts a class for any image. Use this transformer in a pipeline,
    before the classifier. It warns of photographs, other cells, poor images, and
    channels in the order blue, green, red (as read by OpenCV). Images are passed on
    unchanged, so that no cell is lost. Use `detector_` to exclude single images.

    Read more in the :ref:`user guide <outliers>`.

    Parameters
    ----------
    detector : CellOutlierDetector, default=None
        Detector, of which a clone is fitted in `fit`. None uses a detector with default
        parameters.
    max_share : float, default=0.1
        Minimum proportion of outliers that causes a warning, in (0, 1]. Among cells of
        other patients of the same laboratory, one in fifty is an outlier.

    Attributes
    ----------
    detector_ : CellOutlierDetector
        Fitted detector.
    image_shape_ : tuple of (int, int, int)
        Height, width and channels of the images seen in `fit`. Images passed to other
        methods must have the same shape.

    See Also
    --------
    CellOutlierDetector : Detect single outliers.

    Examples
    --------
    >>> import warnings
    >>> import numpy as np
    >>> from malariafuse.datasets import make_cell_images
    >>> from malariafuse.quality import CellGuard
    >>> cells = make_cell_images(120, 4, image_size=(40, 40), random_state=0).images
    >>> guard = CellGuard().fit(cells)
    >>> noise = np.random.default_rng(0).integers(0, 256, (5, 40, 40, 3), dtype="uint8")
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     _ = guard.transform(noise)
    >>> print(str(caught[0].message)[:60])
    5 of 5 images of X do not look like single stained red cells
    """

    _parameter_rules: ClassVar[Rules] = {
        "detector": (
            Nothing(),
            Instances(CellOutlierDetector, "a CellOutlierDetector"),
        ),
        "max_share": (Reals(0, 1, open_at="low"),),
    }

    def __init__(
        self, *, detector: CellOutlierDetector | None = None, max_share: float = 0.1
    ) -> None:
        self.detector = detector
        self.max_share = max_share

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
        self : CellGuard
            Fitted guard.

        Raises
        ------
        ValueError, TypeError
            As in :meth:`CellOutlierDetector.fit`.
        """
        super().fit(X)
        template = CellOutlierDetector() if self.detector is None else self.detector
        self.detector_ = clone(template).fit(X)
        return self

    def transform(self, X: ArrayLike) -> NDArray[Any]:
        """Return the images unchanged, and warn if there are many outliers.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, 3)
            RGB images of the shape seen in `fit`, uint8 in [0, 255] or floating in
            [0, 1].

        Returns
        -------
        ndarray of shape (n_samples, height, width, 3)
            Unchanged images.

        Raises
        ------
        ValueError, TypeError
            If `X` is invalid.

        Warns
        -----
        UserWarning
            If `detector_` predicts that at least `max_share` of the images are
            outliers.
        """
        images = self._check(X)
        n_refused = self._n_refused(images)
        if n_refused >= self.max_share * len(images):
            n_swapped = self._n_refused(images[..., ::-1])
            advice = (
                f"With red and blue swapped, {len(images) - n_swapped} would be "
                "inliers: pass RGB images, not BGR."
                if n_swapped < n_refused / 2
                else "Their probabilities are unreliable: inspect the images, and "
                "check the classifier on labeled cells from this source."
            )
            warn(
                f"{n_refused} of {len(images)} images of X do not look like single "
                f"stained red cells of the training set. {advice}"
            )
        return images

    def _n_refused(self, images: NDArray[Any]) -> int:
        return int(np.sum(self.detector_.predict(images) == -1))
