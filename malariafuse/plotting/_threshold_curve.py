"""Display of recall and specificity as functions of the threshold."""

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
    """Plot of recall and specificity against the threshold, with confidence bands.

    Create it with :meth:`from_estimator` or :meth:`from_predictions`.

    Parameters
    ----------
    table : DataFrame
        Table as returned by :func:`malariafuse.evaluation.threshold_table`, with
        thresholds as index and the columns "recall", "recall_low", "recall_high",
        "specificity", "specificity_low" and "specificity_high".
    marked_threshold : float, default=None
        Threshold to mark, or None.

    Attributes
    ----------
    lines_ : dict of str to matplotlib Line2D
        Curves "recall" and "specificity".
    bands_ : dict of str to matplotlib PolyCollection
        Bands of the intervals.
    ax_ : matplotlib Axes
        Axes with the curves.
    figure_ : matplotlib Figure
        Figure of the axes.

    See Also
    --------
    malariafuse.evaluation.threshold_table : Compute the table.
    malariafuse.model_selection.choose_threshold : Choose a decision threshold.

    Notes
    -----
    A band is pointwise: it holds for each threshold separately. It is absent if the
    value is 0 or 1 in every resample.

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
        """Classify cells and draw the curves.

        Parameters
        ----------
        estimator : estimator
            Fitted classifier of two classes with `predict_proba`, or a pipeline that
            ends in one.
        X : array-like of shape (n_samples, ...)
            Input of `estimator`. The estimator must not be fitted on the patients of
            these cells.
        y : array-like of shape (n_samples,)
            True labels, from the classes of `estimator`.
        groups : array-like of shape (n_samples,), default=None
            Patient of each cell. At least two patients are required. None treats every
            cell as a separate patient, which makes the bands too narrow.
        pos_label : int, float, bool or str, default=None
            Class of parasitized cells. None uses the `pos_label` of `estimator`, or of
            the last step of a pipeline, if it has one, and 1 for the classes 0 and 1.
            It is required for other classes.
        marked_threshold : float, default=None
            Threshold to mark, in [0, 1], or None.
        random_state : int, RandomState instance or None, default=None
            Random seed or generator of the bootstrap. Pass an int for reproducible
            bands.
        ax : matplotlib Axes, default=None
            Axes on which to draw. None creates a new figure.

        Returns
        -------
        display : ThresholdCurveDisplay
            Display object.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If `estimator` is not fitted.
        ValueError
            If an argument is invalid, or `y` has only one class.
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
        """Compute the curves with confidence intervals, and draw them.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels: 1 for a parasitized cell, 0 for an uninfected cell. Other
            labels require `pos_label`.
        y_prob : array-like of shape (n_samples,)
            Probability that a cell is parasitized, in [0, 1]. The classifier must not
            be fitted on the patients of these cells.
        groups : array-like of shape (n_samples,), default=None
            Patient of each cell. At least two patients are required. None treats every
            cell as a separate patient, which makes the bands too narrow.
        pos_label : int, float, bool or str, default=None
            Label of parasitized cells. None requires the labels 0 and 1, or booleans.
        marked_threshold : float, default=None
            Threshold to mark, in [0, 1], or None.
        random_state : int, RandomState instance or None, default=None
            Random seed or generator of the bootstrap. Pass an int for reproducible
            bands.
        ax : matplotlib Axes, default=None
            Axes on which to draw. None creates a new figure.

        Returns
        -------
        display : ThresholdCurveDisplay
            Display object.

        Raises
        ------
        ValueError
            If an argument is invalid, or `y_true` has only one class.
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
            Axes on which to draw. None creates a new figure.

        Returns
        -------
        display : ThresholdCurveDisplay
            Display object.
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
                label=f"threshold {self.marked_threshold:.4g}",
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
