"""Train, validation and test split by patient."""

from typing import Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state

from malariafuse._bunch import Bunch
from malariafuse._cells import check_target
from malariafuse._parameters import RANDOM_STATE, Reals, check_parameter
from malariafuse._patients import check_patients
from malariafuse.model_selection._folds import cells_of_patients, shares_of_cells

_PARTS = ("train", "validation", "test")


def split_patients(
    y: ArrayLike,
    groups: ArrayLike,
    *,
    test_size: float = 0.2,
    validation_size: float = 0.0,
    pos_label: Any = None,
    random_state: int | RandomState | None = None,
) -> Bunch:
    """Split cells into train, validation and test sets by patient.

    All cells of a patient are in the same part. Patients are assigned at random. The
    proportions hold for infected patients and for healthy patients, and approximately
    for the cells of each class.

    Parameters
    ----------
    y : array-like of shape (n_cells,)
        True labels: 1 for a parasitized cell, 0 for an uninfected cell. Other labels
        require `pos_label`.
    groups : array-like of shape (n_cells,)
        Patient of each cell.
    test_size : float, default=0.2
        Fraction of the patients in the test set, in (0, 1).
    validation_size : float, default=0.0
        Fraction of the patients in the validation set, in [0, 1). The sum of both
        fractions must be less than 1.
    pos_label : int, float, bool or str, default=None
        Label of the positive (parasitized) class. None requires the labels 0 and 1, or
        booleans.
    random_state : int, RandomState instance or None, default=None
        Random seed or generator. Pass an int for a reproducible split.

    Returns
    -------
    split : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the following attributes:

        train : ndarray of shape (n_train,), dtype int64
            Indices of the training cells, sorted.
        validation : ndarray of shape (n_validation,), dtype int64
            Indices of the validation cells, sorted. Empty if ``validation_size=0.0``.
        test : ndarray of shape (n_test,), dtype int64
            Indices of the test cells, sorted.

    Raises
    ------
    ValueError
        If an argument is invalid, or there are fewer infected patients than parts.

    See Also
    --------
    PatientKFold : Cross-validation folds by patient.
    check_no_leakage : Check that no patient is in both parts of a split.

    Notes
    -----
    A patient with at least one parasitized cell is infected. In each part, the numbers
    of infected and of healthy patients differ from the requested fraction by less than
    one. A part that would get no infected patient gets one, and likewise for healthy
    patients. Patients are assigned in descending order of size, as defined in
    :class:`PatientKFold`. Each is drawn into a part that has too few cells so far.

    Examples
    --------
    >>> import numpy as np
    >>> from malariafuse.model_selection import split_patients
    >>> patients = np.repeat([f"C{number}" for number in range(10)], 4)
    >>> y = np.tile([1, 0, 0, 0], 10)
    >>> y[:20] = 0  # C0 to C4 are healthy
    >>> split = split_patients(
    ...     y, patients, test_size=0.2, validation_size=0.2, random_state=0
    ... )
    >>> np.unique(patients[split.test]).tolist()
    ['C2', 'C8']
    """
    check_parameter("test_size", test_size, [Reals(0, 1, open_at="both")])
    check_parameter("validation_size", validation_size, [Reals(0, 1, open_at="high")])
    if test_size + validation_size >= 1:
        raise ValueError(
            f"test_size={test_size!r} and validation_size={validation_size!r} leave no "
            "training cells: expected a sum below 1."
        )
    check_parameter("random_state", random_state, RANDOM_STATE)
    target = check_target(y, name="y", pos_label=pos_label)
    patient, names = check_patients(groups, len(target))
    wanted = np.array(
        [1 - test_size - validation_size, validation_size, test_size], dtype=float
    )
    part = _part_of_patients(
        *cells_of_patients(target, patient, len(names)),
        wanted,
        check_random_state(random_state),
    )
    return Bunch(
        **{
            name: np.flatnonzero(part[patient] == number)
            for number, name in enumerate(_PARTS)
        }
    )


def _part_of_patients(
    parasitized: NDArray[np.float64],
    uninfected: NDArray[np.float64],
    wanted: NDArray[np.float64],
    random: RandomState,
) -> NDArray[np.int64]:
    infected = parasitized > 0
    n_parts = np.count_nonzero(wanted)
    if infected.sum() < n_parts:
        raise ValueError(
            f"groups has {infected.sum()} infected patients among {len(infected)}: "
            f"expected at least {n_parts}, one for each part."
        )
    size = shares_of_cells(parasitized, uninfected).sum(axis=0)
    part = np.empty(len(infected), dtype=np.int64)
    for members in (np.flatnonzero(infected), np.flatnonzero(~infected)):
        places = _whole_numbers(len(members), wanted)
        members = random.permutation(members)
        held = np.zeros(len(wanted))
        for member in members[np.argsort(-size[members], kind="stable")]:
            # Number of cells that each part lacks before this patient is assigned.
            short = wanted * (held.sum() + size[member]) - held
            chance = np.where(places > 0, np.maximum(short, 0), 0)
            if not chance.any():
                chance = places.astype(float)
            part[member] = random.choice(len(wanted), p=chance / chance.sum())
            held[part[member]] += size[member]
            places[part[member]] -= 1
    return part


def _whole_numbers(n: int, shares: NDArray[np.float64]) -> NDArray[np.int64]:
    """Divide `n` into integers by shares, each at least 1 if `n` is large enough."""
    exact = n * shares
    whole = np.floor(exact + 1e-9).astype(np.int64)
    by_rest = np.argsort(whole - exact, kind="stable")
    whole[by_rest[: n - whole.sum()]] += 1
    if n >= np.count_nonzero(shares):
        for empty in np.flatnonzero((whole == 0) & (shares > 0)):
            whole[empty] += 1
            whole[whole.argmax()] -= 1
    return whole
