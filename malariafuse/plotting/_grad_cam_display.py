"""Display of class activation maps."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from malariafuse._arrays import as_labels, check_length
from malariafuse._images import check_images
from malariafuse.plotting._axes import axes_grid, show_image
from malariafuse.plotting._grad_cam import grad_cam, target_column
from malariafuse.plotting._style import class_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from malariafuse.classifiers import BaseImageClassifier

_N_COLUMNS = 6


class GradCAMDisplay:
    """Display of images with class activation maps.

    Create it with :meth:`from_estimator`.

    Parameters
    ----------
    images : ndarray of shape (n_images, height, width, channels)
        Images, uint8 in [0, 255] or floating in [0, 1].
    heatmaps : ndarray of shape (n_images, height, width)
        Maps in [0, 1], as returned by :func:`grad_cam`.
    titles : sequence of str
        Title of each image.
    title : str
        Title of the figure.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes, shape (2 * n_rows, n_columns)
        Axes, alternately a row of images and a row of the same images with maps.
    figure_ : matplotlib Figure
        Figure of the axes.

    See Also
    --------
    grad_cam : Compute the maps.
    ImageGridDisplay : Grid of images, such as the worst misses.

    Examples
    --------
    >>> from malariafuse import ConvNetClassifier
    >>> from malariafuse.datasets import make_cell_images
    >>> from malariafuse.plotting import GradCAMDisplay
    >>> cells = make_cell_images(40, 4, image_size=(16, 16), random_state=0)
    >>> classifier = ConvNetClassifier(filters=4, epochs=1, random_state=0)
    >>> classifier.fit(cells.images, cells.target)
    ConvNetClassifier(...)
    >>> GradCAMDisplay.from_estimator(classifier, cells.images[:3]).axes_.shape
    (2, 3)
    """

    def __init__(
        self,
        *,
        images: NDArray[Any],
        heatmaps: NDArray[np.float32],
        titles: Sequence[str],
        title: str,
    ) -> None:
        self.images = images
        self.heatmaps = heatmaps
        self.titles = titles
        self.title = title

    @classmethod
    def from_estimator(
        cls,
        estimator: "BaseImageClassifier",
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        class_of_interest: Any = None,
        layer: str | None = None,
        ax: "Axes | None" = None,
    ) -> Self:
        """Compute class activation maps and draw them.

        With ``fusion="average"``, vectors may determine the decision although the image
        has no evidence for the class. The titles therefore also show the probability of
        each branch.

        Parameters
        ----------
        estimator : estimator
            Fitted classifier of malariafuse. For a pipeline, pass its last step, and
            pass the output of the previous steps as `X`.
        X : array-like of shape (n_images, height, width, channels)
            Images to show (a few) of the shape seen in `fit`, uint8 in [0, 255] or
            floating in [0, 1].
        y : array-like of shape (n_images,), default=None
            True labels, shown in the titles.
        class_of_interest : label, default=None
            Class to explain, from `classes_`. None uses the positive class of two
            classes, and the most probable class of each image otherwise.
        layer : str, default=None
            Name of the layer with the feature map, see :func:`grad_cam`.
        ax : matplotlib Axes, default=None
            Axes on which to draw. None creates a new figure.

        Returns
        -------
        display : GradCAMDisplay
            Display object.

        Raises
        ------
        ValueError, TypeError
            If an argument is invalid, or the network has no feature map.
        NotImplementedError
            If the backend of Keras is not TensorFlow.
        """
        images = check_images(X)
        labels = None if y is None else as_labels(y, "y")
        if labels is not None:
            check_length(labels, len(images), name="y")
        heatmaps = grad_cam(
            estimator, images, class_of_interest=class_of_interest, layer=layer
        )
        probabilities = estimator.predict_proba(images)
        by_branch = _branch_probabilities(estimator, images)
        column = target_column(estimator, class_of_interest)
        names = [class_name(label) for label in estimator.classes_]
        titles = []
        for row, probability in enumerate(probabilities):
            lines = [] if labels is None else [class_name(labels[row])]
            shown = int(probability.argmax()) if column is None else column
            of_class = f"p({names[shown]})" if column is None else "p"
            lines += [f"{of_class} = {probability[shown]:.3f}"]
            lines += [f"{name} {p[row, shown]:.2f}" for name, p in by_branch.items()]
            titles.append("\n".join(lines))
        of = "the most probable class" if column is None else names[column]
        return cls(
            images=images,
            heatmaps=heatmaps,
            titles=titles,
            title=f"Class activation maps for {of}",
        ).plot(ax)

    def plot(self, ax: "Axes | None" = None) -> Self:
        """Draw the images and their maps.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes on which to draw. None creates a new figure.

        Returns
        -------
        display : GradCAMDisplay
            Display object.
        """
        n_columns = min(_N_COLUMNS, len(self.images))
        n_rows = -(-len(self.images) // n_columns)
        side = min(8 / n_columns, 2.2)
        lines = max((title.count("\n") + 1 for title in self.titles), default=0)
        self.figure_, self.axes_ = axes_grid(
            ax,
            (2 * n_rows, n_columns),
            (max(side * n_columns, 4), (2 * side + 0.2 * lines) * n_rows + 0.4),
            self.title,
        )
        for axes in self.axes_.flat:
            axes.set_axis_off()
        for number, image in enumerate(self.images):
            row, column = divmod(number, n_columns)
            above, below = self.axes_[2 * row : 2 * row + 2, column]
            show_image(above, image, title=self.titles[number])
            show_image(below, _grey(image), vmax=1)
            # Transparent where the map is 0, so that the image stays visible.
            show_image(
                below,
                self.heatmaps[number],
                cmap="viridis",
                vmax=1,
                alpha=0.75 * self.heatmaps[number],
            )
        return self


def _branch_probabilities(
    estimator: Any, images: NDArray[Any]
) -> dict[str, NDArray[np.float32]]:
    """Return the probabilities of each branch, or an empty dict."""
    if estimator._branch_logits not in {
        layer.name for layer in estimator.model_.layers
    }:
        return {}
    return estimator.branch_probabilities(images)


def _grey(image: NDArray[Any]) -> NDArray[np.float64]:
    return image.mean(axis=-1) / (255 if image.dtype == np.uint8 else 1)
