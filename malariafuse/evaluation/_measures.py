"""Metrics as functions of the weights of patients."""

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from malariafuse._cells import Cells
from malariafuse._shown import short_repr

Floats = NDArray[np.float64]

N_BINS = 10


class Measures:
    """Metrics of weighted patients, for many rows of weights at once.

    A row of the weights has one weight for each patient. Ones give the metric itself,
    the counts of a bootstrap draw give a resample, and a single zero leaves a patient
    out. An undefined metric is NaN. The threshold is a scalar or an array with one
    value for each cell.
    """

    def __init__(
        self, cells: Cells, threshold: float | Floats, names: tuple[str, ...]
    ) -> None:
        self.names = names
        self._tally = Tally(cells, threshold)
        self._ranking = Ranking(cells)

    def __call__(self, weights: Floats) -> Floats:
        """Return the metrics, one row per row of `weights` and one column per name."""
        with np.errstate(invalid="ignore", divide="ignore"):
            total = self._tally.weighted(weights)
            if not _FROM_RANKS.isdisjoint(self.names):
                total |= self._ranking.weighted(weights)
            return np.stack([_FORMULAS[name](total) for name in self.names], axis=1)


class Tally:
    """Sums over the cells of each patient, from which most metrics are computed."""

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
        # Without patients, the patient-averaged recall is undefined.
        sums["recalls"] = recalls if cells.by_patient else np.full_like(recalls, np.nan)
        self.of_patients = sums
        self._names = tuple(sums)
        self._sums = np.stack(list(sums.values()), axis=1)

    def weighted(self, weights: Floats) -> dict[str, Floats]:
        return dict(zip(self._names, (weights @ self._sums).T, strict=True))


class Ranking:
    """Ranks of cells by probability, for the ROC AUC and the average precision.

    For each positive cell, the numbers of negative cells above it, of negative cells at
    or above it, and of positive cells at or above it are stored. They index cumulative
    sums of the weights, in descending order of probability.
    """

    def __init__(self, cells: Cells) -> None:
        order = np.argsort(-cells.probability, kind="stable")
        ranked = -cells.probability[order]
        positive = cells.target[order] == 1
        cluster = cells.cluster[order]
        self._positive, self._negative = cluster[positive], cluster[~positive]
        self._above = np.searchsorted(ranked[~positive], ranked[positive], "left")
        self.alarms = np.searchsorted(ranked[~positive], ranked[positive], "right")
        self.hits = np.searchsorted(ranked[positive], ranked[positive], "right")
        # For each negative cell, the number of positive cells below it. A tie counts
        # half.
        self._below = (
            self._positive.size
            - (
                np.searchsorted(ranked[positive], ranked[~positive], "left")
                + np.searchsorted(ranked[positive], ranked[~positive], "right")
            )
            / 2
        )
        self._n_clusters = cells.n_clusters

    def pairs_of_patients(self) -> list[tuple[Floats, Floats]]:
        """Return the concordant and discordant pairs of positive, then negative cells.

        They are sums over the cells of each patient, in numbers of cells of the other
        class.
        """
        lost_by_positive = (self._above + self.alarms) / 2
        pairs = []
        for cluster, lost, n_others in (
            (self._positive, lost_by_positive, self._negative.size),
            (self._negative, self._below, self._positive.size),
        ):
            right, wrong = (
                np.bincount(cluster, each, self._n_clusters).astype(float)
                for each in ((n_others - lost) / n_others, lost / n_others)
            )
            pairs.append((right, wrong))
        return pairs

    def weighted(self, weights: Floats) -> dict[str, Floats]:
        of_positive = np.take(weights, self._positive, axis=1)
        found = _sums_from_top(of_positive)
        negatives_found = _sums_from_top(np.take(weights, self._negative, axis=1))
        positives, negatives = found[:, -1], negatives_found[:, -1]
        hits = np.take(found, self.hits, axis=1)
        alarms = np.take(negatives_found, self.alarms, axis=1)
        # A tie counts half.
        ahead = (np.take(negatives_found, self._above, axis=1) + alarms) / 2
        pairs_lost = np.einsum("ij,ij->i", of_positive, ahead)
        # The maximum avoids 0 / 0 for cells that were not drawn, whose weight is 0.
        precision = hits / np.maximum(hits + alarms, 1)
        return {
            "roc_auc": 1 - pairs_lost / (positives * negatives),
            "average_precision": np.einsum("ij,ij->i", of_positive, precision)
            / positives,
        }


def _sums_from_top(weights: Floats) -> Floats:
    """Return the cumulative sums over columns, starting with 0."""
    sums = np.zeros((len(weights), weights.shape[1] + 1))
    np.cumsum(weights, axis=1, out=sums[:, 1:])
    return sums


Sums = dict[str, Floats]


def _positives(n: Sums) -> Floats:
    return n["tp"] + n["fn"]


def _negatives(n: Sums) -> Floats:
    return n["tn"] + n["fp"]


def _called(n: Sums) -> Floats:
    return n["tp"] + n["fp"]


def _n_cells(n: Sums) -> Floats:
    return _positives(n) + _negatives(n)


def matthews(n: Sums) -> Floats:
    """Return the Matthews correlation coefficient."""
    product = _called(n) * (n["tn"] + n["fn"]) * _positives(n) * _negatives(n)
    correlation = (n["tp"] * n["tn"] - n["fp"] * n["fn"]) / np.sqrt(product)
    return np.clip(correlation, -1, 1)


def _calibration_error(n: Sums) -> Floats:
    return np.abs([n[name] for name in EXCESS]).sum(axis=0) / _n_cells(n)


_METRICS: dict[str, Callable[[Sums], Floats]] = {
    "recall": lambda n: n["tp"] / _positives(n),
    "specificity": lambda n: n["tn"] / _negatives(n),
    "precision": lambda n: n["tp"] / _called(n),
    "f1": lambda n: 2 * n["tp"] / (2 * n["tp"] + n["fp"] + n["fn"]),
    "accuracy": lambda n: (n["tp"] + n["tn"]) / _n_cells(n),
    "mcc": matthews,
    "roc_auc": lambda n: n["roc_auc"],
    "average_precision": lambda n: n["average_precision"],
    "brier_score": lambda n: n["squares"] / _n_cells(n),
    "calibration_error": _calibration_error,
    "patient_averaged_recall": lambda n: n["recalls"] / n["infected"],
}
METRICS = tuple(_METRICS)
RANGE_FROM = {"mcc": -1.0}  # the lower end of other metrics is 0

# Cells that enter a metric, by class if the metric compares the classes.
COUNTED: dict[str, tuple[Callable[[Sums], Floats], ...]] = {
    "recall": (_positives,),
    "specificity": (_negatives,),
    "precision": (_called,),
    "f1": (lambda n: n["tp"] + n["fp"] + n["fn"],),
    "accuracy": (_n_cells,),
    "mcc": (_positives, _negatives),
    "roc_auc": (_positives, _negatives),
    "average_precision": (_positives, _negatives),
    "brier_score": (_n_cells,),
    "calibration_error": (_n_cells,),
    "patient_averaged_recall": (lambda n: n["infected"],),
}

# Sum of probability minus label in one tenth of [0, 1].
EXCESS = tuple(f"excess {number}" for number in range(N_BINS))


def _per_cell(name: str) -> Callable[[Sums], Floats]:
    return lambda n: n[name] / _n_cells(n)


_FORMULAS = _METRICS | {name: _per_cell(name) for name in EXCESS}
_FROM_RANKS = frozenset({"roc_auc", "average_precision"})


def check_metrics(metrics: Iterable[str]) -> tuple[str, ...]:
    """Return `metrics` as a tuple, or raise if a name is unknown or repeated."""
    expected = f"expected a tuple of names among {', '.join(METRICS)}"
    if isinstance(metrics, str) or not isinstance(metrics, Iterable):
        kind = ValueError if isinstance(metrics, str) else TypeError
        raise kind(f"metrics={short_repr(metrics)}: {expected}.")
    names = tuple(metrics)
    known = [isinstance(name, str) and name in METRICS for name in names]
    if not all(known) or not names:
        raise ValueError(f"metrics={short_repr(metrics)}: {expected}.")
    if len(set(names)) < len(names):
        raise ValueError(
            f"metrics={short_repr(metrics)}: expected names without repetition."
        )
    return names
