"""Display of grids of images: samples, errors and label issues."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state

from malariafuse._arrays import as_labels, check_length
from malariafuse._cells import check_cells
from malariafuse._images import check_images
from malariafuse._parameters import RANDOM_STATE, OneOf, Reals, check_parameter
from malariafuse.plotting._axes import axes_grid, show_image
from malariafuse.plotting._checks import check_count
from malariafuse.plotting._style import class_name, counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_N_COLUMNS = 6
# True class of the cells, and a description of the error.
_KINDS = {"misses": (1, "missed"), "false_alarms": (0, "called parasitized")}


class ImageGridDisplay:
    """Display of a grid of images with titles.

    Use :meth:`from_images` to show samples, :meth:`from_predictions` to show the worst
    errors of a classifier, or :meth:`from_label_issues` to show suspected label errors.

    Parameters
    ----------
    images : ndarray of shape (n_images, height, width, channels)
        Images, uint8 in [0, 255] or floating in [0, 1]. May be empty.
    titles : sequence of str
        Title of each image.
    rows : ndarray of shape (n_images,), int
        Indices of the images in the data.
    title : str
        Title of the figure.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes, shape (n_rows, n_columns)
        Axes, one for each image. Unused axes are empty.
    figure_ : matplotlib Figure
        Figure of the axes.

    See Also
    --------
    GradCAMDisplay : Display of images with class activation maps.
    malariafuse.evaluation.label_issues : Find suspected label errors.

    Examples
    --------
    >>> from malariafuse.datasets import make_cell_images
    >>> from malariafuse.plotting import ImageGridDisplay
    >>> cells = make_cell_images(40, 4, image_size=(16, 16), random_state=0)
    >>> display = ImageGridDisplay.from_images(cells.images, cells.target, n_images=4)
    >>> display.titles
    ['uninfected', 'uninfected', 'parasitized', 'parasitized']
    """

    def __init__(
        self,
        *,
        images: NDArray[Any],
        titles: Sequence[str],
        rows: NDArray[np.int64],
        title: str,
    ) -> None:
        self.images = images
        self.titles = titles
        self.rows = rows
        self.title = title

    @classmethod
    def from_images(
        cls,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        groups: ArrayLike | None = None,
        n_images: int = 18,
        random_state: int | np.random.RandomState | None = None,
        ax: "Axes | None" = None,
    ) -> Self:
        """Show random images, the same number from each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, channels)
            Images, uint8 in [0, 255] or floating in [0, 1]. May be memory-mapped.
        y : array-like of shape (n_samples,), default=None
            Labels. 1 is shown as parasitized and 0 as uninfected. None draws from all
            images.
        groups : array-like of shape (n_samples,), default=None
            Patients, shown in the titles.
        n_images : int, default=18
            Maximum number of images.
        random_state : int, RandomState instance or None, default=None
            Random seed or generator. Pass an int for reproducible images.
        ax : matplotlib Axes, default=None
            Axes on which to draw. None creates a new figure.

        Returns
        -------
        display : ImageGridDisplay
            Display object.

        Raises
        ------
        ValueError, TypeError
            If an argument is invalid.
        """
        images = check_images(X)
        labels = None if y is None else as_labels(y, "y")
        patients = None if groups is None else as_labels(groups, "groups")
        for name, values in (("y", labels), ("groups", patients)):
            if values is not None:
                check_length(values, len(images), name=name)
        check_count(n_images, "n_images")
        check_parameter("random_state", random_state, RANDOM_STATE)
        rows = _draw_rows(labels, len(images), n_images, random_state)
        return cls(
            images=np.asarray(images[rows]),
            titles=[
                _title(
                    None if labels is None else class_name(labels[row]),
                    None if patients is None else patients[row],
                )
                for row in rows
            ],
            rows=rows,
            title=f"{len(rows)} of {counted(len(images), 'cell')}",
        ).plot(ax)

    @classmethod
    def from_predictions(
        cls,
        X: ArrayLike,
        y_true: ArrayLike,
        y_prob: ArrayLike,
        *,
        groups: ArrayLike | None = None,
        kind: Literal["misses", "false_alarms"] = "misses",
        threshold: float = 0.5,
        pos_label: Any = None,
        n_images: int = 18,
        ax: "Axes | None" = None,
    ) -> Self:
        """Show wrong decisions with their probabilities, worst first.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, channels)
            Images, uint8 in [0, 255] or floating in [0, 1]. May be memory-mapped.
        y_true : array-like of shape (n_samples,)
            True labels: 1 for a parasitized cell, 0 for an uninfected cell. Other
            labels require `pos_label`.
        y_prob : array-like of shape (n_samples,)
            Probability that a cell is parasitized, in [0, 1].
        groups : array-like of shape (n_samples,), default=None
            Patients, shown in the titles.
        kind : {"misses", "false_alarms"}, default="misses"
            Kind of wrong decisions. "misses" are parasitized cells below the threshold,
            in ascending order of probability. "false_alarms" are uninfected cells at or
            above the threshold, in descending order.
        threshold : float, default=0.5
            Decision threshold, in [0, 1]. A cell is called parasitized if its
            probability is at least the threshold.
        pos_label : int, float, bool or str, default=None
            Label of parasitized cells. None requires the labels 0 and 1, or booleans.
        n_images : int, default=18
            Maximum number of images.
        ax : matplotlib Axes, default=None
            Axes on which to draw. None creates a new figure.

        Returns
        -------
        display : ImageGridDisplay
            Display object. If there is no such error, it has no images and a
            corresponding title.

        Raises
        ------
        ValueError, TypeError
            If an argument is invalid.
        """
        images = check_images(X)
        cells = check_cells(
            y_true,
            y_prob,
            groups,
            pos_label=pos_label,
            groups_optional=True,
            both_classes=False,
            n_patients=1,
        )
        check_length(cells.target, len(images), name="y_true")
        check_parameter("threshold", threshold, [Reals(0, 1)])
        check_count(n_images, "n_images")
        check_parameter("kind", kind, [OneOf(*_KINDS)])
        label, what = _KINDS[kind]
        among = cells.target == label
        called = cells.probability >= threshold
        found = np.flatnonzero(among & (called != (label == 1)))
        distance = np.abs(cells.probability[found] - threshold)
        rows = found[np.argsort(-distance, kind="stable")][:n_images]
        title = (
            f"{len(found):,} of {among.sum():,} {class_name(label)} cells {what} "
            f"at threshold {threshold:.4g}"
        )
        if len(rows) < len(found):
            title += f": the worst {len(rows)}"
        patients = None if groups is None else cells.names[cells.cluster]
        return cls(
            images=np.asarray(images[rows]),
            titles=[
                _title(
                    _in_words(cells.probability[row]),
                    None if patients is None else patients[row],
                )
                for row in rows
            ],
            rows=rows,
            title=title,
        ).plot(ax)

    @classmethod
    def from_label_issues(
        cls,
        X: ArrayLike,
        issues: pd.DataFrame,
        *,
        n_images: int = 18,
        ax: "Axes | None" = None,
    ) -> Self:
        """Show suspected label errors in the order of their table.

        The title of each image is its label, the probability that the cell is
        parasitized and, if available, the patient.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, channels)
            Images of all evaluated cells, uint8 in [0, 255] or floating in [0, 1]. May
            be memory-mapped.
        issues : DataFrame
            Table from :func:`malariafuse.evaluation.label_issues`, or a subset of its
            rows. Its index is the index of a cell in `X`.
        n_images : int, default=18
            Maximum number of images, from the first rows of `issues`.
        ax : matplotlib Axes, default=None
            Axes on which to draw. None creates a new figure.

        Returns
        -------
        display : ImageGridDisplay
            Display object. If there are no issues, it has no images and a corresponding
            title.

        Raises
        ------
        ValueError, TypeError
            If an argument is invalid.
        """
        images = check_images(X)
        _check_issues(issues, len(images))
        check_count(n_images, "n_images")
        shown = issues.head(n_images)
        rows = shown.index.to_numpy(np.int64)
        title = (
            f"{len(shown):,} of {counted(len(issues), 'label')} to look at again"
            if len(issues)
            else "No label to look at again"
        )
        patients = shown["patient"] if "patient" in shown else [None] * len(shown)
        return cls(
            images=np.asarray(images[rows]),
            titles=[
                _title(
                    f"labeled {class_name(label)}\n{_in_words(probability)}", patient
                )
                for label, probability, patient in zip(
                    shown["label"], shown["probability"], patients, strict=True
                )
            ],
            rows=rows,
            title=title,
        ).plot(ax)

    def plot(self, ax: "Axes | None" = None) -> Self:
        """Draw the grid.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes on which to draw. None creates a new figure.

        Returns
        -------
        display : ImageGridDisplay
            Display object.
        """
        n_columns = max(1, min(_N_COLUMNS, len(self.images)))
        n_rows = max(1, -(-len(self.images) // n_columns))
        lines = max((title.count("\n") + 1 for title in self.titles), default=0)
        self.figure_, self.axes_ = axes_grid(
            ax,
            (n_rows, n_columns),
            (8, (1.35 + 0.17 * lines) * n_rows + 0.5),
            self.title,
        )
        for axes in self.axes_.flat:
            axes.set_axis_off()
        for axes, image, title in zip(
            self.axes_.flat, self.images, self.titles, strict=False
        ):
            show_image(axes, image, title=title)
        return self


def _draw_rows(
    labels: NDArray[Any] | None,
    n_samples: int,
    n_images: int,
    random_state: int | np.random.RandomState | None,
) -> NDArray[np.int64]:
    """Return random rows, stratified by class if there are labels."""
    order = check_random_state(random_state).permutation(n_samples)
    if labels is None:
        return order[:n_images]
    codes = np.unique(labels, return_inverse=True)[1][order]
    # Rank of each row within its class. The first rows of each class are used.
    rank = np.empty(n_samples, dtype=np.int64)
    for code in np.unique(codes):
        rank[codes == code] = np.arange((codes == code).sum())
    taken = np.lexsort((codes, rank))[:n_images]
    return order[taken[np.lexsort((rank[taken], codes[taken]))]]


def _check_issues(issues: pd.DataFrame, n_samples: int) -> None:
    """Raise unless `issues` is a table from label_issues for this number of images."""
    if not isinstance(issues, pd.DataFrame):
        raise TypeError(
            f"issues is of type {type(issues).__name__}: expected a DataFrame from "
            "label_issues."
        )
    # An index with another name may be the row numbers of the table itself.
    if (
        issues.index.name != "position"
        or issues.index.dtype.kind not in "iu"
        or not {"label", "probability"} <= set(issues)
    ):
        raise ValueError(
            f"issues has the index {issues.index.name!r} and the columns "
            f"{issues.columns.tolist()}: expected the index 'cell' and the columns "
            "'label' and 'probability', as label_issues returns them."
        )
    if len(issues) and not 0 <= issues.index.min() <= issues.index.max() < n_samples:
        raise ValueError(
            f"issues has cells up to {issues.index.max()}, but X has {n_samples} "
            "images: expected the images of all evaluated cells, in the same order."
        )


def _title(first: str | None, patient: Any) -> str:
    lines = [first] if first is not None else []
    return "\n".join(lines + ([f"patient {patient}"] if patient is not None else []))


def _in_words(probability: float) -> str:
    # Thresholds may be far below .001.
    return f"p = {probability:{'.3f' if probability >= 0.001 else '.1g'}}"
