"""Folds of whole patients."""

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils import check_random_state

from malariafuse._arrays import check_length
from malariafuse._cells import check_target
from malariafuse._parameters import (
    POS_LABEL,
    RANDOM_STATE,
    Booleans,
    Integers,
    Rules,
    check_parameters,
)
from malariafuse._patients import check_patients


class PatientKFold(BaseCrossValidator):
    """Divide cells into folds by patient, alike in classes and in infected patients.

    Every patient is in one fold as a whole. The folds have as many infected patients as
    each other, give or take one, and as many healthy ones, and about as many cells of
    each class.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2.
    shuffle : bool, default=False
        Whether chance decides which patients of similar size are set against each
        other. Otherwise the folds are always the same.
    pos_label : int, float, bool or str, default=None
        Label of the positive (parasitized) class. None takes the labels 0 and 1, or
        booleans; other labels need it.
    random_state : int, RandomState instance or None, default=None
        Random seed or generator for `shuffle`. Pass an int for the same folds in every
        call.

    See Also
    --------
    split_patients : One split into train, validation and test.
    malariafuse.evaluation.cross_validate_patients : Use these folds.
    sklearn.model_selection.StratifiedGroupKFold : Balances cells alone: a fold may
        lack healthy patients.

    Notes
    -----
    A patient with at least one parasitized cell is infected. The size of an infected
    patient is the sum of the patient's shares of all parasitized and of all uninfected
    cells, that of a healthy one the share of the uninfected. Patients are ranked by
    size, infected and healthy ones apart; of each `n_splits` in this order every fold
    gets one, the largest of them the fold that has the least so far. `shuffle` ranks by
    sizes times random numbers between 1/2 and 1.

    An estimator with a `cv` of its own, such as ``TunedThresholdClassifierCV``,
    ``CalibratedClassifierCV`` or ``LogisticRegressionCV``, splits the cells that it is
    fitted on once more, and by default without regard to patients. It gets the patients
    through scikit-learn's metadata routing, as below, or folds that were made before:
    ``cv=list(PatientKFold(5).split(X, y, groups))`` for the `X`, `y` and `groups` of
    its `fit`. With routing, a classifier whose own `fit` takes `groups` has to request
    them, by ``set_fit_request(groups=True)``, or to refuse them.

    Examples
    --------
    >>> import numpy as np
    >>> from malariafuse.model_selection import PatientKFold
    >>> patients = np.array(["C1", "C1", "C2", "C2", "C3", "C3", "C4", "C4"])
    >>> y = np.array([1, 1, 0, 0, 1, 0, 0, 0])  # C1 and C3 are infected
    >>> for train, test in PatientKFold(2).split(y, y, patients):
    ...     print(np.unique(patients[test]))
    ['C1' 'C2']
    ['C3' 'C4']

    A threshold that is tuned on patients that the classifier was not fitted on:

    >>> import sklearn
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import TunedThresholdClassifierCV
    >>> X = np.array([[5], [4], [-3], [-4], [6], [-2], [-3], [-5]])
    >>> with sklearn.config_context(enable_metadata_routing=True):
    ...     tuned = TunedThresholdClassifierCV(LogisticRegression(), cv=PatientKFold(2))
    ...     _ = tuned.fit(X, y, groups=patients)
    >>> tuned.predict([[5], [-5]])
    array([1, 0])
    """

    n_splits: int
    shuffle: bool
    pos_label: Any
    random_state: int | RandomState | None

    _parameter_rules: ClassVar[Rules] = {
        "n_splits": (Integers(2),),
        "shuffle": (Booleans(),),
        "pos_label": POS_LABEL,
        "random_state": RANDOM_STATE,
    }
    # In scikit-learn's metadata routing, groups reach this splitter unasked.
    __metadata_request__split = {"groups": True}  # noqa: RUF012

    def __init__(
        self,
        n_splits: int = 5,
        *,
        shuffle: bool = False,
        pos_label: Any = None,
        random_state: int | RandomState | None = None,
    ) -> None:
        self.n_splits = n_splits
        self.shuffle = shuffle
        self.pos_label = pos_label
        self.random_state = random_state
        check_parameters(self)
        if random_state is not None and not shuffle:
            raise ValueError(
                f"random_state={random_state!r} has no effect without shuffle=True."
            )

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds.

        Parameters
        ----------
        X, y, groups : object, default=None
            Ignored.

        Returns
        -------
        int
            The number of folds.
        """
        return self.n_splits

    def split(
        self, X: Any, y: ArrayLike | None = None, groups: ArrayLike | None = None
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Generate the cells to train on and those to test on, fold by fold.

        Parameters
        ----------
        X : array-like of shape (n_cells, ...)
            The cells; only their number matters.
        y : array-like of shape (n_cells,)
            Labels: 1 for a parasitized cell, 0 for an uninfected one, or others with
            `pos_label`.
        groups : array-like of shape (n_cells,)
            Patient of each cell.

        Yields
        ------
        train : ndarray of shape (n_train,)
            Numbers of the cells of all other folds.
        test : ndarray of shape (n_test,)
            Numbers of the cells of this fold.

        Raises
        ------
        ValueError
            If an argument is not as described, or there are fewer infected patients, or
            fewer patients in all, than folds.
        """
        if y is None:
            raise ValueError("y is None: expected the label of each cell.")
        target = check_target(y, name="y", pos_label=self.pos_label)
        check_length(X, len(target))
        patient, names = check_patients(groups, len(target))
        fold = self._fold_of_patients(*cells_of_patients(target, patient, len(names)))
        for number in range(self.n_splits):
            tested = fold[patient] == number
            yield np.flatnonzero(~tested), np.flatnonzero(tested)

    def _fold_of_patients(
        self, parasitized: NDArray[np.float64], uninfected: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        infected = np.flatnonzero(parasitized > 0)
        healthy = np.flatnonzero(parasitized == 0)
        if len(infected) < self.n_splits:
            raise ValueError(
                f"groups has {len(infected)} infected patients of {len(parasitized)}: "
                f"expected at least n_splits={self.n_splits}, one for each fold."
            )
        random = check_random_state(self.random_state) if self.shuffle else None
        fold = np.empty(len(parasitized), dtype=np.int64)
        n_patients = np.zeros(self.n_splits)
        shares = shares_of_cells(parasitized, uninfected)
        held = np.zeros((2, self.n_splits))
        for members, kinds in ((infected, slice(None)), (healthy, slice(1, None))):
            size = shares[kinds].sum(axis=0)
            rank = size[members]
            if random is not None:
                rank = rank * random.uniform(0.5, 1, len(members))
            ranked = members[np.argsort(-rank, kind="stable")]
            for start in range(0, len(ranked), self.n_splits):
                block = ranked[start : start + self.n_splits]
                block = block[np.argsort(-size[block], kind="stable")]
                # The last block may be short: folds that lack a patient come first.
                fewest = np.lexsort((held[kinds].sum(axis=0), n_patients))
                fold[block] = fewest[: len(block)]
                held[:, fold[block]] += shares[:, block]
                n_patients[fold[block]] += 1
        return fold


def cells_of_patients(
    target: NDArray[np.int64], patient: NDArray[np.int64], n_patients: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the numbers of parasitized and of uninfected cells of each patient."""
    parasitized, uninfected = (
        np.bincount(patient, weights=chosen, minlength=n_patients).astype(float)
        for chosen in (target, 1 - target)
    )
    return parasitized, uninfected


def shares_of_cells(
    parasitized: NDArray[np.float64], uninfected: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return each patient's shares of all parasitized and of all uninfected cells."""
    return np.stack([parasitized, uninfected]) / np.maximum(
        [[parasitized.sum()], [uninfected.sum()]], 1
    )
