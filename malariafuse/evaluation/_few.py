"""Bounds where only a few patients have an error.

Draws say little then: whether a draw holds those patients is nearly all that varies.
A recall of n patients, k of whom have a missed cell, is bounded in two ways which
assume nothing about the patients, and the better of them counts.

1. Patients with a missed cell have a share of all patients that is at most the bound of
   Clopper and Pearson for k of n. All cells of such patients may be missed.
2. The product of the ratios of patients' recalls to the mean recall has the mean 1, and
   exceeds 1 / tail with at most the probability `tail` by Markov's inequality. So the
   mean is at least the geometric mean of the recalls times tail^(1/n).

Without an error both are the bound for unseen patients. Another error lowers each.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from malariafuse._cells import Cells
from malariafuse.evaluation._measures import Floats, Ranking, Tally

# Draws are not heard where at most so many patients have an error, in a study of any
# size, and are all that counts where three times as many have one.
_FEW, _FEW_OF = 5, 1 / 8


@dataclass(frozen=True)
class Shares:
    """Shares of what patients have, one a row: what is right, of how much.

    `wrong` says which patients have an error that counts as one.
    """

    of_patients: Floats
    right: Floats
    wrong: NDArray[np.bool_]

    def low(self, tail: Floats, units: Floats) -> Floats:
        """Return the bounds that the truth falls below with the probability `tail`."""
        weight = self._weight()
        nothing = self.of_patients == 0
        own = np.divide(
            self.right, self.of_patients, out=np.ones_like(weight), where=~nothing
        )
        # Summed as it is, to be 0 and no rounding error where all patients have one.
        rest = (weight * ~self.wrong).sum(axis=-1)
        others = np.where(self.wrong, 0, weight * own).sum(axis=-1)
        others = np.divide(others, rest, out=np.ones_like(rest), where=rest > 0)
        k = (1 - rest) * units
        bound = beta.isf(tail, k + 1, np.maximum(units - k, 1e-9))
        most = np.where(rest > 0, bound, 1)
        with np.errstate(divide="ignore"):  # a patient who is all wrong
            logs = np.where(self.wrong & (weight > 0), weight * np.log(own), 0)
            of_means = rest * np.log(others) + logs.sum(axis=-1)
            markov = np.exp(np.log(tail) / units + of_means)
        return np.maximum((1 - most) * others, markov)

    def share_wrong(self) -> Floats:
        """Return the share of patients with an error, each as large as it counts."""
        return np.asarray((self._weight() * self.wrong).sum(axis=-1))

    def _weight(self) -> Floats:
        total = self.of_patients.sum(axis=-1, keepdims=True)
        return self.of_patients / np.where(total > 0, total, np.nan)


def weight_of_draws(n_wrong: Floats, units: Floats) -> Floats:
    """Return how much the draws count, 0 to 1, if so many patients have an error."""
    few = np.minimum(_FEW, _FEW_OF * units)
    return np.clip((n_wrong - few) / (2 * few), 0, 1)


@dataclass(frozen=True)
class Few:
    """A value that is a share: of what is right, and of what is not."""

    right: Shares
    wrong: Shares

    @classmethod
    def counted(cls, right: Floats, wrong: Floats) -> "Few":
        """Return the shares where whatever is not right is wrong."""
        total = right + wrong
        return cls(Shares(total, right, wrong > 0), Shares(total, wrong, right > 0))

    def bounds(self, tail: Floats, units: Floats) -> tuple[Floats, Floats]:
        return self.right.low(tail, units), 1 - self.wrong.low(tail, units)

    def weights_of_draws(self, units: Floats) -> tuple[Floats, Floats]:
        """Return how much the draws count for the lower and the upper bound."""
        low, high = (
            weight_of_draws(shares.share_wrong() * units, units)
            for shares in (self.right, self.wrong)
        )
        return low, high


def few_of_metrics(
    cells: Cells, tally: Tally, ranking: Ranking
) -> dict[str, list[Few]]:
    """Return the shares that metrics are, or the two that they follow from."""
    n = tally.of_patients
    gross = cells.sums(np.abs(cells.probability - cells.target) >= 0.5) > 0
    n_cells = n["tp"] + n["fn"] + n["fp"] + n["tn"]
    recall, specificity = Few.counted(n["tp"], n["fn"]), Few.counted(n["tn"], n["fp"])
    # The sizes of errors are a share whose opposite is what few patients lack.
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
