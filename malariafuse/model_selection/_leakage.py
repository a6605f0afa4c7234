"""Patients on both sides of a split."""

from typing import Any

from numpy.typing import ArrayLike

from malariafuse._patients import check_patients, kind_of_patient


class LeakageError(ValueError):
    """Patients are on both sides of a split.

    Parameters
    ----------
    patients : sequence
        Patients who are on both sides.

    Attributes
    ----------
    patients : list
        Patients who are on both sides, sorted.

    See Also
    --------
    check_no_leakage : The check that raises this.

    Examples
    --------
    >>> from malariafuse.model_selection import LeakageError, check_no_leakage
    >>> try:
    ...     check_no_leakage(["C1", "C2"], ["C2", "C3"])
    ... except LeakageError as error:
    ...     error.patients
    ['C2']
    """

    _SHOWN = 10

    def __init__(self, patients: Any) -> None:
        self.patients = list(patients)
        super().__init__(self.patients)

    def __str__(self) -> str:
        """Name the patients."""
        shown = ", ".join(str(patient) for patient in self.patients[: self._SHOWN])
        more = ", ..." if len(self.patients) > self._SHOWN else ""
        return (
            f"{len(self.patients)} patients are in both the training and the test "
            f"cells: {shown}{more}. Split by patient, as PatientKFold does."
        )


def check_no_leakage(groups_train: ArrayLike, groups_test: ArrayLike) -> None:
    """Raise an error if a patient is on both sides of a split.

    Parameters
    ----------
    groups_train : array-like of shape (n_train,)
        Patient of each cell that is trained on.
    groups_test : array-like of shape (n_test,)
        Patient of each cell that is tested on.

    Returns
    -------
    None
        No patient is on both sides.

    Raises
    ------
    LeakageError
        If a patient is on both sides; its message names the patients.
    ValueError
        If an argument is not as described, or has text where the other has numbers.

    See Also
    --------
    PatientKFold : Folds that pass this check.

    Notes
    -----
    A patient is the same under any type: ``b"C1"`` is ``"C1"``, and ``1`` is ``1.0``.
    Objects are compared by their ``__eq__`` and ``__hash__``.

    Examples
    --------
    >>> from malariafuse.model_selection import check_no_leakage
    >>> check_no_leakage(["C1", "C1", "C2"], ["C3"])
    """
    trained = _patients(groups_train, "groups_train")
    tested = _patients(groups_test, "groups_test")
    if kind_of_patient(trained[0]) != kind_of_patient(tested[0]):
        raise ValueError(
            f"groups_train has patients such as {trained[0]!r}, and groups_test "
            f"{tested[0]!r}: expected numbers on both sides or text on both, else no "
            "patient equals another."
        )
    there = set(tested)
    shared = [patient for patient in trained if patient in there]
    if shared:
        raise LeakageError(shared)


def _patients(groups: ArrayLike, name: str) -> list[Any]:
    _, patients = check_patients(groups, None, name=name)
    return patients.tolist() if patients.dtype.kind not in "mM" else list(patients)
