"""Recall and specificity as functions of the threshold."""

from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from malariafuse._cells import check_both_classes
from malariafuse._parameters import Reals, check_parameter
from malariafuse.evaluation import threshold_table
from malariafuse.plotting._axes import single_axes
from malariafuse.plotting._response import judge
from malariafuse.plotting._style import GRAY, RECALL, SPECIFICITY

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class ThresholdCurveDisplay:
    """Recall and specificity as functions of the threshold, with bands.

    Use :meth:`from_estimator` or :meth:`from_predictions` to make one.

    Parameters
    ----------
    table : DataFrame
        Thresholds as index, and the columns "recall", "recall_low", "recall_high",
        "specificity", "specificity_low" and "specificity_high": as of
        :func:`malariafuse.evaluation.threshold_table`.
    marked_threshold : float, default=None
        Threshold to mark; None marks none.

    Attributes
    ----------
    lines_ : dict of str to matplotlib Line2D
        The curves "recall" and "specificity".
    bands_ : dict of str to matplotlib PolyCollection
        Their intervals.
    ax_ : matplotlib Axes
        Axes with the curves.
    figure_ : matplotlib Figure
        Figure that holds them.

    See Also
    --------
    malariafuse.evaluation.threshold_table : The table alone.
    malariafuse.model_selection.choose_threshold : Choose one for an aim.

    Notes
    -----
    A band holds for each threshold on its own. There is none where the value is 0 or 1
    in every draw of the patients.

    Examples
    --------
    >>> import numpy as np
    >>> from malariafuse.plotting import ThresholdCurveDisplay
    >>> rng = np.random.default_rng(0)
    >>> y_true = np.tile([0, 1], 100)
    >>> y_prob = np.clip(0.2 + 0.6 * y_true + rng.normal(0, 0.3, 200), 0, 1)
    >>> display = ThresholdCurveDisplay.from_predictions(
    ...     y_true, y_prob, groups=np.repeat(np.arange(20), 10), random_state=0
    ... )
    >>> display.table.shape
    (101, 6)
    """

    def __init__(
        self, *, table: pd.DataFrame, marked_threshold: float | None = None
    ) -> None:
        self.table = table
        self.marked_threshold = marked_threshold

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        groups: ArrayLike | None = None,
        *,
        pos_label: Any = None,
        marked_threshold: float | None = None,
        random_state: int | np.random.RandomState | None = None,
        ax: "Axes | None" = None,
    ) -> Self:
        """Judge cells by a fitted classifier and draw the curves.

        Parameters
        ----------
        estimator : estimator
            A fitted classifier of two classes, or a pipeline that ends in one, with
            `predict_proba`.
        X : array-like of shape (n_samples, ...)
            Input of `estimator`, of patients that it was not trained on.
        y : array-like of shape (n_samples,)
            True labels, out of the classes of `estimator`.
        groups : array-like of shape (n_samples,), default=None
            Patient of each cell; at least two. None takes every cell for a patient of
            its own, which makes the bands too narrow.
        pos_label : int, float, bool or str, default=None
            Class of parasitized cells. None takes the `pos_label` of `estimator`,
            or of the last step of a pipeline, where it has one, and 1 of the classes 0
            and 1. It has to be given with other classes.
        marked_threshold : float, default=None
            Threshold to mark, 0 to 1; None marks none.
        random_state : int, RandomState instance or None, default=None
            Random seed or generator for the draws of patients. Pass an int for the
            same bands in every call.
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.

        Returns
        -------
        display : ThresholdCurveDisplay
            The display.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If `estimator` is not fitted.
        ValueError
            If an argument is not as described, or `y` has one class only.
        """
        y_true, y_prob = judge(estimator, X, y, pos_label)
        check_both_classes(y_true, name="y")
        return cls.from_predictions(
            y_true,
            y_prob,
            groups,
            marked_threshold=marked_threshold,
            random_state=random_state,
            ax=ax,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_prob: ArrayLike,
        groups: ArrayLike | None = None,
        *,
        pos_label: Any = None,
        marked_threshold: float | None = None,
        random_state: int | np.random.RandomState | None = None,
        ax: "Axes | None" = None,
    ) -> Self:
        """Compute the curves and their intervals and draw them.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels: 1 = parasitized, 0 = uninfected, or others with `pos_label`.
        y_prob : array-like of shape (n_samples,)
            Probability that a cell is parasitized, 0 to 1, for patients that the
            classifier was not trained on.
        groups : array-like of shape (n_samples,), default=None
            Patient of each cell; at least two. None takes every cell for a patient of
            its own, which makes the bands too narrow.
        pos_label : int, float, bool or str, default=None
            Label of parasitized cells. None takes the labels 0 and 1, or booleans;
            other labels need it.
        marked_threshold : float, default=None
            Threshold to mark, 0 to 1; None marks none.
        random_state : int, RandomState instance or None, default=None
            Random seed or generator for the draws of patients. Pass an int for the
            same bands in every call.
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.

        Returns
        -------
        display : ThresholdCurveDisplay
            The display.

        Raises
        ------
        ValueError
            If an argument is not as described, or `y_true` has one class only.
        """
        if marked_threshold is not None:
            check_parameter("marked_threshold", marked_threshold, [Reals(0, 1)])
        table = threshold_table(
            y_true, y_prob, groups, pos_label=pos_label, random_state=random_state
        )
        return cls(table=table, marked_threshold=marked_threshold).plot(ax)

    def plot(self, ax: "Axes | None" = None) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.

        Returns
        -------
        display : ThresholdCurveDisplay
            The display itself.
        """
        self.figure_, self.ax_ = single_axes(ax, (7, 4.5))
        thresholds = self.table.index.to_numpy(float)
        self.lines_, self.bands_ = {}, {}
        for name, label, color, style in (
            ("recall", "recall (sensitivity)", RECALL, "-"),
            ("specificity", "specificity", SPECIFICITY, "--"),
        ):
            values = {
                part: self.table[f"{name}{part}"].to_numpy(float)
                for part in ("", "_low", "_high")
            }
            (self.lines_[name],) = self.ax_.plot(
                thresholds, values[""], color=color, ls=style, label=label
            )
            self.bands_[name] = self.ax_.fill_between(
                thresholds,
                values["_low"],
                values["_high"],
                color=color,
                alpha=0.2,
                lw=0,
            )
        if self.marked_threshold is not None:
            self.ax_.axvline(
                self.marked_threshold,
                color=GRAY,
                ls=":",
                label=f"threshold {self.marked_threshold:g}",
            )
        self.ax_.set(
            xlim=(0, 1),
            ylim=(-0.02, 1.02),
            xlabel="threshold on the probability of a parasite",
            ylabel="share of the cells",
            title="Recall and specificity by threshold",
        )
        self.ax_.grid(alpha=0.3)
        self.ax_.legend(loc="lower center")
        return self
