"""Display of the recall of each patient."""

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from malariafuse._parameters import Reals, check_parameter
from malariafuse.evaluation import patient_table
from malariafuse.plotting._axes import single_axes
from malariafuse.plotting._response import judge, judge_and_decide
from malariafuse.plotting._style import GRAY, RECALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_N_NAMED = 5
_LINE = 12  # height of a label, in points


class PatientRecallDisplay:
    """Plot of recall against the number of parasitized cells, by patient.

    Create it with :meth:`from_estimator` or :meth:`from_predictions`.

    Parameters
    ----------
    table : DataFrame
        Table as returned by :func:`malariafuse.evaluation.patient_table`: one row for
        each patient, indexed by patient, with the columns "parasitized", "found" and
        "recall". Patients without parasitized cells are not drawn.
    threshold : float, default=None
        Decision threshold shown in the title, or None.

    Attributes
    ----------
    points_ : matplotlib PathCollection
        Points, one for each infected patient.
    ax_ : matplotlib Axes
        Axes with the points.
    figure_ : matplotlib Figure
        Figure of the axes.

    See Also
    --------
    PatientBalanceDisplay : Bar chart of the number of cells of each patient.
    malariafuse.evaluation.patient_table : Compute the table.

    Notes
    -----
    The dashed line is the recall over all cells, which is dominated by the patients on
    the right. The dotted line is the mean of the patients' recalls. The patients with
    the lowest recall are labeled.

    Examples
    --------
    >>> from malariafuse.plotting import PatientRecallDisplay
    >>> display = PatientRecallDisplay.from_predictions(
    ...     [1, 1, 1, 1, 0], [0.9, 0.8, 0.2, 0.7, 0.1], [7, 7, 3, 3, 5]
    ... )
    >>> display.table["recall"].to_dict()
    {3: 0.5, 7: 1.0}
    """

    def __init__(self, *, table: pd.DataFrame, threshold: float | None = None) -> None:
        self.table = table
        self.threshold = threshold

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        groups: ArrayLike,
        *,
        pos_label: Any = None,
        threshold: float | None = None,
        ax: "Axes | None" = None,
    ) -> Self:
        """Classify cells and draw the recall of each patient.

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
        groups : array-like of shape (n_samples,)
            Patient of each cell.
        pos_label : int, float, bool or str, default=None
            Class of parasitized cells. None uses the `pos_label` of `estimator`, or of
            the last step of a pipeline, if it has one, and 1 for the classes 0 and 1.
            It is required for other classes.
        threshold : float, default=None
            Decision threshold, in [0, 1]. A cell is called parasitized if its
            probability is at least the threshold. None uses the decisions of
            `estimator.predict`.
        ax : matplotlib Axes, default=None
            Axes on which to draw. None creates a new figure.

        Returns
        -------
        display : PatientRecallDisplay
            Display object.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If `estimator` is not fitted.
        ValueError
            If an argument is invalid, or no cell is parasitized.
        """
        if threshold is not None:
            check_parameter("threshold", threshold, [Reals(0, 1)])
        if threshold is None:
            y_true, y_prob, decisions = judge_and_decide(estimator, X, y, pos_label)
            return cls.from_predictions(
                y_true, y_prob, groups, decisions=decisions, ax=ax
            )
        y_true, y_prob = judge(estimator, X, y, pos_label)
        return cls.from_predictions(y_true, y_prob, groups, threshold=threshold, ax=ax)

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_prob: ArrayLike,
        groups: ArrayLike,
        *,
        pos_label: Any = None,
        threshold: float = 0.5,
        decisions: ArrayLike | None = None,
        ax: "Axes | None" = None,
    ) -> Self:
        """Compute the recall of each patient, and draw it.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels: 1 for a parasitized cell, 0 for an uninfected cell. Other
            labels require `pos_label`.
        y_prob : array-like of shape (n_samples,)
            Probability that a cell is parasitized, in [0, 1].
        groups : array-like of shape (n_samples,)
            Patient of each cell.
        pos_label : int, float, bool or str, default=None
            Label of parasitized cells. None requires the labels 0 and 1, or booleans.
        threshold : float, default=0.5
            Decision threshold, in [0, 1]. A cell is called parasitized if its
            probability is at least the threshold.
        decisions : array-like of shape (n_samples,), default=None
            Decision for each cell: 1 if it is called parasitized, otherwise 0. None
            applies `threshold`, which is ignored if decisions are given.
        ax : matplotlib Axes, default=None
            Axes on which to draw. None creates a new figure.

        Returns
        -------
        display : PatientRecallDisplay
            Display object.

        Raises
        ------
        ValueError
            If an argument is invalid, or no cell is parasitized.
        """
        table = _infected(
            patient_table(
                y_true,
                y_prob,
                groups,
                threshold=threshold,
                decisions=decisions,
                pos_label=pos_label,
            )
        )
        if table.empty:
            raise ValueError(
                "y_true has no parasitized cell (label "
                f"{1 if pos_label is None else pos_label!r}): recall is undefined."
            )
        decided_by = threshold if decisions is None else None
        return cls(table=table, threshold=decided_by).plot(ax)

    def plot(self, ax: "Axes | None" = None) -> Self:
        """Draw the points.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes on which to draw. None creates a new figure.

        Returns
        -------
        display : PatientRecallDisplay
            Display object.

        Raises
        ------
        ValueError
            If no patient in `table` has parasitized cells.
        """
        table = _infected(self.table)
        if table.empty:
            raise ValueError(
                "table has no patient with parasitized cells: recall is undefined."
            )
        self.figure_, self.ax_ = single_axes(ax, (7, 4.5))
        self.points_ = self.ax_.scatter(
            table["parasitized"], table["recall"], color=RECALL, alpha=0.7, zorder=3
        )
        pooled = table["found"].sum() / table["parasitized"].sum()
        for height, style, label in (
            (pooled, "--", "all cells"),
            (table["recall"].mean(), ":", "mean of the patients"),
        ):
            self.ax_.axhline(
                height, color=GRAY, ls=style, label=f"{label}: {height:.3f}"
            )
        self._scale_cells(table)
        title = f"Recall of each of {len(table)} infected patients"
        if self.threshold is not None:
            title += f" (threshold {self.threshold:.4g})"
        self.ax_.set(
            ylim=(-0.04, 1.04),
            xlabel="parasitized cells of the patient",
            ylabel="recall (sensitivity)",
            title=title,
        )
        self._name_the_worst(table)
        self.ax_.grid(alpha=0.3)
        self.ax_.legend(loc="lower right")
        return self

    def _scale_cells(self, table: pd.DataFrame) -> None:
        counts = table["parasitized"]
        low, high = counts.min() / 1.5, counts.max() * 1.5
        ticks = [step * 10**power for power in range(7) for step in (1, 2, 5)]
        shown = [tick for tick in ticks if low <= tick <= high]
        self.ax_.set(xscale="log", xlim=(low, high))
        self.ax_.set_xticks(shown, [f"{tick:,}" for tick in shown])
        self.ax_.set_xticks([], minor=True)

    def _name_the_worst(self, table: pd.DataFrame) -> None:
        low, high = np.log(self.ax_.get_xlim())
        bottom, top = self.ax_.get_ylim()
        points = 72 / self.figure_.dpi * self.ax_.get_window_extent().height
        unit = (top - bottom) / points
        named = table[table["recall"] < 1].nsmallest(_N_NAMED, "recall")[::-1]
        line = {"arrowstyle": "-", "color": GRAY}
        heights = _spread(
            list(named["recall"]), _LINE * unit, bottom + _LINE / 2 * unit
        )
        for rank, (patient, row) in enumerate(named.iterrows()):
            # Labels alternate between both sides, but stay inside the frame.
            place = (np.log(row["parasitized"]) - low) / (high - low)
            left = place > 0.8 or (place > 0.2 and rank % 2 == 1)
            moved = (heights[rank] - row["recall"]) / unit
            self.ax_.annotate(
                f"patient {patient}",
                (row["parasitized"], row["recall"]),
                xytext=(-6 if left else 6, moved),
                textcoords="offset points",
                fontsize="small",
                ha="right" if left else "left",
                va="center",
                arrowprops=line if abs(moved) > 1 else None,
            )


def _spread(heights: list[float], gap: float, lowest: float) -> list[float]:
    """Move descending heights apart by `gap`, down where there is room."""
    for above, below in pairwise(range(len(heights))):
        heights[below] = min(heights[below], heights[above] - gap)
    for steps, position in enumerate(reversed(range(len(heights)))):
        heights[position] = max(heights[position], lowest + steps * gap)
    return heights


def _infected(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["parasitized"] > 0]
