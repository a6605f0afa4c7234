"""Cells of patients who differ; importable by the tests of several packages."""

import numpy as np
from scipy.special import expit


def draw_cells(
    seed: int,
    *,
    n_patients: int = 40,
    spread: float = 1.2,
    n_uninfected: int = 20,
    n_parasitized: tuple[int, int] = (1, 60),
):
    """Labels, probabilities and patients; a quarter of the patients is healthy.

    The cells of a patient have a difficulty in common, of `spread` in logits.
    """
    random = np.random.default_rng(seed)
    parasitized = random.integers(*n_parasitized, n_patients)
    parasitized[::4] = 0
    patient = np.concatenate(
        [
            np.repeat(np.arange(n_patients), n_uninfected),
            np.repeat(np.arange(n_patients), parasitized),
        ]
    )
    y = np.repeat([0, 1], [n_patients * n_uninfected, parasitized.sum()])
    difficulty = random.normal(0, spread, (2, n_patients))
    score = np.where(y == 1, 2.5, -3) + difficulty[y, patient]
    return y, expit(score + random.normal(0, 1.2, len(y))), patient
