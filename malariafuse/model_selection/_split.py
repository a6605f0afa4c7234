"""One split of whole patients."""

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
    """Divide cells into train, validation and test by patient, at random.

    Every patient is in one part as a whole. Infected and healthy patients are divided
    apart, each in the wanted proportions, and so are the cells of each class, as nearly
    as whole patients allow.

    Parameters
    ----------
    y : array-like of shape (n_cells,)
        Labels: 1 for a parasitized cell, 0 for an uninfected one, or others with
        `pos_label`.
    groups : array-like of shape (n_cells,)
        Patient of each cell.
    test_size : float, default=0.2
        Share of the patients to test on, 0 to 1, both excluded.
    validation_size : float, default=0.0
        Share of the patients to validate on or to choose a threshold on, 0 to 1, 1
        excluded. The sum of both sizes is less than 1.
    pos_label : int, float, bool or str, default=None
        Label of the positive (parasitized) class. None takes the labels 0 and 1, or
        booleans; other labels need it.
    random_state : int, RandomState instance or None, default=None
        Random seed or generator for the draws of patients. Pass an int for the same
        split in every call.

    Returns
    -------
    split : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the following attributes:

        train : ndarray of shape (n_train,), dtype int64
            Numbers of the cells to train on, sorted.
        validation : ndarray of shape (n_validation,), dtype int64
            Numbers of the cells to validate on, none with ``validation_size=0.0``.
        test : ndarray of shape (n_test,), dtype int64
            Numbers of the cells to test on.

    Raises
    ------
    ValueError
        If an argument is not as described, or there are fewer infected patients than
        parts.

    See Also
    --------
    PatientKFold : Folds, in each of which other patients are tested on.
    check_no_leakage : Whether a split keeps patients together.

    Notes
    -----
    A patient with at least one parasitized cell is infected. In each part the numbers
    of infected and of healthy patients differ from the wanted share by less than one,
    or are one where that would be none. Patients are drawn in the order of their sizes,
    those of :class:`PatientKFold`, each into a part that is short of cells so far.

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
            f"test_size={test_size!r} and validation_size={validation_size!r} leave "
            "nothing to train on: expected a sum below 1."
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
            f"groups has {infected.sum()} infected patients of {len(infected)}: "
            f"expected at least {n_parts}, one for each part."
        )
    size = shares_of_cells(parasitized, uninfected).sum(axis=0)
    part = np.empty(len(infected), dtype=np.int64)
    for members in (np.flatnonzero(infected), np.flatnonzero(~infected)):
        places = _whole_numbers(len(members), wanted)
        members = random.permutation(members)
        held = np.zeros(len(wanted))
        for member in members[np.argsort(-size[members], kind="stable")]:
            # How many cells each part is short of, if this patient's are dealt out.
            short = wanted * (held.sum() + size[member]) - held
            chance = np.where(places > 0, np.maximum(short, 0), 0)
            if not chance.any():
                chance = places.astype(float)
            part[member] = random.choice(len(wanted), p=chance / chance.sum())
            held[part[member]] += size[member]
            places[part[member]] -= 1
    return part


def _whole_numbers(n: int, shares: NDArray[np.float64]) -> NDArray[np.int64]:
    """Divide `n` by shares, and leave no share without one if there are enough."""
    exact = n * shares
    whole = np.floor(exact + 1e-9).astype(np.int64)
    by_rest = np.argsort(whole - exact, kind="stable")
    whole[by_rest[: n - whole.sum()]] += 1
    if n >= np.count_nonzero(shares):
        for empty in np.flatnonzero((whole == 0) & (shares > 0)):
            whole[empty] += 1
            whole[whole.argmax()] -= 1
    return whole
