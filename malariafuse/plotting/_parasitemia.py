"""Displays of parasitemia by photograph, and of estimated against true parasitemia."""

from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from malariafuse._parameters import Instances, check_parameter
from malariafuse.evaluation import parasitemia_scores
from malariafuse.patients import PatientResult
from malariafuse.plotting._axes import single_axes
from malariafuse.plotting._style import BLUE, GRAY, VERMILION

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LEAST = 0.0005  # minimum of estimates on a logarithmic axis, which has no 0


class ParasitemiaDisplay:
    r"""Plot of the parasitemia of each photograph of a patient, with intervals.

    Create it with :meth:`from_result`.

    Parameters
    ----------
    photos : DataFrame
        One row for each photograph, with the columns "n_cells", "fraction", "low" and
        "high", as in :class:`malariafuse.patients.PatientResult`.
    fraction, low, high : float
        Parasitemia of the patient and its interval, in [0, 1]. NaN is not drawn.

    Attributes
    ----------
    bars_ : matplotlib ErrorbarContainer
        Points and intervals.
    ax_ : matplotlib Axes
        Axes with the points.
    figure_ : matplotlib Figure
        Figure of the axes.

    See Also
    --------
    SmearDisplay : Display of a photograph with outlined cells.

    Notes
    -----
    The interval of a photograph includes the variation between patients, so it is wider
    than the interval of the count alone.

    Examples
    --------
    >>> import pandas as pd
    >>> from malariafuse.plotting import ParasitemiaDisplay
    >>> photos = pd.DataFrame(
    ...     {"n_cells": [200, 0], "fraction": [0.02, None], "low": [0.01, None],
    ...      "high": [0.06, None]}
    ... )
    >>> display = ParasitemiaDisplay(photos=photos, fraction=0.02, low=0.01, high=0.06)
    >>> [label.get_text() for label in display.plot().ax_.get_xticklabels()]
    ['1\n200 cells', '2\n0 cells']
    """

    def __init__(
        self, *, photos: pd.DataFrame, fraction: float, low: float, high: float
    ) -> None:
        self.photos = photos
        self.fraction = fraction
        self.low = low
        self.high = high

    @classmethod
    def from_result(cls, result: PatientResult, *, ax: "Axes | None" = None) -> Self:
        """Draw the parasitemia of a patient.

        Parameters
        ----------
        result : PatientResult
            Result of :meth:`malariafuse.patients.SmearReader.read`.
        ax : matplotlib Axes, default=None
            Axes on which to draw. None creates a new figure.

        Returns
        -------
        display : ParasitemiaDisplay
            Display object.

        Raises
        ------
        TypeError
            If `result` has an invalid type.
        """
        check_parameter(
            "result", result, (Instances(PatientResult, "a PatientResult"),)
        )
        return cls(
            photos=result.photos,
            fraction=result.fraction,
            low=result.low,
            high=result.high,
        ).plot(ax)

    def plot(self, ax: "Axes | None" = None) -> Self:
        """Draw the points and intervals.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes on which to draw. None creates a new figure.

        Returns
        -------
        display : ParasitemiaDisplay
            Display object.
        """
        self.figure_, self.ax_ = single_axes(ax, (7, 4.5))
        percent = 100 * self.photos[["fraction", "low", "high"]].astype(float)
        places = np.arange(len(percent))
        self.bars_ = self.ax_.errorbar(
            places, percent["fraction"], _reach(percent), fmt="o", color=BLUE, capsize=3
        )
        if not np.isnan(self.fraction):
            self.ax_.axhline(
                100 * self.fraction,
                color=VERMILION,
                label=f"patient: {self.fraction:.2%} "
                f"({self.low:.2%} to {self.high:.2%})",
            )
            self.ax_.axhspan(
                100 * self.low, 100 * self.high, color=VERMILION, alpha=0.1
            )
            self.ax_.legend(loc="upper right")
        self.ax_.set(
            xlabel="photograph",
            ylabel="parasitemia in % of the red cells",
            title=f"Parasitemia in each of {len(percent)} photograph(s)",
            xlim=(-0.5, len(percent) - 0.5),
        )
        self.ax_.set_ylim(bottom=0)
        labels = [f"{i + 1}\n{n} cells" for i, n in enumerate(self.photos["n_cells"])]
        self.ax_.set_xticks(places, labels)
        self.ax_.grid(axis="y", alpha=0.3)
        return self


class ParasitemiaCalibrationDisplay:
    """Plot of estimated against true parasitemia of infected patients.

    Create it with :meth:`from_estimates`.

    Parameters
    ----------
    table : DataFrame
        One row for each infected patient, with the columns "true" and "estimated" and,
        if known, "low" and "high", in [0, 1].
    tolerance : float, default=0.25
        Maximum relative error of a close estimate.

    Attributes
    ----------
    bars_ : matplotlib ErrorbarContainer
        Points and intervals.
    ax_ : matplotlib Axes
        Axes with the points, with logarithmic scales.
    figure_ : matplotlib Figure
        Figure of the axes.

    See Also
    --------
    malariafuse.evaluation.parasitemia_scores : Compute the agreement.

    Notes
    -----
    Estimates below 0.05 % are drawn at 0.05 %, because a logarithmic axis has no 0.

    Examples
    --------
    >>> from malariafuse.plotting import ParasitemiaCalibrationDisplay
    >>> display = ParasitemiaCalibrationDisplay.from_estimates(
    ...     [0.01, 0.02, 0.1], [0.011, 0.03, 0.09]
    ... )
    >>> display.ax_.get_xscale()
    'log'
    """

    def __init__(self, *, table: pd.DataFrame, tolerance: float = 0.25) -> None:
        self.table = table
        self.tolerance = tolerance

    @classmethod
    def from_estimates(
        cls,
        true: ArrayLike,
        estimated: ArrayLike,
        low: ArrayLike | None = None,
        high: ArrayLike | None = None,
        *,
        tolerance: float = 0.25,
        ax: "Axes | None" = None,
    ) -> Self:
        """Draw estimated against true parasitemia.

        Parameters
        ----------
        true, estimated, low, high : array-like of shape (n_patients,)
            Parasitized fractions, as in
            :func:`malariafuse.evaluation.parasitemia_scores`.
        tolerance : float, default=0.25
            Maximum relative error of a close estimate, above 0.
        ax : matplotlib Axes, default=None
            Axes on which to draw. None creates a new figure.

        Returns
        -------
        display : ParasitemiaCalibrationDisplay
            Display object.

        Raises
        ------
        ValueError
            If an argument is invalid, or no patient has parasites.
        """
        parasitemia_scores(true, estimated, low, high, tolerance=tolerance)
        columns = {"true": true, "estimated": estimated, "low": low, "high": high}
        known = {k: np.asarray(v, float) for k, v in columns.items() if v is not None}
        table = pd.DataFrame(known)
        return cls(table=table[table["true"] > 0], tolerance=tolerance).plot(ax)

    def plot(self, ax: "Axes | None" = None) -> Self:
        """Draw the points and intervals.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes on which to draw. None creates a new figure.

        Returns
        -------
        display : ParasitemiaCalibrationDisplay
            Display object.
        """
        self.figure_, self.ax_ = single_axes(ax, (6, 6))
        percent = (100 * self.table).clip(lower=100 * _LEAST)
        reach = None
        if "low" in percent:
            reach = _reach(percent.rename(columns={"estimated": "fraction"}))
        self.bars_ = self.ax_.errorbar(
            percent["true"],
            percent["estimated"],
            reach,
            fmt="o",
            color=VERMILION,
            ecolor=GRAY,
            elinewidth=0.7,
            markersize=4,
        )
        ends = np.array([100 * _LEAST, 100.0])
        self.ax_.plot(ends, ends, color=GRAY, label="exact")
        self.ax_.fill_between(
            ends,
            ends * (1 - self.tolerance),
            ends * (1 + self.tolerance),
            color=BLUE,
            alpha=0.15,
            label=f"within {self.tolerance:.0%}",
        )
        largest = min(100.0, 1.5 * float(percent.max().max()))
        lowest = 0.9 * 100 * _LEAST
        self.ax_.set(
            xscale="log",
            yscale="log",
            xlim=(lowest, largest),
            ylim=(lowest, largest),
            xlabel="true parasitemia in %",
            ylabel="estimated parasitemia in %",
            title=f"Parasitemia of {len(percent)} infected patients",
        )
        ticks = [tick for tick in (0.1, 1, 10, 100) if tick <= largest]
        for axis in (self.ax_.xaxis, self.ax_.yaxis):
            axis.set_ticks(ticks, [f"{tick:g}" for tick in ticks])
        self.ax_.grid(alpha=0.3)
        self.ax_.legend(loc="upper left")
        return self


def _reach(percent: pd.DataFrame) -> NDArray[Any]:
    """Return the distances of the bounds below and above the points."""
    below = (percent["fraction"] - percent["low"]).clip(lower=0)
    above = (percent["high"] - percent["fraction"]).clip(lower=0)
    return np.stack([below, above])
