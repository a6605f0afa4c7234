"""Displays of the numbers of cells by class and by patient."""

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from malariafuse._arrays import as_labels
from malariafuse._patients import check_patients
from malariafuse.plotting._axes import single_axes
from malariafuse.plotting._style import CLASS_COLORS, class_name, counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_NAMES = 30  # Maximum number of patient names without overlap.


class ClassBalanceDisplay:
    """Bar chart of the number of cells of each class.

    Create it with :meth:`from_target`.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        Class labels.
    counts : ndarray of shape (n_classes,), int
        Number of cells of each class.

    Attributes
    ----------
    bars_ : matplotlib BarContainer
        One bar for each class.
    ax_ : matplotlib Axes
        Axes with the bars.
    figure_ : matplotlib Figure
        Figure of the axes.

    See Also
    --------
    PatientBalanceDisplay : Bar chart of the number of cells of each patient.

    Examples
    --------
    >>> from malariafuse.plotting import ClassBalanceDisplay
    >>> display = ClassBalanceDisplay.from_target([0, 1, 1, 0, 1])
    >>> display.counts.tolist()
    [2, 3]
    """

    def __init__(self, *, classes: NDArray[Any], counts: NDArray[np.int64]) -> None:
        self.classes = classes
        self.counts = counts

    @classmethod
    def from_target(cls, y: ArrayLike, *, ax: "Axes | None" = None) -> Self:
        """Count the cells of each class and draw the bars.

        Parameters
        ----------
        y : array-like of shape (n_samples,)
            Labels. 1 is shown as parasitized and 0 as uninfected.
        ax : matplotlib Axes, default=None
            Axes on which to draw. None creates a new figure.

        Returns
        -------
        display : ClassBalanceDisplay
            Display object.

        Raises
        ------
        ValueError
            If `y` is not one-dimensional, is empty, or has missing values.
        """
        classes, counts = np.unique(as_labels(y, "y"), return_counts=True)
        return cls(classes=classes, counts=counts).plot(ax)

    def plot(self, ax: "Axes | None" = None) -> Self:
        """Draw the bars.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes on which to draw. None creates a new figure.

        Returns
        -------
        display : ClassBalanceDisplay
            Display object.
        """
        self.figure_, self.ax_ = single_axes(ax, (5, 4))
        total = int(self.counts.sum())
        self.bars_ = self.ax_.bar(
            [class_name(label) for label in self.classes],
            self.counts,
            color=_colors(len(self.classes)),
            width=0.6,
        )
        self.ax_.bar_label(
            self.bars_, [f"{n:,} ({n / total:.1%})" for n in self.counts], padding=2
        )
        self.ax_.margins(y=0.1)
        self.ax_.set(ylabel="cells", title=f"{counted(total, 'cell')} by class")
        return self


class PatientBalanceDisplay:
    """Stacked bar chart of the number of cells of each patient, by class.

    Most of the parasitized cells often come from a few patients, which then dominate
    metrics over all cells.

    Create it with :meth:`from_target`.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        Class labels.
    patients : ndarray of shape (n_patients,)
        Patients, in descending order of the number of cells.
    counts : ndarray of shape (n_patients, n_classes), int
        Number of cells of each patient and class.

    Attributes
    ----------
    bars_ : list of matplotlib BarContainer
        Bars of each class, with one bar for each patient.
    ax_ : matplotlib Axes
        Axes with the bars.
    figure_ : matplotlib Figure
        Figure of the axes.

    See Also
    --------
    ClassBalanceDisplay : Bar chart of the number of cells of each class.
    PatientRecallDisplay : Recall of each patient.

    Examples
    --------
    >>> from malariafuse.plotting import PatientBalanceDisplay
    >>> display = PatientBalanceDisplay.from_target([0, 1, 1, 0], [7, 7, 7, 3])
    >>> display.patients.tolist(), display.counts.tolist()
    ([7, 3], [[1, 2], [1, 0]])
    """

    def __init__(
        self,
        *,
        classes: NDArray[Any],
        patients: NDArray[Any],
        counts: NDArray[np.int64],
    ) -> None:
        self.classes = classes
        self.patients = patients
        self.counts = counts

    @classmethod
    def from_target(
        cls, y: ArrayLike, groups: ArrayLike, *, ax: "Axes | None" = None
    ) -> Self:
        """Count the cells of each patient and draw the bars.

        Parameters
        ----------
        y : array-like of shape (n_samples,)
            Labels. 1 is shown as parasitized and 0 as uninfected.
        groups : array-like of shape (n_samples,)
            Patient of each cell.
        ax : matplotlib Axes, default=None
            Axes on which to draw. None creates a new figure.

        Returns
        -------
        display : PatientBalanceDisplay
            Display object.

        Raises
        ------
        ValueError
            If `y` and `groups` are not one-dimensional and of the same length, are
            empty, or have missing values.
        """
        classes, codes = np.unique(as_labels(y, "y"), return_inverse=True)
        rows, patients = check_patients(groups, len(codes))
        counts = np.zeros((len(patients), len(classes)), dtype=np.int64)
        np.add.at(counts, (rows, codes), 1)
        order = np.argsort(-counts.sum(axis=1), kind="stable")
        return cls(
            classes=classes, patients=patients[order], counts=counts[order]
        ).plot(ax)

    def plot(self, ax: "Axes | None" = None) -> Self:
        """Draw the bars.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes on which to draw. None creates a new figure.

        Returns
        -------
        display : PatientBalanceDisplay
            Display object.
        """
        self.figure_, self.ax_ = single_axes(ax, (8, 4))
        places = np.arange(len(self.patients))
        # The last class, parasitized cells, is at the bottom, so that its heights are
        # comparable.
        bottom = np.zeros(len(self.patients), dtype=np.int64)
        self.bars_: list[Any] = []
        for column in reversed(range(len(self.classes))):
            heights = self.counts[:, column]
            self.bars_.insert(
                0,
                self.ax_.bar(
                    places,
                    heights,
                    bottom=bottom,
                    width=0.9,
                    color=_colors(len(self.classes))[column],
                    label=class_name(self.classes[column]),
                ),
            )
            bottom = bottom + heights
        totals = self.counts.sum(axis=1)
        if len(self.patients) > _MOST_NAMES:
            self.ax_.set(xticks=[], xlabel="patients, by number of cells")
        else:
            names = [str(patient) for patient in self.patients]
            self.ax_.set_xticks(places, names, rotation=90 if len(names) > 12 else 0)
            self.ax_.set_xlabel("patient")
        self.ax_.set(
            ylabel="cells",
            xlim=(-0.8, len(self.patients) - 0.2),
            title=f"{counted(int(totals.sum()), 'cell')} of "
            f"{counted(len(self.patients), 'patient')} "
            f"(median {np.median(totals):g})",
        )
        self.ax_.legend()
        return self


def _colors(n_classes: int) -> list[str]:
    return [CLASS_COLORS[code % len(CLASS_COLORS)] for code in range(n_classes)]
