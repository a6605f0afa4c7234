"""Display of the metrics of several classifiers."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from malariafuse._shown import short_repr
from malariafuse.evaluation import comparison_table
from malariafuse.plotting._axes import single_axes
from malariafuse.plotting._style import CLASS_COLORS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARKERS = "osD^vP*"
_LABELS = {
    "f1": "F1",
    "mcc": "MCC",
    "roc_auc": "ROC AUC",
    "brier_score": "Brier score",
    "calibration_error": "expected calibration error",
    "patient_averaged_recall": "patient-averaged recall",
}


class ComparisonDisplay:
    """Plot of the metrics of several classifiers with confidence intervals.

    Create it with :meth:`from_predictions` or :meth:`from_table`.

    Parameters
    ----------
    table : DataFrame
        Table as returned by :func:`malariafuse.evaluation.comparison_table`: one row
        for each classifier, and columns with two levels, the metric and "value", "low"
        or "high".

    Attributes
    ----------
    dots_ : list of matplotlib ErrorbarContainer
        Points and error bars of each classifier.
    ax_ : matplotlib Axes
        Axes of the plot.
    figure_ : matplotlib Figure
        Figure of the axes.

    See Also
    --------
    malariafuse.evaluation.comparison_table : Compute the table.
    malariafuse.evaluation.compare : Test the differences between classifiers.

    Notes
    -----
    The intervals of two classifiers may overlap although one classifier is
    significantly better, because the same patients are difficult for both. An error bar
    is omitted on the side of a bound that is NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from malariafuse.plotting import ComparisonDisplay
    >>> rng = np.random.default_rng(0)
    >>> patients = np.repeat(np.arange(20), 10)
    >>> y_true = np.tile([0, 1], 100)
    >>> display = ComparisonDisplay.from_predictions(
    ...     y_true,
    ...     {
    ...         "sharp": np.clip(y_true + rng.normal(0, 0.5, 200), 0, 1),
    ...         "blunt": np.clip(y_true + rng.normal(0, 1, 200), 0, 1),
    ...     },
    ...     patients,
    ...     random_state=0,
    ... )
    >>> display.table.index.tolist()
    ['sharp', 'blunt']
    """

    def __init__(self, *, table: pd.DataFrame) -> None:
        self.table = table

    @classmethod
    def from_table(cls, table: pd.DataFrame, *, ax: "Axes | None" = None) -> Self:
        """Draw a table of metrics.

        Parameters
        ----------
        table : DataFrame
            Table from :func:`malariafuse.evaluation.comparison_table`, or a part of it.
        ax : matplotlib Axes, default=None
            Axes on which to draw. None creates a new figure.

        Returns
        -------
        display : ComparisonDisplay
            Display object.

        Raises
        ------
        ValueError, TypeError
            If `table` is not a DataFrame, or has other columns.
        """
        if not isinstance(table, pd.DataFrame):
            raise TypeError(
                f"table={short_repr(table)}: expected a DataFrame from "
                "comparison_table."
            )
        if table.columns.nlevels != 2 or not all(
            {"value", "low", "high"} <= set(table[metric].columns)
            for metric in _metrics(table)
        ):
            raise ValueError(
                f"table has the columns {table.columns.tolist()}: expected the columns "
                "'value', 'low' and 'high' for each metric, as in the result of "
                "comparison_table."
            )
        return cls(table=table).plot(ax)

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        probabilities: Mapping[str, ArrayLike],
        groups: ArrayLike,
        *,
        threshold: float | Mapping[str, float] = 0.5,
        pos_label: Any = None,
        metrics: Sequence[str] = ("recall", "specificity", "accuracy", "roc_auc"),
        random_state: int | np.random.RandomState | None = None,
        ax: "Axes | None" = None,
    ) -> Self:
        """Compute metrics with confidence intervals, and draw them.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels: 1 for a parasitized cell, 0 for an uninfected cell. Other
            labels require `pos_label`.
        probabilities : mapping of str to array-like of shape (n_samples,)
            Probabilities that a cell is parasitized, in [0, 1], by name of the
            classifier. A classifier must not be fitted on the patients of these cells.
        groups : array-like of shape (n_samples,)
            Patient of each cell. At least two patients are required.
        threshold : float or mapping of str to float, default=0.5
            Decision threshold, in [0, 1]. A cell is called parasitized if its
            probability is at least the threshold. A mapping has one threshold for each
            classifier.
        pos_label : int, float, bool or str, default=None
            Label of parasitized cells. None requires the labels 0 and 1, or booleans.
        metrics : sequence of str, default=("recall", "specificity", "accuracy", \
                "roc_auc")
            Names of the metrics, without repetition. See
            :func:`malariafuse.evaluation.summarize` for the available metrics.
        random_state : int, RandomState instance or None, default=None
            Random seed or generator of the bootstrap. Pass an int for reproducible
            intervals.
        ax : matplotlib Axes, default=None
            Axes on which to draw. None creates a new figure.

        Returns
        -------
        display : ComparisonDisplay
            Display object.

        Raises
        ------
        ValueError
            If an argument is invalid, or `y_true` has only one class.
        """
        table = comparison_table(
            y_true,
            probabilities,
            groups,
            threshold=threshold,
            pos_label=pos_label,
            metrics=metrics,
            random_state=random_state,
        )
        return cls.from_table(table, ax=ax)

    def plot(self, ax: "Axes | None" = None) -> Self:
        """Draw the points and error bars.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes on which to draw. None creates a new figure.

        Returns
        -------
        display : ComparisonDisplay
            Display object.
        """
        names, metrics = self.table.index.tolist(), _metrics(self.table)
        self.figure_, self.ax_ = single_axes(
            ax, (8, 1.4 + len(metrics) * (0.25 + 0.17 * len(names)))
        )
        heights = np.arange(len(metrics))
        self.dots_ = []
        for number, name in enumerate(names):
            of_one = self.table.loc[name]
            value, low, high = (
                of_one.loc[[(metric, part) for metric in metrics]].to_numpy(float)
                for part in ("value", "low", "high")
            )
            reach = np.nan_to_num([value - low, high - value]).clip(min=0)
            offset = (number - (len(names) - 1) / 2) * 0.8 / len(names)
            self.dots_.append(
                self.ax_.errorbar(
                    value,
                    heights + offset,
                    xerr=reach,
                    fmt=_MARKERS[number % len(_MARKERS)],
                    color=CLASS_COLORS[number % len(CLASS_COLORS)],
                    capsize=3,
                    label=str(name),
                )
            )
        self.ax_.set_yticks(heights, [_label(metric) for metric in metrics])
        for border in heights[:-1] + 0.5:
            self.ax_.axhline(border, color="0.85", lw=0.8, zorder=0)
        self.ax_.set(
            ylim=(len(metrics) - 0.5, -0.5),
            xlabel="value, with its interval",
            title="Comparison of classifiers",
        )
        self.ax_.grid(axis="x", alpha=0.3)
        # Outside the axes, so that it does not cover an error bar.
        self.ax_.legend(loc="upper left", bbox_to_anchor=(1.01, 1), fontsize="small")
        return self


def _metrics(table: pd.DataFrame) -> list[Any]:
    return table.columns.get_level_values(0).unique().tolist()


def _label(metric: Any) -> str:
    return _LABELS.get(metric, str(metric).replace("_", " "))
