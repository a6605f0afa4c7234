"""Several classifiers on the same cells."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray

from malariafuse._cells import Cells, check_cells, check_share
from malariafuse.evaluation._bootstrap import (
    check_resampling,
    replicate,
)
from malariafuse.evaluation._intervals import Difference, Scale
from malariafuse.evaluation._measures import Measures, check_metrics
from malariafuse.evaluation._summary import figures_with_intervals


def compare(
    y_true: ArrayLike,
    probabilities: Mapping[str, ArrayLike],
    groups: ArrayLike,
    *,
    reference: str | None = None,
    threshold: float | Mapping[str, float] = 0.5,
    metrics: Sequence[str] = ("recall", "specificity", "accuracy", "AUC"),
    n_resamples: int = 2000,
    confidence_level: float = 0.95,
    random_state: int | RandomState | None = None,
) -> pd.DataFrame:
    """Compare classifiers with one of them, on the same cells and patients.

    Parameters
    ----------
    y_true : array-like of shape (n_cells,)
        Labels: 1 for a parasitized cell, 0 for an uninfected one.
    probabilities : mapping of str to array-like of shape (n_cells,)
        The name of each classifier, at least two, and its probabilities of the positive
        class, 0 to 1, out of fold.
    groups : array-like of shape (n_cells,)
        The patient of each cell; at least two.
    reference : str, default=None
        The classifier that the others are compared with; None is the first.
    threshold : float or mapping of str to float, default=0.5
        From this probability on, a cell is called parasitized; a mapping has one
        threshold for each classifier.
    metrics : tuple of str, default=("recall", "specificity", "accuracy", "AUC")
        Which figures of :func:`summarize` to compare.
    n_resamples : int, default=2000
        How many times the patients are drawn, at least 100.
    confidence_level : float, default=0.95
        How often an interval is to hold the truth, 0 to 1, both excluded.
    random_state : int, RandomState instance or None, default=None
        Draws the patients. Pass an int for the same intervals in every call.

    Returns
    -------
    DataFrame of shape ((n_classifiers - 1) * n_metrics, 7)
        Rows by "classifier" and "metric". The columns are the "value" of the
        classifier, that of the "reference", the "difference" of the two, positive where
        the classifier's figure is larger, the bounds "low" and "high" of the
        difference, "p_value" and "p_holm", which is corrected for all rows.

    Raises
    ------
    ValueError
        If an argument is not as described, or `y_true` has one class only.

    See Also
    --------
    comparison_table : The figures themselves.

    Notes
    -----
    The differences are paired: every draw of patients serves both classifiers, so what
    is hard in a patient for both of them cancels out. As in :func:`summarize`, errors
    are those of the draws on the scale of logits, with quantiles of Student's t.
    Interval and p-value agree: the interval at `confidence_level` holds 0 where the
    p-value is larger than ``1 - confidence_level``. Holm's correction [1]_ keeps the
    chance of one false finding among all rows below the level that `p_holm` is compared
    with; intervals are not corrected. Interval and p-value are NaN where the draws do
    not vary although the figures differ, or leave a figure undefined too often.

    Two fits of one classifier differ as well, by their random numbers alone. A
    difference found here is one between the fitted classifiers.

    References
    ----------
    .. [1] S. Holm, "A simple sequentially rejective multiple test procedure",
       Scandinavian Journal of Statistics 6(2), 1979, pages 65 to 70.

    Examples
    --------
    >>> import numpy as np
    >>> from malariafuse.evaluation import compare
    >>> rng = np.random.default_rng(0)
    >>> patient = np.repeat(np.arange(30), 20)
    >>> y_true = rng.integers(0, 2, 600)
    >>> signal = 0.2 + 0.6 * y_true + rng.normal(0, 0.1, 30)[patient]
    >>> sharp = np.clip(signal + rng.normal(0, 0.2, 600), 0, 1)
    >>> blunt = np.clip(signal + rng.normal(0, 0.4, 600), 0, 1)
    >>> compare(
    ...     y_true, {"sharp": sharp, "blunt": blunt}, patient, random_state=0
    ... ).loc["blunt", ["difference", "low", "high"]].round(3)
                 difference    low   high
    metric
    recall           -0.155 -0.238 -0.076
    specificity      -0.165 -0.240 -0.095
    accuracy         -0.160 -0.215 -0.107
    AUC              -0.133 -0.186 -0.091
    """
    check_resampling(n_resamples, confidence_level)
    metrics = check_metrics(metrics)
    cells = _check_classifiers(y_true, probabilities, groups)
    thresholds = _thresholds(threshold, cells)
    if len(cells) < 2:
        raise ValueError(
            f"probabilities has the classifiers {list(cells)}: expected at least two."
        )
    base = next(iter(cells)) if reference is None else reference
    if base not in cells:
        raise ValueError(f"reference={reference!r}: expected one of {list(cells)}.")

    measures = [Measures(cells[name], thresholds[name], metrics) for name in cells]
    # One call for all of them: every draw of patients serves every classifier.
    replicates = replicate(
        lambda weights: np.hstack([measure(weights) for measure in measures]),
        n_clusters=cells[base].n_clusters,
        n_cells=len(cells[base].target),
        n_resamples=n_resamples,
        random_state=random_state,
    )
    of_classifier = {
        name: replicates.of(slice(number * len(metrics), (number + 1) * len(metrics)))
        for number, name in enumerate(cells)
    }
    scale = Scale.of(metrics, len(cells[base].target))
    rows = {}
    for name in cells:
        if name == base:
            continue
        difference = Difference(of_classifier[name], of_classifier[base], scale)
        low, high = difference.interval(confidence_level)
        rows[name] = pd.DataFrame(
            {
                "value": of_classifier[name].value,
                "reference": of_classifier[base].value,
                "difference": difference.value,
                "low": low,
                "high": high,
                "p_value": difference.p_values(),
            },
            index=pd.Index(metrics, name="metric"),
        )
    table = pd.concat(rows, names=["classifier"])
    table["p_holm"] = _holm(table["p_value"].to_numpy())
    return table


def comparison_table(
    y_true: ArrayLike,
    probabilities: Mapping[str, ArrayLike],
    groups: ArrayLike,
    *,
    threshold: float | Mapping[str, float] = 0.5,
    metrics: Sequence[str] = (
        "precision",
        "recall",
        "F1",
        "accuracy",
        "specificity",
        "AUC",
    ),
    n_resamples: int = 2000,
    confidence_level: float = 0.95,
    random_state: int | RandomState | None = None,
) -> pd.DataFrame:
    """Set out the figures of several classifiers, with intervals.

    Parameters
    ----------
    y_true : array-like of shape (n_cells,)
        Labels: 1 for a parasitized cell, 0 for an uninfected one.
    probabilities : mapping of str to array-like of shape (n_cells,)
        The name of each classifier and its probabilities of the positive class, 0 to 1,
        out of fold.
    groups : array-like of shape (n_cells,)
        The patient of each cell; at least two.
    threshold : float or mapping of str to float, default=0.5
        From this probability on, a cell is called parasitized; a mapping has one
        threshold for each classifier.
    metrics : tuple of str, default=("precision", "recall", "F1", "accuracy", \
            "specificity", "AUC")
        Which figures of :func:`summarize` to set out.
    n_resamples : int, default=2000
        How many times the patients are drawn, at least 100.
    confidence_level : float, default=0.95
        How often an interval is to hold the truth, 0 to 1, both excluded.
    random_state : int, RandomState instance or None, default=None
        Draws the patients. Pass an int for the same intervals in every call.

    Returns
    -------
    DataFrame of shape (n_classifiers, 3 * n_metrics)
        A row for each classifier; columns of two levels, the metric and "value", "low"
        or "high", as from :func:`summarize`.

    Raises
    ------
    ValueError
        If an argument is not as described, or `y_true` has one class only.

    See Also
    --------
    compare : Whether the differences are more than chance.

    Notes
    -----
    Intervals of two classifiers may overlap although one of them is reliably better:
    the same patients are hard for both. Judge differences with :func:`compare`.

    Examples
    --------
    >>> import numpy as np
    >>> from malariafuse.evaluation import comparison_table
    >>> rng = np.random.default_rng(0)
    >>> patient = np.repeat(np.arange(30), 20)
    >>> y_true = rng.integers(0, 2, 600)
    >>> signal = 0.2 + 0.6 * y_true + rng.normal(0, 0.1, 30)[patient]
    >>> sharp = np.clip(signal + rng.normal(0, 0.2, 600), 0, 1)
    >>> blunt = np.clip(signal + rng.normal(0, 0.4, 600), 0, 1)
    >>> table = comparison_table(
    ...     y_true, {"sharp": sharp, "blunt": blunt}, patient, random_state=0
    ... )
    >>> table["recall"].round(3)
                value    low   high
    classifier
    sharp       0.919  0.820  0.966
    blunt       0.764  0.712  0.809
    """
    check_resampling(n_resamples, confidence_level)
    metrics = check_metrics(metrics)
    cells = _check_classifiers(y_true, probabilities, groups)
    thresholds = _thresholds(threshold, cells)
    figures = {
        name: figures_with_intervals(
            cells[name],
            metrics,
            threshold=thresholds[name],
            n_resamples=n_resamples,
            confidence_level=confidence_level,
            random_state=random_state,
        )
        for name in cells
    }
    table = pd.DataFrame.from_dict(
        {name: figure.T.unstack() for name, figure in figures.items()}, orient="index"
    )
    return table.rename_axis("classifier")


def _check_classifiers(
    y_true: ArrayLike, probabilities: Mapping[str, ArrayLike], groups: ArrayLike
) -> dict[str, Cells]:
    if not isinstance(probabilities, Mapping) or not probabilities:
        raise ValueError(
            f"probabilities is a {type(probabilities).__name__}: expected a dict from "
            "the name of each classifier to its probabilities."
        )
    cells = {}
    for name, y_prob in probabilities.items():
        try:
            cells[name] = check_cells(y_true, y_prob, groups)
        except ValueError as error:
            raise ValueError(f"probabilities[{name!r}]: {error}") from error
    return cells


def _thresholds(
    threshold: float | Mapping[str, float], cells: dict[str, Cells]
) -> dict[str, float]:
    if not isinstance(threshold, Mapping):
        check_share(threshold, "threshold")
        return dict.fromkeys(cells, threshold)
    if set(threshold) != set(cells):
        raise ValueError(
            f"threshold has the classifiers {list(threshold)}: expected {list(cells)}, "
            "one threshold for each."
        )
    for name, value in threshold.items():
        check_share(value, f"threshold[{name!r}]")
    return dict(threshold)


def _holm(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correct p-values for their number; NaN stays NaN and does not count."""
    corrected = np.full(len(p_values), np.nan)
    order = np.argsort(p_values)[: np.isfinite(p_values).sum()]
    factors = np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(1, np.maximum.accumulate(factors * p_values[order]))
    return corrected
