"""Every figure as a function of how often each patient counts."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from malariafuse._cells import Cells

Floats = NDArray[np.float64]

N_BINS = 10


class Measures:
    """Figures of weighted patients, for many rows of weights at a time.

    Row `b` of the weights says how often each patient counts: all ones give the figure
    itself, what a bootstrap drew gives a resample, one zero leaves one patient out.
    A figure that is undefined is NaN. The threshold is one, or one for each cell.
    """

    def __init__(
        self, cells: Cells, threshold: float | Floats, names: tuple[str, ...]
    ) -> None:
        self.names = names
        self._tally = _Tally(cells, threshold)
        self._ranking = _Ranking(cells)

    def __call__(self, weights: Floats) -> Floats:
        """Return the figures: a row for each row of `weights`, a column for a name."""
        with np.errstate(invalid="ignore", divide="ignore"):
            total = self._tally.weighted(weights)
            if not _FROM_RANKS.isdisjoint(self.names):
                total |= self._ranking.weighted(weights)
            return np.stack([_FIGURES[name](total) for name in self.names], axis=1)


class _Tally:
    """Sums over the cells of each patient, from which most figures follow."""

    def __init__(self, cells: Cells, threshold: float | Floats) -> None:
        positive = cells.target == 1
        called = cells.probability >= threshold
        excess = cells.probability - cells.target
        bins = np.minimum((cells.probability * N_BINS).astype(int), N_BINS - 1)
        sums = {
            "tp": cells.sums(positive & called),
            "fn": cells.sums(positive & ~called),
            "fp": cells.sums(~positive & called),
            "tn": cells.sums(~positive & ~called),
            "squares": cells.sums(excess**2),
        }
        for number, name in enumerate(EXCESS):
            sums[name] = cells.sums(excess * (bins == number))
        positives = sums["tp"] + sums["fn"]
        infected = positives > 0
        sums["infected"] = infected.astype(float)
        recalls = np.divide(
            sums["tp"], positives, out=np.zeros_like(positives), where=infected
        )
        # The recall of a cell is no recall of a patient.
        sums["recalls"] = recalls if cells.by_patient else np.full_like(recalls, np.nan)
        self._names = tuple(sums)
        self._sums = np.stack(list(sums.values()), axis=1)

    def weighted(self, weights: Floats) -> dict[str, Floats]:
        return dict(zip(self._names, (weights @ self._sums).T, strict=True))


class _Ranking:
    """Cells by their probability, for AUC and average precision.

    Of each positive cell it is known how many negative cells lie above it, and how many
    at or above it, and the same of positive cells. Weights of cells, summed from the
    top, turn these places into numbers of cells.
    """

    def __init__(self, cells: Cells) -> None:
        order = np.argsort(-cells.probability, kind="stable")
        ranked = -cells.probability[order]
        positive = cells.target[order] == 1
        cluster = cells.cluster[order]
        self._positive, self._negative = cluster[positive], cluster[~positive]
        self._above = np.searchsorted(ranked[~positive], ranked[positive], "left")
        self._at_or_above = np.searchsorted(
            ranked[~positive], ranked[positive], "right"
        )
        self._found = np.searchsorted(ranked[positive], ranked[positive], "right")

    def weighted(self, weights: Floats) -> dict[str, Floats]:
        of_positive = np.take(weights, self._positive, axis=1)
        found = _sums_from_top(of_positive)
        alarms = _sums_from_top(np.take(weights, self._negative, axis=1))
        positives, negatives = found[:, -1], alarms[:, -1]
        hits = np.take(found, self._found, axis=1)
        at_or_above = np.take(alarms, self._at_or_above, axis=1)
        # A tie counts half.
        ahead = (np.take(alarms, self._above, axis=1) + at_or_above) / 2
        pairs_lost = np.einsum("ij,ij->i", of_positive, ahead)
        # The maximum is for cells that were not drawn, and whose weight is 0.
        precision = hits / np.maximum(hits + at_or_above, 1)
        return {
            "AUC": 1 - pairs_lost / (positives * negatives),
            "average precision": np.einsum("ij,ij->i", of_positive, precision)
            / positives,
        }


def _sums_from_top(weights: Floats) -> Floats:
    """Return the sums of the first 0, 1, 2, ... columns."""
    sums = np.zeros((len(weights), weights.shape[1] + 1))
    np.cumsum(weights, axis=1, out=sums[:, 1:])
    return sums


def _n_cells(n: dict[str, Floats]) -> Floats:
    return n["tp"] + n["fn"] + n["fp"] + n["tn"]


def _matthews(n: dict[str, Floats]) -> Floats:
    called, others = n["tp"] + n["fp"], n["tn"] + n["fn"]
    positives, negatives = n["tp"] + n["fn"], n["tn"] + n["fp"]
    return (n["tp"] * n["tn"] - n["fp"] * n["fn"]) / np.sqrt(
        called * others * positives * negatives
    )


def _calibration_error(n: dict[str, Floats]) -> Floats:
    return np.abs([n[name] for name in EXCESS]).sum(axis=0) / _n_cells(n)


_COUNTED: dict[str, Callable[[dict[str, Floats]], Floats]] = {
    "recall": lambda n: n["tp"] / (n["tp"] + n["fn"]),
    "specificity": lambda n: n["tn"] / (n["tn"] + n["fp"]),
    "precision": lambda n: n["tp"] / (n["tp"] + n["fp"]),
    "F1": lambda n: 2 * n["tp"] / (2 * n["tp"] + n["fp"] + n["fn"]),
    "accuracy": lambda n: (n["tp"] + n["tn"]) / _n_cells(n),
    "MCC": _matthews,
    "AUC": lambda n: n["AUC"],
    "average precision": lambda n: n["average precision"],
    "Brier score": lambda n: n["squares"] / _n_cells(n),
    "calibration error": _calibration_error,
    "patient-averaged recall": lambda n: n["recalls"] / n["infected"],
}
METRICS = tuple(_COUNTED)
# Figures that do not count cells, and so come much closer to 0 or 1 than by one cell.
FINE = frozenset({"AUC", "average precision", "Brier score", "calibration error"})
RANGE_FROM = {"MCC": -1.0}  # others from 0

# By how much the probabilities of one tenth of 0..1 exceed the labels there.
EXCESS = tuple(f"excess {number}" for number in range(N_BINS))


def _per_cell(name: str) -> Callable[[dict[str, Floats]], Floats]:
    return lambda n: n[name] / _n_cells(n)


_FIGURES = _COUNTED | {name: _per_cell(name) for name in EXCESS}
_FROM_RANKS = frozenset({"AUC", "average precision"})


def check_metrics(metrics: Sequence[str]) -> tuple[str, ...]:
    """Return `metrics` as a tuple; raise ValueError unless all are known."""
    unknown = [name for name in metrics if name not in METRICS]
    if isinstance(metrics, str) or not len(metrics) or unknown:
        raise ValueError(
            f"metrics={metrics!r}: expected some of {', '.join(METRICS)}, in a tuple."
        )
    return tuple(metrics)
