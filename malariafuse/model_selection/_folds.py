"""Cross-validation folds by patient."""

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
    """Cross-validator by patient, stratified by class and by infection.

    All cells of a patient are in the same fold. The number of infected patients differs
    by at most one between folds, and so does the number of healthy patients. The number
    of cells of each class is about the same in all folds.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2.
    shuffle : bool, default=False
        Whether to assign patients of similar size to folds at random. If False, the
        folds are deterministic.
    pos_label : int, float, bool or str, default=None
        Label of the positive (parasitized) class. None requires the labels 0 and 1, or
        booleans.
    random_state : int, RandomState instance or None, default=None
        Random seed or generator, used if `shuffle` is True. Pass an int for
        reproducible folds.

    See Also
    --------
    split_patients : Single split into train, validation and test.
    malariafuse.evaluation.cross_validate_patients : Cross-validate with these folds.
    sklearn.model_selection.StratifiedGroupKFold : Balance cells only. A fold may have
        no healthy patients.

    Notes
    -----
    A patient with at least one parasitized cell is infected. The size of a patient is
    the patient's share of all uninfected cells, plus the share of all parasitized cells
    if the patient is infected. Infected and healthy patients are ranked by size
    separately. In this order, each block of `n_splits` patients is distributed so that
    every fold gets one patient: the largest patient goes to the fold with the fewest
    cells so far. With `shuffle`, sizes are multiplied by random numbers between 1/2 and
    1 before they are ranked.

    An estimator with a `cv` parameter, such as ``TunedThresholdClassifierCV``,
    ``CalibratedClassifierCV`` or ``LogisticRegressionCV``, splits its training cells
    again, by default without regard to patients. To split by patient, pass `groups`
    through scikit-learn's metadata routing, as in the example. Alternatively, pass
    precomputed folds: ``cv=list(PatientKFold(5).split(X, y, groups))`` for the `X`, `y`
    and `groups` of its `fit`. With routing, a classifier whose `fit` takes `groups`
    must request them by ``set_fit_request(groups=True)``, or refuse them.

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

    Tune a threshold on patients that the classifier was not fitted on:

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
    # In scikit-learn's metadata routing, this splitter requests groups by default.
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
            Number of folds.
        """
        return self.n_splits

    def split(
        self, X: Any, y: ArrayLike | None = None, groups: ArrayLike | None = None
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Generate the indices of the training and test cells of each fold.

        Parameters
        ----------
        X : array-like of shape (n_cells, ...)
            Cells. Only their number is used.
        y : array-like of shape (n_cells,)
            True labels: 1 for a parasitized cell, 0 for an uninfected cell. Other
            labels require `pos_label`.
        groups : array-like of shape (n_cells,)
            Patient of each cell.

        Yields
        ------
        train : ndarray of shape (n_train,)
            Indices of the cells of all other folds.
        test : ndarray of shape (n_test,)
            Indices of the cells of this fold.

        Raises
        ------
        ValueError
            If an argument is invalid, or there are fewer infected patients than folds.
        """
        if y is None:
            raise ValueError("y is None: expected a label for each cell.")
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
                f"groups has {len(infected)} infected patients among "
                f"{len(parasitized)}: expected at least n_splits={self.n_splits}, one "
                "for each fold."
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
                # The last block may be short: folds with fewer patients come first.
                fewest = np.lexsort((held[kinds].sum(axis=0), n_patients))
                fold[block] = fewest[: len(block)]
                held[:, fold[block]] += shares[:, block]
                n_patients[fold[block]] += 1
        return fold


def cells_of_patients(
    target: NDArray[np.int64], patient: NDArray[np.int64], n_patients: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the numbers of parasitized and uninfected cells of each patient."""
    parasitized, uninfected = (
        np.bincount(patient, weights=chosen, minlength=n_patients).astype(float)
        for chosen in (target, 1 - target)
    )
    return parasitized, uninfected


def shares_of_cells(
    parasitized: NDArray[np.float64], uninfected: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return each patient's shares of all parasitized and all uninfected cells."""
    return np.stack([parasitized, uninfected]) / np.maximum(
        [[parasitized.sum()], [uninfected.sum()]], 1
    )
