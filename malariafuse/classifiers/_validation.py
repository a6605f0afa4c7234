"""Which samples are set aside for validation."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedShuffleSplit


def split_rows(
    codes: NDArray[np.int64],
    groups: NDArray[Any] | None,
    validation_fraction: float,
    seed: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return training and validation rows, by whole groups where groups are known.

    With groups, one of 1 / `validation_fraction` folds, rounded, is set aside: of those
    with every class on both sides, the one of most usual size.
    """
    n_classes = int(codes.max()) + 1
    if groups is None:
        if np.bincount(codes).min() < 2:
            raise ValueError(
                "early_stopping=True needs at least 2 samples of each class in y, one "
                "of them for validation. Set early_stopping=False."
            )
        n_validation = max(round(validation_fraction * len(codes)), n_classes)
        splitter = StratifiedShuffleSplit(
            1, test_size=min(n_validation, len(codes) - n_classes), random_state=seed
        )
        return next(splitter.split(codes, codes))
    n_groups = len(np.unique(groups))
    if n_groups < 2:
        raise ValueError(
            "groups names one patient only: early_stopping=True needs at least 2, to "
            "validate on patients that are not trained on. Set early_stopping=False or "
            "pass more patients."
        )
    n_splits = min(
        max(round(1 / validation_fraction), 2), n_groups, np.bincount(codes).min()
    )
    folds = (
        StratifiedGroupKFold(n_splits, shuffle=True, random_state=seed).split(
            codes, codes, groups
        )
        if n_splits > 1
        else ()
    )
    # One-sided patients can leave a fold, or what is left to train on, without a class.
    possible = [
        fold
        for fold in folds
        if all(len(set(codes[rows])) == n_classes for rows in fold)
    ]
    if not possible:
        raise ValueError(
            "groups cannot be divided so that every class of y is on both sides of the "
            "validation that early_stopping=True needs. Set early_stopping=False or "
            "pass more patients."
        )
    wanted = len(codes) / n_splits
    return min(possible, key=lambda fold: abs(len(fold[1]) - wanted))
