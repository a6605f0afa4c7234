"""Warn of images that are no single stained red cell, on their way to a classifier."""

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone

from malariafuse._parameters import Instances, Nothing, Reals, Rules
from malariafuse._transformer import GivesImages, ImageTransformer
from malariafuse._warn import warn
from malariafuse.quality._outliers import CellOutlierDetector


class CellGuard(GivesImages, ImageTransformer):
    """Pass images on, and warn if some are no single stained red cell.

    A classifier answers whatever it is shown. As a step of a pipeline in front of one,
    this warns of photographs, other cells, poor images, and of channels in the order
    blue, green, red, as OpenCV reads them. The images are passed on as they are, so
    that no cell is lost. To leave out single images, ask `detector_`.

    Read more in the :ref:`user guide <outliers>`.

    Parameters
    ----------
    detector : CellOutlierDetector, default=None
        Detector, which is cloned and fitted in `fit`. None takes one with its default
        parameters.
    max_share : float, default=0.1
        Share of refused images from which on there is a warning, in (0, 1]. Of cells of
        other patients of the same laboratory, one in fifty is refused.

    Attributes
    ----------
    detector_ : CellOutlierDetector
        The fitted detector.
    image_shape_ : tuple of (int, int, int)
        Height, width and channels of the images seen in `fit`. Later images must have
        the same shape.

    See Also
    --------
    CellOutlierDetector : Refuse single images.

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
    >>> print(str(caught[0].message)[:57])
    5 of 5 images of X look like no single stained red cell o
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
        self : CellGuard
            The fitted guard.

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
        """Return the images as they are.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, 3)
            RGB images of the shape seen in `fit`, uint8 in 0..255 or floating in 0..1.

        Returns
        -------
        ndarray of shape (n_samples, height, width, 3)
            The images.

        Raises
        ------
        ValueError, TypeError
            If `X` is not as described.

        Warns
        -----
        UserWarning
            If at least `max_share` of the images are refused by `detector_`.
        """
        images = self._check(X)
        n_refused = self._n_refused(images)
        if n_refused >= self.max_share * len(images):
            n_swapped = self._n_refused(images[..., ::-1])
            advice = (
                "With red and blue swapped, "
                f"{len(images) - n_swapped} would look right: pass RGB images, not BGR."
                if n_swapped < n_refused / 2
                else "Their probabilities mean little: look at the images, and check "
                "the classifier on labeled cells of this source."
            )
            warn(
                f"{n_refused} of {len(images)} images of X look like no single "
                f"stained red cell of the training. {advice}"
            )
        return images

    def _n_refused(self, images: NDArray[Any]) -> int:
        return int(np.sum(self.detector_.predict(images) == -1))
