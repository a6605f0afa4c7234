"""Cross-validation by patient."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed, effective_n_jobs
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.utils import _safe_indexing

from malariafuse._arrays import as_labels, check_length, of_one_type
from malariafuse._bunch import Bunch
from malariafuse._cells import (
    Cells,
    check_both_classes,
    check_probability,
    check_target,
    warn_of_suspicious,
)
from malariafuse._images import image_digest, sets_of_equals
from malariafuse._labels import (
    decisions_and_probabilities,
    pos_label_of,
    positive_column_of,
)
from malariafuse._parameters import N_JOBS, Integers, Reals, check_parameter
from malariafuse._patients import check_patients
from malariafuse._rows import rows_of
from malariafuse._shown import short_repr
from malariafuse._warn import warn
from malariafuse._which_training import in_fold
from malariafuse.evaluation._measures import METRICS, Measures
from malariafuse.model_selection import PatientKFold, check_no_leakage


def cross_validate_patients(
    estimator: BaseEstimator,
    X: Any,
    y: ArrayLike,
    groups: ArrayLike,
    *,
    cv: Any = 5,
    threshold: float | None = None,
    pos_label: Any = None,
    fit_params: dict[str, Any] | None = None,
    random_state: int | RandomState | None = None,
    n_jobs: int | None = None,
) -> Bunch:
    """Cross-validate a classifier by patient.

    Each cell gets a probability and a decision from a classifier that was not fitted on
    its patient. The functions of this package take these out-of-fold probabilities.

    Parameters
    ----------
    estimator : estimator
        Classifier with `predict_proba`, or a pipeline that ends in one. A clone is
        fitted for each fold.
    X : array-like of shape (n_cells, ...)
        Input of `estimator`: images, features, file paths, or any other input that it
        accepts, such as the images in memory of
        :class:`~malariafuse.preprocessing.ImageLoader`.
    y : array-like of shape (n_cells,)
        True labels: 1 for a parasitized cell, 0 for an uninfected cell. Other labels
        require `pos_label`.
    groups : array-like of shape (n_cells,)
        Patient of each cell.
    cv : int, splitter or iterable of (train, test), default=5
        Number of folds, or the splits. An int is short for
        ``PatientKFold(cv, shuffle=True, random_state=random_state)``. Other splits must
        test every cell exactly once and keep each patient in one part.
    threshold : float, default=None
        Decision threshold, in [0, 1]. A cell is called parasitized if its probability
        is at least the threshold. None uses the decisions of `estimator.predict`.
    pos_label : int, float, bool or str, default=None
        Label of the positive (parasitized) class. None uses the `pos_label` of
        `estimator` if it has one. Otherwise it requires the labels 0 and 1, or
        booleans.
    fit_params : dict of str to object, default=None
        Keyword arguments of `fit`. An array-like with one entry for each cell is
        restricted to the training cells of the fold. An example is
        ``fit_params={"groups": patients}`` for a classifier with early stopping on
        held-out patients.
    random_state : int, RandomState instance or None, default=None
        Random seed or generator that shuffles the folds if `cv` is an int. Pass an int
        for reproducible folds.
    n_jobs : int or None, default=None
        Number of folds that are fitted in parallel, as in joblib. None means 1 unless
        in a joblib context. -1 means one for each core.

    Returns
    -------
    result : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the following attributes:

        y_prob : ndarray of shape (n_cells,), dtype float64
            Out-of-fold probability of the positive class.
        decisions : ndarray of shape (n_cells,), dtype int64
            Out-of-fold decision: 1 if the cell is called parasitized, otherwise 0.
        fold : ndarray of shape (n_cells,), dtype int64
            Number of the fold in which the cell was tested, starting at 1.
        table : DataFrame of shape (n_folds + 1, 13)
            Metrics of :func:`summarize`, without intervals, and the numbers of
            "patients" and "cells". There is one row for each fold, and one for all
            cells, "pooled".

    Raises
    ------
    malariafuse.model_selection.LeakageError
        If a patient is in both parts of a split.
    ValueError
        If an argument is invalid.

    Warns
    -----
    UserWarning
        If the probabilities have only two distinct values, the ROC AUC is below 0.5, or
        `X` has equal images of several patients.

    See Also
    --------
    malariafuse.model_selection.PatientKFold : Cross-validator by patient.
    summarize : Compute the pooled metrics with confidence intervals.

    Notes
    -----
    The spread of the metrics over folds is not a confidence interval, because the folds
    share most of their training cells. Undefined metrics are NaN, as in
    :func:`summarize`.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from malariafuse.datasets import make_cell_images
    >>> from malariafuse.evaluation import cross_validate_patients
    >>> cells = make_cell_images(200, 12, image_size=(16, 16), random_state=0)
    >>> colors = cells.images.mean(axis=(1, 2))
    >>> result = cross_validate_patients(
    ...     LogisticRegression(), colors, cells.target, cells.groups, cv=3
    ... )
    >>> result.y_prob.shape
    (200,)
    >>> result.table["cells"].tolist()[-1]
    200
    """
    if threshold is not None:
        check_parameter("threshold", threshold, [Reals(0, 1)])
    if pos_label is None:
        pos_label = pos_label_of(estimator)
    target = check_target(y, name="y", pos_label=pos_label)
    check_both_classes(target, name="y", pos_label=pos_label)
    labels, positive = target, 1
    if pos_label is not None:
        labels, positive = of_one_type(as_labels(y, "y")), pos_label
    cluster, names = check_patients(groups, len(target), at_least=2)
    check_length(X, len(target))
    check_parameter("n_jobs", n_jobs, N_JOBS)
    if not isinstance(fit_params, Mapping | None):
        raise ValueError(
            f"fit_params={short_repr(fit_params)}: expected a dict that maps names of "
            "arguments of fit to their values."
        )
    if not hasattr(estimator, "predict_proba"):
        raise ValueError(
            f"estimator={short_repr(estimator)}: expected a classifier with "
            "predict_proba."
        )

    patients = names[cluster]
    _warn_of_equal_images(X, patients)
    splits = _splits(cv, X, labels, patients, pos_label, random_state)
    for train, _ in splits:
        if len(np.unique(target[train])) < 2:
            raise ValueError(
                "y and groups: the training cells of a fold have only one class, "
                "expected both. Use fewer folds, or PatientKFold."
            )
    y_prob = np.empty(len(target))
    decisions = np.empty(len(target), dtype=np.int64)
    fold = np.empty(len(target), dtype=np.int64)
    # Each process takes memory, also one that has nothing to do.
    n_workers = min(effective_n_jobs(n_jobs), len(splits))
    judged = Parallel(n_jobs=n_workers)(
        delayed(_judge_fold)(
            (number, len(splits)),
            estimator,
            X,
            labels,
            fit_params or {},
            split,
            threshold,
            positive,
        )
        for number, split in enumerate(splits, start=1)
    )
    for number, (_, test) in enumerate(splits, start=1):
        y_prob[test], decisions[test] = judged[number - 1]
        fold[test] = number

    cells = Cells(target, check_probability(y_prob), cluster, names, by_patient=True)
    warn_of_suspicious(cells)
    chosen: dict[int | str, NDArray[np.bool_]] = {
        number: fold == number for number in range(1, len(splits) + 1)
    }
    chosen["pooled"] = fold > 0
    rows = {name: _metrics(cells, part, decisions) for name, part in chosen.items()}
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("fold")
    counts = ["patients", "cells"]
    return Bunch(
        y_prob=y_prob,
        decisions=decisions,
        fold=fold,
        table=table.astype(dict.fromkeys(counts, int)),
    )


def _judge_fold(
    place: tuple[int, int],
    estimator: BaseEstimator,
    X: Any,
    labels: NDArray[Any],
    fit_params: Mapping[str, Any],
    split: tuple[NDArray[np.int64], NDArray[np.int64]],
    threshold: float | None,
    positive: Any,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the probabilities and decisions of the tested cells of one fold."""
    train, test = split
    with in_fold(*place), rows_of(X, train) as trained:
        fitted = clone(estimator).fit(
            trained, labels[train], **_cut(fit_params, train, len(labels))
        )
    with rows_of(X, test) as tested:
        if threshold is None:
            decided, columns = decisions_and_probabilities(fitted, tested)
        else:
            columns = np.asarray(fitted.predict_proba(tested))
    probability = np.asarray(columns[:, _positive_column(fitted, positive)], float)
    return probability, (
        decided == positive if threshold is None else probability >= threshold
    )


def _warn_of_equal_images(X: Any, patients: NDArray[Any]) -> None:
    """Warn if two patients share an image, since they may be in different parts."""
    if not isinstance(X, np.ndarray | list | tuple | pd.Series) or not all(
        isinstance(image, np.ndarray) and image.ndim == 3 for image in X
    ):
        return
    patients_of = [
        dict.fromkeys(patients[found].tolist())
        for found in sets_of_equals(map(image_digest, X))
    ]
    several = [found for found in patients_of if len(found) > 1]
    if several:
        shown = ", ".join(map(str, several[0]))
        warn(
            f"X has {len(several)} images that are pixel-identical and belong to "
            f"several patients, such as {shown}: they may be in both parts of a split. "
            "Use malariafuse.datasets.find_duplicates to list them."
        )


def _splits(
    cv: Any,
    X: Any,
    labels: NDArray[Any],
    patients: NDArray[Any],
    pos_label: Any,
    random_state: int | RandomState | None,
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Return the splits, validated before anything is trained."""
    if Integers(2).allows(cv):
        cv = PatientKFold(
            int(cv), shuffle=True, pos_label=pos_label, random_state=random_state
        )
    if callable(getattr(cv, "split", None)) and not isinstance(cv, (str, bytes)):
        with warnings.catch_warnings():
            # A splitter that ignores the patients is accepted if its splits pass the
            # checks below.
            warnings.filterwarnings(
                "ignore", "The groups parameter is ignored", UserWarning
            )
            splits = list(cv.split(X, labels, patients))
    else:
        try:
            splits = list(cv)
        except TypeError as error:
            raise _no_splits(cv) from error
    splits = [_rows(split, len(labels), cv) for split in splits]
    if not splits:
        raise _no_splits(cv)
    for train, test in splits:
        check_no_leakage(patients[train], patients[test])
    tested = np.bincount(
        np.concatenate([test for _, test in splits]), minlength=len(labels)
    )
    if (tested != 1).any():
        raise ValueError(
            f"cv={short_repr(cv)} never tests {(tested == 0).sum()} cells and tests "
            f"{(tested > 1).sum()} more than once: expected every cell once."
        )
    return splits


def _rows(
    split: Any, n_cells: int, cv: Any
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the cells of one split as indices."""
    try:
        # Indices or a boolean mask.
        train, test = (np.arange(n_cells)[np.asarray(rows)] for rows in split)
        if train.ndim != 1 or test.ndim != 1:
            raise ValueError("The indices of the cells are not a list.")
        return train, test
    except (TypeError, ValueError, IndexError) as error:
        raise _no_splits(cv) from error


def _no_splits(cv: Any) -> ValueError:
    return ValueError(
        f"cv={short_repr(cv)}: expected a number of folds of at least 2, a splitter, "
        "or pairs of arrays with the indices of training and test cells."
    )


def _cut(
    fit_params: Mapping[str, Any], train: NDArray[np.int64], n_cells: int
) -> dict[str, Any]:
    return {
        name: _safe_indexing(value, train)
        if not isinstance(value, (str, dict))
        and hasattr(value, "__len__")
        and len(value) == n_cells
        else value
        for name, value in fit_params.items()
    }


def _positive_column(fitted: BaseEstimator, positive: Any) -> int:
    try:
        return positive_column_of(fitted, positive)
    except ValueError as error:
        raise ValueError(
            f"{error} Check that every training fold has cells of both classes."
        ) from error


def _metrics(
    cells: Cells, chosen: NDArray[np.bool_], decisions: NDArray[np.int64]
) -> dict[str, Any]:
    cluster, present = np.unique(cells.cluster[chosen], return_inverse=True)
    part = Cells(
        cells.target[chosen],
        cells.probability[chosen],
        present,
        cells.names[cluster],
        by_patient=True,
    )
    # A threshold for each cell: 0 if it is called parasitized, otherwise infinity.
    thresholds = np.where(decisions[chosen] == 1, 0.0, np.inf)
    values = Measures(part, thresholds, METRICS)(np.ones((1, part.n_clusters)))[0]
    counts = {"patients": part.n_clusters, "cells": len(part.target)}
    return counts | dict(zip(METRICS, values.tolist(), strict=True))
