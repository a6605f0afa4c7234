"""Split of samples into training and validation."""

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedShuffleSplit

# Maximum number of folds. Each fold must have at least one patient.
_MOST_FOLDS = 20

Rows = NDArray[np.int64]


def split_rows(
    codes: NDArray[np.int64],
    groups: NDArray[Any] | None,
    validation_fraction: float,
    seed: int,
) -> tuple[Rows, Rows]:
    """Return training and validation rows, by group if groups are given.

    With groups, the samples are divided into folds, and the number of validation folds
    is that of `validation_fraction`: 1 of 10 for 0.1, 2 of 5 for 0.4, or the closest
    fraction with fewer groups. Among splits with every class in both parts, the one
    with the closest size is used.
    """
    n_classes = int(codes.max()) + 1
    if groups is None:
        if np.bincount(codes).min() < 2:
            raise ValueError(
                "early_stopping=True requires at least 2 samples of each class in y, "
                "one of them for validation. Set early_stopping=False."
            )
        n_validation = max(round(validation_fraction * len(codes)), n_classes)
        splitter = StratifiedShuffleSplit(
            1, test_size=min(n_validation, len(codes) - n_classes), random_state=seed
        )
        return next(splitter.split(codes, codes))
    n_groups = len(np.unique(groups))
    if n_groups < 2:
        raise ValueError(
            "groups has only one patient: early_stopping=True requires at least 2, to "
            "validate on other patients than those of training. Set "
            "early_stopping=False or pass more patients."
        )
    most = min(_MOST_FOLDS, n_groups, int(np.bincount(codes).min()))
    share = _share(validation_fraction, most)
    possible = []
    if most > 1:
        folds = StratifiedGroupKFold(
            share.denominator, shuffle=True, random_state=seed
        ).split(codes, codes, groups)
        parts = [part for _, part in folds]
        for first in range(len(parts)):
            chosen = [parts[(first + i) % len(parts)] for i in range(share.numerator)]
            validation = np.sort(np.concatenate(chosen))
            training = np.setdiff1d(np.arange(len(codes)), validation)
            # If patients have one class only, a part can lack a class.
            if all(len(set(codes[r])) == n_classes for r in (training, validation)):
                possible.append((training, validation))
    if not possible:
        raise ValueError(
            "groups cannot be split so that every class of y is in both the training "
            "and the validation set, as required by early_stopping=True. Set "
            "early_stopping=False or pass more patients."
        )
    wanted = len(codes) * float(share)
    return min(possible, key=lambda sides: abs(len(sides[1]) - wanted))


def _share(fraction: float, most: int) -> Fraction:
    """Return a fraction of whole folds, at most `most`, close to `fraction`."""
    share = Fraction(fraction).limit_denominator(max(most, 2))
    # Neither part is empty.
    return min(max(share, Fraction(1, max(most, 2))), 1 - Fraction(1, max(most, 2)))
