"""Review of cells near the threshold."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.random import RandomState
from numpy.typing import ArrayLike
from scipy.special import expit, logit

from malariafuse._arrays import as_array, real_numbers, refuse_complex
from malariafuse._cells import check_probability
from malariafuse._parameters import Reals, check_parameter
from malariafuse.evaluation._thresholds import threshold_table


def review_table(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    threshold: float = 0.5,
    widths: ArrayLike = (0, 0.5, 1, 1.5, 2, 3),
    pos_label: Any = None,
    n_resamples: int = 2000,
    confidence_level: float = 0.95,
    random_state: int | RandomState | None = None,
) -> pd.DataFrame:
    """Compute coverage and recall if cells near the threshold are reviewed.

    The classifier decides on cells outside a band around the threshold. A person
    reviews the cells inside the band and is assumed to be always right.

    Parameters
    ----------
    y_true : array-like of shape (n_cells,)
        True labels: 1 for a parasitized cell, 0 for an uninfected cell. Other labels
        require `pos_label`.
    y_prob : array-like of shape (n_cells,)
        Out-of-fold probability of the positive class, in [0, 1].
    groups : array-like of shape (n_cells,), default=None
        Patient of each cell. At least two patients are required. None treats every cell
        as a separate patient, which makes the intervals too narrow. See
        :func:`summarize`.
    threshold : float, default=0.5
        Decision threshold of the classifier, in (0, 1).
    widths : array-like of shape (n_bands,), default=(0, 0.5, 1, 1.5, 2, 3)
        Non-negative half-widths of the bands in log-odds. A band is symmetric around
        the threshold.
    pos_label : int, float, bool or str, default=None
        Label of the positive (parasitized) class. None requires the labels 0 and 1, or
        booleans.
    n_resamples : int, default=2000
        Number of bootstrap resamples of the patients, at least 100.
    confidence_level : float, default=0.95
        Confidence level of the intervals, in (0, 1).
    random_state : int, RandomState instance or None, default=None
        Random seed or generator of the bootstrap. Pass an int for reproducible
        intervals.

    Returns
    -------
    DataFrame of shape (n_bands, 9)
        One row for each "width". The columns "from_probability" and "below_probability"
        are the ends of the band. "coverage" is the proportion of cells on which the
        classifier decides alone. "recall" and "specificity" are those of classifier and
        reviewer combined, with bounds in columns that end in "_low" and "_high".

    Raises
    ------
    ValueError
        If an argument is invalid, or `y_true` has only one class.

    Warns
    -----
    UserWarning
        If `y_prob` has only two distinct values, or the ROC AUC is below 0.5.

    See Also
    --------
    threshold_table : Compute recall and specificity at many thresholds.
    malariafuse.model_selection.choose_threshold : Choose a decision threshold.

    Notes
    -----
    A parasitized cell is missed only below the band, so the recall is that at the lower
    end. A false alarm occurs only above the band, so the specificity is that at the
    upper end.

    Examples
    --------
    >>> import numpy as np
    >>> from malariafuse.evaluation import review_table
    >>> rng = np.random.default_rng(0)
    >>> patient = np.repeat(np.arange(30), 20)
    >>> y_true = rng.integers(0, 2, 600)
    >>> log_odds = np.where(y_true, 2, -2) + 1.5 * rng.normal(size=600)
    >>> table = review_table(
    ...     y_true, 1 / (1 + np.exp(-log_odds)), patient, widths=[0, 1], random_state=0
    ... )
    >>> table[["coverage", "recall", "specificity"]].round(2)
           coverage  recall  specificity
    width
    0.0         1.0    0.94         0.94
    1.0         0.8    0.99         0.98
    """
    check_parameter("threshold", threshold, [Reals(0, 1, open_at="both")])
    given = as_array(widths, "widths")
    refuse_complex(given, "widths")
    half = real_numbers(given, "widths")
    if half.ndim != 1 or not len(half):
        raise ValueError(f"widths has shape {half.shape}: expected (n_bands,).")
    for place, value in enumerate(half.tolist()):
        check_parameter(f"widths[{place}]", value, [Reals(0)])
    center = logit(float(threshold))
    # Exactly the threshold if the band has no width.
    low, high = (
        np.where(half == 0, threshold, expit(center + sign * half)) for sign in (-1, 1)
    )
    rates = threshold_table(
        y_true,
        y_prob,
        groups,
        thresholds=np.concatenate([low, high]),
        pos_label=pos_label,
        n_resamples=n_resamples,
        confidence_level=confidence_level,
        random_state=random_state,
    ).to_dict("list")
    probability = check_probability(y_prob)
    columns: dict[str, Any] = {
        "from_probability": low,
        "below_probability": high,
        "coverage": [
            1 - ((start <= probability) & (probability < stop)).mean()
            for start, stop in zip(low, high, strict=True)
        ],
    }
    for name, rows in (
        ("recall", slice(len(half))),
        ("specificity", slice(len(half), None)),
    ):
        for end in ("", "_low", "_high"):
            columns[name + end] = rates[name + end][rows]
    return pd.DataFrame(columns, index=pd.Index(half, name="width"))
