"""Bounds if only a few patients have an error.

Resamples are then uninformative: they differ mainly in whether they contain those
patients. A recall of n patients, k of whom have a missed cell, is bounded in two ways
that make no assumption about the patients. The tighter bound is used.

1. The proportion of patients with a missed cell is at most the bound of Clopper and
   Pearson for k of n. All cells of such patients may be missed.
2. The product of the ratios of the patients' recalls to the mean recall has the mean 1.
   By Markov's inequality it exceeds 1 / tail with a probability of at most `tail`. So
   the mean is at least the geometric mean of the recalls times tail^(1/n).

Without errors, both equal the bound for unseen patients. Each error lowers both.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from malariafuse._cells import Cells
from malariafuse.evaluation._measures import Floats, Ranking, Tally

# Resamples are ignored if at most this many patients have an error, and used alone if
# three times as many have one.
_FEW, _FEW_OF = 5, 1 / 8


@dataclass(frozen=True)
class Shares:
    """Proportions, one per row, as sums of right values and totals by patient.

    `wrong` marks the patients with an error.
    """

    of_patients: Floats
    right: Floats
    wrong: NDArray[np.bool_]

    def low(self, tail: Floats, units: Floats) -> Floats:
        """Return the lower bounds, each at the level `tail`."""
        weight = self._weight()
        nothing = self.of_patients == 0
        own = np.divide(
            self.right, self.of_patients, out=np.ones_like(weight), where=~nothing
        )
        # Summed directly, so that it is exactly 0 if all patients have an error.
        rest = (weight * ~self.wrong).sum(axis=-1)
        others = np.where(self.wrong, 0, weight * own).sum(axis=-1)
        others = np.divide(others, rest, out=np.ones_like(rest), where=rest > 0)
        k = (1 - rest) * units
        bound = beta.isf(tail, k + 1, np.maximum(units - k, 1e-9))
        most = np.where(rest > 0, bound, 1)
        with np.errstate(divide="ignore"):  # a patient without any right value
            logs = np.where(self.wrong & (weight > 0), weight * np.log(own), 0)
            of_means = rest * np.log(others) + logs.sum(axis=-1)
            markov = np.exp(np.log(tail) / units + of_means)
        return np.maximum((1 - most) * others, markov)

    def share_wrong(self) -> Floats:
        """Return the weighted proportion of patients with an error."""
        return np.asarray((self._weight() * self.wrong).sum(axis=-1))

    def _weight(self) -> Floats:
        total = self.of_patients.sum(axis=-1, keepdims=True)
        return self.of_patients / np.where(total > 0, total, np.nan)


def weight_of_draws(n_wrong: Floats, units: Floats) -> Floats:
    """Return the weight of the resamples, in [0, 1], given the patients with errors."""
    few = np.minimum(_FEW, _FEW_OF * units)
    return np.clip((n_wrong - few) / (2 * few), 0, 1)


@dataclass(frozen=True)
class Few:
    """Value that is a proportion, with the proportions of right and wrong values."""

    right: Shares
    wrong: Shares

    @classmethod
    def counted(cls, right: Floats, wrong: Floats) -> "Few":
        """Return the proportions in which every value is either right or wrong."""
        total = right + wrong
        return cls(Shares(total, right, wrong > 0), Shares(total, wrong, right > 0))

    def bounds(self, tail: Floats, units: Floats) -> tuple[Floats, Floats]:
        return self.right.low(tail, units), 1 - self.wrong.low(tail, units)

    def weights_of_draws(self, units: Floats) -> tuple[Floats, Floats]:
        """Return the weights of the resamples for the lower and the upper bound."""
        low, high = (
            weight_of_draws(shares.share_wrong() * units, units)
            for shares in (self.right, self.wrong)
        )
        return low, high


def few_of_metrics(
    cells: Cells, tally: Tally, ranking: Ranking
) -> dict[str, list[Few]]:
    """Return the proportions that metrics are, or the two that they follow from."""
    n = tally.of_patients
    gross = cells.sums(np.abs(cells.probability - cells.target) >= 0.5) > 0
    n_cells = n["tp"] + n["fn"] + n["fp"] + n["tn"]
    recall, specificity = Few.counted(n["tp"], n["fn"]), Few.counted(n["tn"], n["fp"])
    # The sizes of errors are the complement of a proportion.
    sizes = Few(
        Shares(n_cells, n["squares"], n["squares"] < n_cells),
        Shares(n_cells, n_cells - n["squares"], gross),
    )
    return {
        "recall": [recall],
        "specificity": [specificity],
        "precision": [Few.counted(n["tp"], n["fp"])],
        "f1": [Few.counted(2 * n["tp"], n["fp"] + n["fn"])],
        "accuracy": [Few.counted(n["tp"] + n["tn"], n["fp"] + n["fn"])],
        "mcc": [recall, specificity],
        "roc_auc": [Few.counted(*of_class) for of_class in ranking.pairs_of_patients()],
        "brier_score": [sizes],
        "patient_averaged_recall": [
            Few.counted(n["recalls"], n["infected"] - n["recalls"])
        ],
    }
