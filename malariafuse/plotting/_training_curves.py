"""Display of loss, accuracy and recall by epoch."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from malariafuse.plotting._axes import axes_grid
from malariafuse.plotting._checks import check_own
from malariafuse.plotting._style import BLUE, GRAY, ORANGE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from malariafuse.classifiers import BaseImageClassifier

_CURVES = ("loss", "accuracy", "recall")


class TrainingCurvesDisplay:
    """Plot of loss, accuracy and recall by epoch, in training and validation.

    Create it with :meth:`from_estimator`.

    Parameters
    ----------
    history : dict of str to list of float
        Metrics of each epoch by name, as in `history_` of a fitted classifier. `loss`,
        `accuracy` and `recall` are drawn, and the same metrics of the validation set,
        which have the prefix `val_`.

    Attributes
    ----------
    best_epoch_ : int or None
        Epoch with the lowest validation loss, starting at 1. None without validation.
    axes_ : ndarray of matplotlib Axes, shape (1, n_curves)
        Axes, one for each of loss, accuracy and recall in `history`.
    figure_ : matplotlib Figure
        Figure of the axes.

    Notes
    -----
    Training metrics are averaged over an epoch, in which the network changes, on
    augmented images and with dropout. Validation metrics are computed at the end of the
    epoch. They can be better for this reason alone.

    Examples
    --------
    >>> from malariafuse.plotting import TrainingCurvesDisplay
    >>> display = TrainingCurvesDisplay(
    ...     history={"loss": [0.7, 0.4, 0.2], "val_loss": [0.6, 0.5, 0.8]}
    ... )
    >>> display.plot().best_epoch_
    2
    """

    def __init__(self, *, history: Mapping[str, Sequence[float]]) -> None:
        self.history = history

    @classmethod
    def from_estimator(
        cls, estimator: "BaseImageClassifier", *, ax: "Axes | None" = None
    ) -> Self:
        """Draw the history of a fitted classifier.

        Parameters
        ----------
        estimator : estimator
            Fitted classifier with the attribute `history_`.
        ax : matplotlib Axes, default=None
            Axes on which to draw. None creates a new figure.

        Returns
        -------
        display : TrainingCurvesDisplay
            Display object.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If `estimator` is not fitted.
        TypeError
            If `estimator` has no history.
        """
        check_own(estimator, "history_", "the last step")
        return cls(history=estimator.history_).plot(ax)

    def plot(self, ax: "Axes | None" = None) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes on which to draw. None creates a new figure.

        Returns
        -------
        display : TrainingCurvesDisplay
            Display object.

        Raises
        ------
        ValueError
            If `history` has none of these metrics.
        """
        names = [name for name in _CURVES if name in self.history]
        if not names:
            raise ValueError(
                f"history has {', '.join(self.history) or 'no metrics'}: expected at "
                f"least one of {', '.join(_CURVES)}."
            )
        validation = self.history.get("val_loss")
        self.best_epoch_ = (
            None if validation is None else int(np.argmin(validation)) + 1
        )
        self.figure_, self.axes_ = axes_grid(
            ax, (1, len(names)), (3.2 * len(names) + 0.4, 3.5), "Training by epoch"
        )
        for axes, name in zip(self.axes_.flat, names, strict=True):
            self._draw(axes, name)
        self.axes_[0, 0].legend(loc="upper right", fontsize="small")
        return self

    def _draw(self, axes: Any, name: str) -> None:
        for key, color, label in (
            (name, BLUE, "training"),
            (f"val_{name}", ORANGE, "validation"),
        ):
            values = self.history.get(key)
            if values is not None:
                epochs = np.arange(1, len(values) + 1)
                axes.plot(epochs, values, color=color, marker=".", label=label)
        if self.best_epoch_ is not None:
            axes.axvline(
                self.best_epoch_,
                color=GRAY,
                ls="--",
                lw=1,
                label=f"lowest validation loss (epoch {self.best_epoch_})",
            )
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set(xlabel="epoch", title=name)
        if name == "loss":
            axes.set_ylim(0, 1.45 * axes.dataLim.ymax)  # leaves room for the legend
        axes.grid(alpha=0.3)
