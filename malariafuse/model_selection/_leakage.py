"""Check that no patient is in both parts of a split."""

from typing import Any

from numpy.typing import ArrayLike

from malariafuse._patients import check_patients, kind_of_patient


class LeakageError(ValueError):
    """Error raised if a patient is in both the training and the test cells.

    Parameters
    ----------
    patients : sequence
        Patients who are in both parts.

    Attributes
    ----------
    patients : list
        Patients who are in both parts, sorted.

    See Also
    --------
    check_no_leakage : Check that raises this error.

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
    """Raise an error if a patient is in both parts of a split.

    Parameters
    ----------
    groups_train : array-like of shape (n_train,)
        Patient of each training cell.
    groups_test : array-like of shape (n_test,)
        Patient of each test cell.

    Returns
    -------
    None
        No patient is in both parts.

    Raises
    ------
    LeakageError
        If a patient is in both parts. The message names the patients.
    ValueError
        If an argument is invalid, or one argument has strings and the other has
        numbers.

    See Also
    --------
    PatientKFold : Cross-validator whose folds pass this check.

    Notes
    -----
    Patients are compared across types: ``b"C1"`` equals ``"C1"``, and ``1`` equals
    ``1.0``. Other objects are compared by their ``__eq__`` and ``__hash__``.

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
            f"{tested[0]!r}: expected numbers in both or strings in both. Otherwise no "
            "patient of one equals a patient of the other."
        )
    there = set(tested)
    shared = [patient for patient in trained if patient in there]
    if shared:
        raise LeakageError(shared)


def _patients(groups: ArrayLike, name: str) -> list[Any]:
    _, patients = check_patients(groups, None, name=name)
    return patients.tolist() if patients.dtype.kind not in "mM" else list(patients)
