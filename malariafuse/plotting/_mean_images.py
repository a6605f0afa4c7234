"""Display of the mean images of classes."""

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import gen_batches

from malariafuse._arrays import as_labels, check_length
from malariafuse._images import check_images
from malariafuse.plotting._axes import axes_grid, show_image
from malariafuse.plotting._style import class_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BLOCK_BYTES = 2**25


class MeanImageDisplay:
    """Display of the mean and the standard deviation of the images of each class.

    For two classes, the difference is also shown. Create it with :meth:`from_images`.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        Class labels.
    means : ndarray of shape (n_classes, height, width, channels), float64
        Mean image of each class, in [0, 1].
    standard_deviations : ndarray of the shape of `means`, float64
        Standard deviation of each pixel and channel over the images of a class.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes, shape (2, n_classes) or (2, 3)
        Axes, with means in the first row and standard deviations in the second. The
        third column has the difference of two classes.
    figure_ : matplotlib Figure
        Figure of the axes.

    Notes
    -----
    Standard deviations and differences are averaged over the channels. A mean image
    shows stain, light and size, in which classes may differ because of the selection of
    patients. It does not show single parasites.

    Examples
    --------
    >>> from malariafuse.datasets import make_cell_images
    >>> from malariafuse.plotting import MeanImageDisplay
    >>> cells = make_cell_images(40, 4, image_size=(16, 16), random_state=0)
    >>> MeanImageDisplay.from_images(cells.images, cells.target).means.shape
    (2, 16, 16, 3)
    """

    def __init__(
        self,
        *,
        classes: NDArray[Any],
        means: NDArray[np.float64],
        standard_deviations: NDArray[np.float64],
    ) -> None:
        self.classes = classes
        self.means = means
        self.standard_deviations = standard_deviations

    @classmethod
    def from_images(
        cls, X: ArrayLike, y: ArrayLike, *, ax: "Axes | None" = None
    ) -> Self:
        """Compute means and standard deviations in blocks, and draw them.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, channels)
            Images, uint8 in [0, 255] or floating in [0, 1]. May be memory-mapped.
        y : array-like of shape (n_samples,)
            Labels. 1 is shown as parasitized and 0 as uninfected.
        ax : matplotlib Axes, default=None
            Axes on which to draw. None creates a new figure.

        Returns
        -------
        display : MeanImageDisplay
            Display object.

        Raises
        ------
        ValueError, TypeError
            If an argument is invalid.
        """
        images = check_images(X)
        labels = as_labels(y, "y")
        check_length(labels, len(images), name="y")
        classes, codes = np.unique(labels, return_inverse=True)
        moments = [
            _moments(images, np.flatnonzero(codes == code))
            for code in range(len(classes))
        ]
        return cls(
            classes=classes,
            means=np.stack([mean for mean, _ in moments]),
            standard_deviations=np.stack([deviation for _, deviation in moments]),
        ).plot(ax)

    def plot(self, ax: "Axes | None" = None) -> Self:
        """Draw the images.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes on which to draw. None creates a new figure.

        Returns
        -------
        display : MeanImageDisplay
            Display object.
        """
        names = [class_name(label) for label in self.classes]
        spread = self.standard_deviations.mean(axis=-1)
        n_columns = 3 if len(names) == 2 else len(names)
        self.figure_, self.axes_ = axes_grid(
            ax, (2, n_columns), (2.3 * n_columns + 1.2, 5.1), "Mean images by class"
        )
        for column, name in enumerate(names):
            show_image(self.axes_[0, column], self.means[column], title=name)
            shown = show_image(
                self.axes_[1, column],
                spread[column],
                cmap="cividis",
                vmax=spread.max() or 1,
            )
        self._add_colorbar(shown, self.axes_[1, len(names) - 1])
        if len(names) == 2:
            self.axes_[0, 2].set_title(
                f"{names[1]}\nminus {names[0]}", fontsize="small"
            )
            for axes, values in zip(
                self.axes_[:, 2], (self.means.mean(axis=-1), spread), strict=True
            ):
                difference = values[1] - values[0]
                limit = np.abs(difference).max() or 1
                shown = show_image(
                    axes, difference, cmap="RdBu_r", vmin=-limit, vmax=limit
                )
                self._add_colorbar(shown, axes)
        for axes, what in zip(
            self.axes_[:, 0], ("mean", "standard deviation"), strict=True
        ):
            axes.set_ylabel(what)
        return self

    def _add_colorbar(self, shown: Any, axes: Any) -> None:
        # In axes coordinates, so that all images have the same size.
        bar = self.figure_.colorbar(shown, cax=axes.inset_axes((1.04, 0, 0.06, 1)))
        bar.ax.tick_params(labelsize="small")


def _moments(
    images: NDArray[Any], rows: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation of some images, in [0, 1]."""
    total, squares = np.zeros((2, *images.shape[1:]))
    # Sums of uint8 values and of their squares are exact in float64.
    for part in gen_batches(len(rows), max(1, _BLOCK_BYTES // (8 * images[0].size))):
        block = images[rows[part]].astype(np.float64)
        total += block.sum(axis=0)
        squares += np.einsum("n...,n...->...", block, block)
    scale = 255 if images.dtype == np.uint8 else 1
    mean = total / len(rows)
    variance = np.maximum(squares / len(rows) - mean**2, 0)
    return mean / scale, np.sqrt(variance) / scale
