"""Bootstrap over patients."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from malariafuse._parameters import RANDOM_STATE, Integers, Reals, check_parameter

Floats = NDArray[np.float64]
Measure = Callable[[Floats], Floats]

_BLOCK_BYTES = 2**20  # bytes of the weights of all cells, which are copied a few times
_ROWS_AT_LEAST = 16  # with fewer, the sums of all clusters would be read too often
# Of resamples of many patients, 5 % lack three given patients, and 2 % lack four.
_UNDEFINED_AT_MOST = 0.03


@dataclass(frozen=True)
class Replicates:
    """Metrics, one per column, with their bootstrap and jackknife replicates."""

    value: Floats
    resampled: Floats
    left_out: Floats  # one row per left-out patient, or no rows
    n_clusters: int

    def of(self, columns: slice) -> "Replicates":
        """Return the replicates of some of the metrics."""
        return Replicates(
            self.value[columns],
            self.resampled[:, columns],
            self.left_out[:, columns],
            self.n_clusters,
        )


def replicate(
    measure: Measure,
    *,
    n_clusters: int,
    n_cells: int,
    n_resamples: int,
    random_state: int | RandomState | None,
) -> Replicates:
    """Evaluate `measure` on all clusters, on resamples, and without each cluster."""
    check_parameter("random_state", random_state, RANDOM_STATE)
    random = check_random_state(random_state)
    rows = max(_ROWS_AT_LEAST, _BLOCK_BYTES // (8 * n_cells))

    def drawn() -> Iterator[Floats]:
        for start in range(0, n_resamples, rows):
            n = min(rows, n_resamples - start)
            draws = random.randint(n_clusters, size=(n, n_clusters))
            cells_of_counts = draws + n_clusters * np.arange(n)[:, None]
            counts = np.bincount(cells_of_counts.ravel(), minlength=n * n_clusters)
            yield counts.reshape(n, n_clusters).astype(float)

    def all_but_one() -> Iterator[Floats]:
        # With so many clusters, the influence of a single one is negligible.
        for start in range(0, n_clusters if n_clusters <= n_resamples else 0, rows):
            left_out = np.arange(start, min(start + rows, n_clusters))
            weights = np.ones((len(left_out), n_clusters))
            weights[np.arange(len(left_out)), left_out] = 0
            yield weights

    value = measure(np.ones((1, n_clusters)))
    return Replicates(
        value[0],
        np.concatenate([measure(weights) for weights in drawn()]),
        np.concatenate([value[:0], *(measure(weights) for weights in all_but_one())]),
        n_clusters,
    )


def standard_error(replicates: Replicates) -> tuple[Floats, Floats]:
    """Return the bootstrap standard error and its degrees of freedom.

    If a few patients dominate the metric, the standard error is itself uncertain, and
    the degrees of freedom are low.
    """
    n = replicates.n_clusters
    undefined = np.isnan(replicates.resampled)
    unusable = undefined.mean(axis=0) > _UNDEFINED_AT_MOST
    resampled = np.where(unusable, 0.0, replicates.resampled)
    variance = np.nanvar(resampled, axis=0, ddof=1) * n / (n - 1)
    # Rounding errors do not count as spread.
    exact = np.nanmax(resampled, axis=0) - np.nanmin(resampled, axis=0) < 1e-12
    error = np.where(unusable, np.nan, np.where(exact, 0.0, np.sqrt(variance)))

    usable = ~np.isnan(replicates.left_out)
    left_out = np.where(usable, replicates.left_out, 0.0)
    mean = left_out.sum(axis=0) / np.maximum(usable.sum(axis=0), 1)
    squares = np.where(usable, left_out - mean, 0.0) ** 2
    total = squares.sum(axis=0)
    surplus = (squares**2).sum(axis=0) - total**2 / n
    freedom = np.full(len(total), n - 1.0)
    np.divide(2 * total**2, surplus, out=freedom, where=surplus > 1e-12 * total**2)
    return error, np.clip(freedom, 1, n - 1)


def check_resampling(n_resamples: int, confidence_level: float) -> None:
    """Raise ValueError if a parameter of the bootstrap is invalid."""
    check_parameter("n_resamples", n_resamples, [Integers(100, 10**6)])
    check_parameter("confidence_level", confidence_level, [Reals(0, 1, open_at="both")])
