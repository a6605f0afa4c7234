"""Display of augmented images."""

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state

from malariafuse._images import check_images
from malariafuse._parameters import RANDOM_STATE, Integers, check_parameter
from malariafuse.plotting._axes import axes_grid, show_image

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from malariafuse.classifiers import BaseImageClassifier


class AugmentationDisplay:
    """Display of images and random augmentations of them.

    Create it with :meth:`from_estimator`.

    Parameters
    ----------
    images : ndarray of shape (n_images, height, width, channels)
        Images, uint8 in [0, 255] or floating in [0, 1].
    augmented : ndarray of shape (n_changes, n_images, height, width, channels), float32
        Augmented images in [0, 1].

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes, shape (n_images, 1 + n_changes)
        Axes, one row for each image. The first column has the original images.
    figure_ : matplotlib Figure
        Figure of the axes.

    See Also
    --------
    malariafuse.networks.RandomQuarterTurn : Rotate images at random.
    malariafuse.networks.RandomStainJitter : Change the strength of the stain at random.

    Examples
    --------
    >>> from malariafuse import ResNet18Classifier
    >>> from malariafuse.datasets import make_cell_images
    >>> from malariafuse.plotting import AugmentationDisplay
    >>> cells = make_cell_images(40, 4, image_size=(16, 16), random_state=0)
    >>> display = AugmentationDisplay.from_estimator(
    ...     ResNet18Classifier(), cells.images[:2], n_changes=3, random_state=0
    ... )
    >>> display.augmented.shape
    (3, 2, 16, 16, 3)
    """

    def __init__(self, *, images: NDArray[Any], augmented: NDArray[np.float32]) -> None:
        self.images = images
        self.augmented = augmented

    @classmethod
    def from_estimator(
        cls,
        estimator: "BaseImageClassifier",
        X: ArrayLike,
        *,
        n_changes: int = 6,
        random_state: int | np.random.RandomState | None = None,
        ax: "Axes | None" = None,
    ) -> Self:
        """Augment images like a classifier in training, and draw them.

        Parameters
        ----------
        estimator : estimator
            Classifier with the parameter `augmentation`. It need not be fitted.
        X : array-like of shape (n_images, height, width, channels)
            Images to show (a few), uint8 in [0, 255] or floating in [0, 1].
        n_changes : int, default=6
            Number of augmentations of each image.
        random_state : int, RandomState instance or None, default=None
            Random seed or generator of the augmentation. Pass an int for reproducible
            images.
        ax : matplotlib Axes, default=None
            Axes on which to draw. None creates a new figure.

        Returns
        -------
        display : AugmentationDisplay
            Display object.

        Raises
        ------
        ValueError, TypeError
            If an argument is invalid, or the classifier has no augmentation.
        """
        # Keras is imported on first use, not with the displays.
        from malariafuse._engine._augmentation import augmented, make_augmentation
        from malariafuse._engine._process import keras_seed

        images = check_images(X)
        check_parameter("n_changes", n_changes, [Integers(1, 50)])
        check_parameter("random_state", random_state, RANDOM_STATE)
        if not hasattr(estimator, "augmentation"):
            raise TypeError(
                f"estimator is a {type(estimator).__name__} without the parameter "
                "augmentation: expected a classifier of malariafuse. For a pipeline, "
                "pass its last step."
            )
        with keras_seed(check_random_state(random_state).randint(2**31 - 1)):
            layers = make_augmentation(estimator.augmentation)
        if not layers:
            raise ValueError(
                f"estimator.augmentation={estimator.augmentation!r}: expected an "
                "augmentation to show."
            )
        changed = [augmented(images, layers) for _ in range(n_changes)]
        return cls(images=images, augmented=np.stack(changed)).plot(ax)

    def plot(self, ax: "Axes | None" = None) -> Self:
        """Draw the images.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes on which to draw. None creates a new figure.

        Returns
        -------
        display : AugmentationDisplay
            Display object.
        """
        n_changes, n_images = self.augmented.shape[:2]
        side = min(1.5, 9 / (n_changes + 1))
        self.figure_, self.axes_ = axes_grid(
            ax,
            (n_images, 1 + n_changes),
            (side * (n_changes + 1), side * n_images + 0.7),
            "Random changes in training",
        )
        for row in range(n_images):
            show_image(self.axes_[row, 0], self.images[row])
            for change in range(n_changes):
                show_image(self.axes_[row, 1 + change], self.augmented[change, row])
        self.axes_[0, 0].set_title("original", fontsize="small")
        for number, axes in enumerate(self.axes_[0, 1:], start=1):
            axes.set_title(f"change {number}", fontsize="small")
        return self
