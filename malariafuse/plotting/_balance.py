"""How many cells there are of each class and of each patient."""

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from malariafuse._arrays import as_labels
from malariafuse._patients import check_patients
from malariafuse.plotting._axes import single_axes
from malariafuse.plotting._style import CLASS_COLORS, class_name, counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_NAMES = 30  # More names of patients than this would overlap.


class ClassBalanceDisplay:
    """The number of cells of each class, as bars.

    Use :meth:`from_target` to make one.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        The labels.
    counts : ndarray of shape (n_classes,), int
        Cells of each class.

    Attributes
    ----------
    bars_ : matplotlib BarContainer
        One bar for each class.
    ax_ : matplotlib Axes
        Axes with the bars.
    figure_ : matplotlib Figure
        Figure that holds them.

    See Also
    --------
    PatientBalanceDisplay : The same for each patient.

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
        """Count the cells of each class and draw the result.

        Parameters
        ----------
        y : array-like of shape (n_samples,)
            Labels; 1 is called parasitized and 0 uninfected, others by themselves.
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.

        Returns
        -------
        display : ClassBalanceDisplay
            The display.

        Raises
        ------
        ValueError
            If `y` is not one-dimensional, or it is empty or has missing values.
        """
        classes, counts = np.unique(as_labels(y, "y"), return_counts=True)
        return cls(classes=classes, counts=counts).plot(ax)

    def plot(self, ax: "Axes | None" = None) -> Self:
        """Draw the bars.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.

        Returns
        -------
        display : ClassBalanceDisplay
            The display itself.
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
    """The number of cells of each patient, by class, as stacked bars.

    Few patients often hold most of the parasitized cells. A score over all cells is
    then a score of these patients.

    Use :meth:`from_target` to make one.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        The labels.
    patients : ndarray of shape (n_patients,)
        The patients, the one with the most cells first.
    counts : ndarray of shape (n_patients, n_classes), int
        Cells of each patient and class.

    Attributes
    ----------
    bars_ : list of matplotlib BarContainer
        The bars of each class, one bar for each patient.
    ax_ : matplotlib Axes
        Axes with the bars.
    figure_ : matplotlib Figure
        Figure that holds them.

    See Also
    --------
    ClassBalanceDisplay : The same for all patients together.
    PatientRecallDisplay : The recall of each patient.

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
        """Count the cells of each patient and draw the result.

        Parameters
        ----------
        y : array-like of shape (n_samples,)
            Labels; 1 is called parasitized and 0 uninfected, others by themselves.
        groups : array-like of shape (n_samples,)
            Patient of each cell.
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.

        Returns
        -------
        display : PatientBalanceDisplay
            The display.

        Raises
        ------
        ValueError
            If `y` and `groups` are not one-dimensional and of one length, or they are
            empty or have missing values.
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
            Axes to draw on. None makes a new figure.

        Returns
        -------
        display : PatientBalanceDisplay
            The display itself.
        """
        self.figure_, self.ax_ = single_axes(ax, (8, 4))
        places = np.arange(len(self.patients))
        # The last class, that of parasitized cells, stands on the axis: its heights can
        # be compared there.
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
