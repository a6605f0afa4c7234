"""Comparison of estimated and true parasitemia."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import spearmanr

from malariafuse._arrays import one_dimension, real_numbers
from malariafuse._parameters import Reals, check_parameter

# Percentages of red cells that microscopists call low, moderate and high.
_BANDS = ((0.0, 0.01, "below 1 %"), (0.01, 0.05, "1 to 5 %"), (0.05, 1.0, "above 5 %"))


def parasitemia_scores(
    true: ArrayLike,
    estimated: ArrayLike,
    low: ArrayLike | None = None,
    high: ArrayLike | None = None,
    *,
    tolerance: float = 0.25,
) -> pd.DataFrame:
    """Compute the agreement of estimated and true parasitemia.

    Parameters
    ----------
    true : array-like of shape (n_patients,)
        True parasitized fraction of red cells, in [0, 1]. Patients without parasites
        are ignored.
    estimated : array-like of shape (n_patients,)
        Estimated parasitized fraction, in [0, 1].
    low, high : array-like of shape (n_patients,), default=None
        Bounds of the intervals of the estimates. None skips the coverage.
    tolerance : float, default=0.25
        Maximum relative error of a close estimate, above 0. The default is the WHO
        criterion: within 25 % of the true value.

    Returns
    -------
    DataFrame of shape (4, 5)
        One row for each range of true parasitemia, "below 1 %", "1 to 5 %" and "above 5
        %", and one for "all". The columns are:

        - "patients": number of infected patients;
        - "close": proportion of estimates within the tolerance;
        - "ratio": median of estimated divided by true fraction;
        - "rank_correlation": Spearman's rank correlation [1]_, NaN for fewer than two
          patients or constant values;
        - "coverage": proportion of intervals that contain the true fraction, NaN
          without intervals.

    Raises
    ------
    ValueError
        If an argument is invalid, or no patient has parasites.

    See Also
    --------
    PatientTest : Estimate parasitized fractions.
    malariafuse.plotting.ParasitemiaCalibrationDisplay : Plot estimated against true
        parasitemia.

    References
    ----------
    .. [1] C. Spearman, "The proof and measurement of association between two things",
       American Journal of Psychology 15(1), 1904, pages 72 to 101.

    Examples
    --------
    >>> from malariafuse.evaluation import parasitemia_scores
    >>> scores = parasitemia_scores([0, 0.01, 0.02, 0.1], [0.001, 0.011, 0.03, 0.09])
    >>> scores["close"].round(2).to_dict()
    {'below 1 %': nan, '1 to 5 %': 0.5, 'above 5 %': 1.0, 'all': 0.67}
    """
    check_parameter("tolerance", tolerance, (Reals(0, open_at="low"),))
    truth = _fractions(true, "true")
    arrays = {"estimated": estimated}
    if (low is None) != (high is None):
        raise ValueError("low and high: expected both or neither.")
    if low is not None and high is not None:
        arrays |= {"low": low, "high": high}
    values = {}
    for name, given in arrays.items():
        values[name] = _fractions(given, name)
        if len(values[name]) != len(truth):
            raise ValueError(
                f"{name} has {len(values[name])} values for {len(truth)} patients in "
                "true: expected one for each patient."
            )
    table = pd.DataFrame({"true": truth, **values})
    table = table[table["true"] > 0]
    if table.empty:
        raise ValueError(
            "true has no patient with parasites: expected at least one value above 0."
        )
    table["close"] = (
        abs(table["estimated"] - table["true"]) <= tolerance * table["true"] + 1e-12
    )
    table["covered"] = np.nan
    if "low" in table:
        table["covered"] = table["true"].between(table["low"], table["high"]) * 1.0
    rows = {
        name: _row(table[(table["true"] >= above) & (table["true"] < below)])
        for above, below, name in _BANDS[:-1]
    }
    above, _, name = _BANDS[-1]
    rows[name] = _row(table[table["true"] >= above])
    rows["all"] = _row(table)
    return pd.DataFrame(rows).T.astype({"patients": int})


def _row(table: pd.DataFrame) -> dict[str, float]:
    known = len(table) > 1 and (table[["true", "estimated"]].nunique() > 1).all()
    return {
        "patients": len(table),
        "close": table["close"].mean(),
        "ratio": (table["estimated"] / table["true"]).median(),
        "rank_correlation": (
            float(spearmanr(table["true"], table["estimated"]).statistic)
            if known
            else np.nan
        ),
        "coverage": table["covered"].mean(),
    }


def _fractions(given: ArrayLike, name: str) -> NDArray[np.float64]:
    values = real_numbers(one_dimension(given, name), name)
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError(
            f"{name} has values that are missing or not in [0, 1]: expected fractions "
            "of red cells, such as 0.02 for 2 %."
        )
    return values
