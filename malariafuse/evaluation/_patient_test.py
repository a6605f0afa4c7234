"""A test of patients, from the probabilities of their cells."""

from collections.abc import Callable
from functools import cache
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from malariafuse._cells import Cells, check_cells, check_probability, warn_of_decisions
from malariafuse._parameters import POS_LABEL, Reals, Rules, check_parameters
from malariafuse._patients import check_patients, for_each_cell
from malariafuse.evaluation._beta_binomial import Rate, fit_rate
from malariafuse.model_selection import choose_threshold

_STANDARD_ERRORS = 3  # from which on a difference of two rates is real


class PatientTest(BaseEstimator):
    """Test whether a patient is infected, from the probabilities of the cells.

    A classifier of cells raises false alarms, so a few cells above its threshold prove
    nothing. This counts the cells above a strict threshold of its own and asks how
    often a patient without parasites would show as many. The answer allows for
    patients who differ: false alarms come in clusters, by stain and by slide.

    It is a statistical test of patients and no classifier of scikit-learn: `fit` learns
    from patients with known labels, :meth:`test` tests others.

    Parameters
    ----------
    specificity : float, default=0.95
        Intended share of uninfected patients whose verdict is not "infected", 0 to 1,
        both excluded.
    review_specificity : float, default=0.8
        Intended share of uninfected patients whose verdict is neither "infected" nor
        "review", 0 to 1, both excluded; at most `specificity`.
    cell_specificity : float, default=0.9975
        Share of uninfected cells that the threshold for cells leaves below it, 0 to
        1, both excluded. It takes at least ``1 / (1 - cell_specificity)`` uninfected
        cells to fit, 400 by default.
    confidence_level : float, default=0.95
        Confidence level of the interval of the parasitized fraction, 0 to 1, both
        excluded.
    pos_label : int, float, bool or str, default=None
        Label of the positive (parasitized) class. None takes the labels 0 and 1, or
        booleans; other labels need it.

    Attributes
    ----------
    cell_threshold_ : float
        Probability from which on a cell is counted.
    false_positive_rate_ : float
        Expected share of uninfected cells of a new patient that are counted.
    false_positive_correlation_ : float
        Correlation of the uninfected cells of one patient in this, 0 to 1: the variance
        of the patients' rates is this times ``rate * (1 - rate)``.
    sensitivity_ : float
        Expected share of parasitized cells of a new patient that are counted.
    sensitivity_correlation_ : float
        Correlation of the parasitized cells of one patient in this, 0 to 1.

    See Also
    --------
    patient_table : The counts behind it.

    Notes
    -----
    The number of counted cells of an uninfected patient is taken to be beta-binomial:
    each patient has a rate of false alarms, and the rates of patients have a beta
    distribution [1]_. Mean and variance of the rates are averaged over all that the
    patients of `fit` leave likely; the maximum of the likelihood alone promised more
    specificity than it kept in simulations.

    The rate is estimated from the uninfected cells of all patients, infected ones
    included. They are most of the uninfected cells, and most of the patients: the
    spread between patients cannot be estimated from a few healthy ones. Parasitized
    cells that were labeled uninfected, which only infected patients can have, make the
    rate too high and the verdict too cautious, not too bold.

    A patient is infected, for `fit`, who has a parasitized cell.

    The parasitized fraction is the share of counted cells, corrected for false alarms
    and missed parasites as Rogan and Gladen do [2]_: ``(share - false_positive_rate_) /
    (sensitivity_ - false_positive_rate_)``. Like its interval it is clipped to 0..1:
    without parasites, half of the patients show fewer counted cells than the expected
    false alarms, and more than all parasites would be no fraction. The mean over
    patients of very low or very high fractions is therefore a little too high or too
    low. The interval is made of the fractions that a test, in the same distribution,
    does not reject.

    The difference that the fraction is divided by has to be real. `fit` asks for three
    standard errors, in which patients count by their cells and their correlation: less
    would make the fraction wrong by a third or more.

    The promise of specificity is for patients like those of `fit`: the same
    preparation, the same classifier and about as many cells. If a classifier or a
    laboratory changes, or there are ten times as many cells, fit again.

    References
    ----------
    .. [1] J. G. Skellam, "A Probability Distribution Derived from the Binomial
       Distribution by Regarding the Probability of Success as Variable between the Sets
       of Trials", Journal of the Royal Statistical Society B 10(2), 1948, pages 257 to
       261.
    .. [2] W. J. Rogan, B. Gladen, "Estimating prevalence from the results of a
       screening test", American Journal of Epidemiology 107(1), 1978, pages 71 to 76.

    Examples
    --------
    >>> import numpy as np
    >>> from malariafuse.evaluation import PatientTest
    >>> rng = np.random.default_rng(0)
    >>> patient = np.repeat(np.arange(40), 50)
    >>> y_true = (patient < 20) & (rng.random(2000) < 0.4)
    >>> y_prob = np.where(y_true, rng.beta(6, 1, 2000), rng.beta(1, 6, 2000))
    >>> fitted = PatientTest().fit(y_true, y_prob, patient)
    >>> verdicts = fitted.test([0.99, 0.98, 0.2, 0.1, 0.3, 0.2], [1, 1, 1, 2, 2, 2])
    >>> verdicts["verdict"].to_dict()
    {1: 'infected', 2: 'not infected'}

    One new patient:

    >>> fitted.test([0.99, 0.98, 0.2], "C7")["verdict"].to_dict()
    {'C7': 'infected'}
    """

    _parameter_rules: ClassVar[Rules] = dict.fromkeys(
        (
            "specificity",
            "review_specificity",
            "cell_specificity",
            "confidence_level",
        ),
        (Reals(0, 1, open_at="both"),),
    ) | {"pos_label": POS_LABEL}

    def __init__(
        self,
        *,
        specificity: float = 0.95,
        review_specificity: float = 0.8,
        cell_specificity: float = 0.9975,
        confidence_level: float = 0.95,
        pos_label: Any = None,
    ) -> None:
        self.specificity = specificity
        self.review_specificity = review_specificity
        self.cell_specificity = cell_specificity
        self.confidence_level = confidence_level
        self.pos_label = pos_label

    def fit(self, y_true: ArrayLike, y_prob: ArrayLike, groups: ArrayLike) -> Self:
        """Learn how often cells are counted that are not, or are, parasitized.

        Parameters
        ----------
        y_true : array-like of shape (n_cells,)
            Labels: 1 for a parasitized cell, 0 for an uninfected one, or others with
            `pos_label`.
        y_prob : array-like of shape (n_cells,)
            Probability of the positive class, 0 to 1, out of fold: of cells whose
            patients the classifier was not fitted on.
        groups : array-like of shape (n_cells,)
            Patient of each cell. At least two have parasitized cells, and at least
            two have uninfected ones.

        Returns
        -------
        self : PatientTest
            The fitted estimator.

        Raises
        ------
        ValueError
            If an argument or a parameter is not as described, or the probabilities do
            not distinguish parasitized cells from uninfected ones.

        Warns
        -----
        UserWarning
            If `y_prob` holds two values only, or the ROC AUC is below 0.5.
        """
        self._check_parameters()
        cells = check_cells(y_true, y_prob, groups, pos_label=self.pos_label)
        negative = cells.target == 0
        if negative.sum() * (1 - self.cell_specificity) < 1 - 1e-9:
            raise ValueError(
                f"cell_specificity={self.cell_specificity!r} cannot be estimated from "
                f"{negative.sum()} uninfected cells in y_true: expected at least "
                f"{np.ceil(1 / (1 - self.cell_specificity) - 1e-6):.0f} of them, or a "
                "lower cell_specificity."
            )
        threshold = _cell_threshold(cells, self.cell_specificity)
        counted = cells.probability >= threshold
        (false_positive, error_0), (sensitivity, error_1) = (
            _fit_rate(cells, chosen, counted, kind)
            for kind, chosen in (("uninfected", negative), ("parasitized", ~negative))
        )
        difference = sensitivity.mean - false_positive.mean
        if (
            not counted[~negative].any()
            or difference <= _STANDARD_ERRORS * (error_0**2 + error_1**2) ** 0.5
        ):
            raise ValueError(
                f"y_prob reaches {threshold:.3g}, the threshold for cell_specificity="
                f"{self.cell_specificity!r}, for {counted[~negative].mean():.2%} of "
                f"the parasitized and {counted[negative].mean():.2%} of the uninfected "
                "cells: expected more of the parasitized ones, beyond chance. "
                "Probabilities that hardly vary cannot distinguish patients."
            )
        self.cell_threshold_ = threshold
        self.false_positive_rate_ = false_positive.mean
        self.false_positive_correlation_ = false_positive.correlation
        self.sensitivity_ = sensitivity.mean
        self.sensitivity_correlation_ = sensitivity.correlation
        return self

    def test(self, y_prob: ArrayLike, groups: ArrayLike | str | float) -> pd.DataFrame:
        """Test each patient.

        Parameters
        ----------
        y_prob : array-like of shape (n_cells,)
            Probability of the positive class, 0 to 1, from the same classifier, of
            patients that neither it nor this estimator was fitted on.
        groups : array-like of shape (n_cells,), str or number
            Patient of each cell, or the one patient of all cells.

        Returns
        -------
        DataFrame of shape (n_patients, 8)
            One row for each patient, whose index is the patient, sorted. The columns:

            - "verdict": "infected", "review" for a patient whose cells a person should
              look at, or "not infected", which means that nothing speaks for an
              infection, and is worth as much as there are cells;
            - "p_value": the probability of so many counted cells, or more, without a
              parasite;
            - "cells" and "counted": the number of cells, and of those counted;
            - "needed": how many counted cells would make the verdict "infected";
            - "fraction", "low" and "high": the parasitized fraction of the cells, and
              its interval, 0 to 1.

        Raises
        ------
        ValueError
            If an argument is not as described.
        """
        check_is_fitted(self)
        self._check_parameters()
        probability = check_probability(y_prob)
        warn_of_decisions(probability, name="y_prob")
        patients = for_each_cell(groups, len(probability))
        cluster, names = check_patients(patients, len(probability))
        counted = np.bincount(
            cluster, weights=probability >= self.cell_threshold_, minlength=len(names)
        ).astype(int)
        n_cells = np.bincount(cluster, minlength=len(names))
        # Many patients have the same counts.
        decide = cache(self._decide)
        return pd.DataFrame(
            [
                decide(int(count), int(n))
                for count, n in zip(counted, n_cells, strict=True)
            ],
            index=pd.Index(names, name="patient"),
        )

    def _decide(self, count: int, n: int) -> dict[str, object]:
        uninfected = self._rate(0)
        p_value = uninfected.at_least(count, n)
        verdict = "not infected"
        if p_value <= 1 - self.specificity:
            verdict = "infected"
        elif p_value <= 1 - self.review_specificity:
            verdict = "review"
        share = (count / n - self.false_positive_rate_) / (
            self.sensitivity_ - self.false_positive_rate_
        )
        # How far the tests at both ends reach, each with half of what may go wrong.
        reach = (1 - self.confidence_level) / 2
        low = _crossing(lambda f: self._rate(f).at_least(count, n) - reach, default=0)
        high = _crossing(lambda f: self._rate(f).at_most(count, n) - reach, default=1)
        return {
            "verdict": verdict,
            "p_value": p_value,
            "cells": n,
            "counted": count,
            "needed": uninfected.smallest_count(1 - self.specificity, n),
            "fraction": min(1.0, max(0.0, share)),
            "low": low,
            "high": high,
        }

    def _rate(self, fraction: float) -> Rate:
        """Return the rate of counted cells of a patient with parasites in `fraction`.

        The two kinds of cells vary independently of each other.
        """
        sensitivity = Rate(self.sensitivity_, self.sensitivity_correlation_)
        false_positive = Rate(
            self.false_positive_rate_, self.false_positive_correlation_
        )
        return Rate.with_variance(
            fraction * sensitivity.mean + (1 - fraction) * false_positive.mean,
            fraction**2 * sensitivity.variance
            + (1 - fraction) ** 2 * false_positive.variance,
        )

    def _check_parameters(self) -> None:
        check_parameters(self)
        if self.review_specificity > self.specificity:
            raise ValueError(
                f"review_specificity={self.review_specificity!r} exceeds specificity="
                f"{self.specificity!r}: expected at most that, so that a review comes "
                "before the verdict."
            )


def _crossing(of_fraction: Callable[[float], float], *, default: float) -> float:
    """Return the fraction where a test turns, or the end where it never does."""
    if of_fraction(default) >= 0:
        return default
    if of_fraction(1 - default) <= 0:
        return 1 - default
    return float(brentq(of_fraction, 0, 1, xtol=1e-6))


def _cell_threshold(cells: Cells, specificity: float) -> float:
    try:
        return choose_threshold(
            cells.target, cells.probability, min_specificity=specificity
        )
    except ValueError as error:
        raise ValueError(
            f"cell_specificity={specificity!r} is reached by no threshold of "
            "y_prob: too many uninfected cells have probability 1."
        ) from error


def _fit_rate(
    cells: Cells, chosen: NDArray[np.bool_], counted: NDArray[np.bool_], kind: str
) -> tuple[Rate, float]:
    """Return the rate of counted cells of one kind, and the standard error of its mean.

    Cells of one patient are correlated, so a patient with many cells adds less to what
    is known than as many cells of many patients.
    """
    n = cells.sums(chosen)
    if (n > 0).sum() < 2:
        raise ValueError(
            f"groups has one patient only with {kind} cells: expected at least two, to "
            "estimate how much patients differ."
        )
    rate = fit_rate(cells.sums(chosen & counted)[n > 0], n[n > 0])
    unexplained = rate.mean * (1 - rate.mean) - rate.variance
    variance = unexplained / n.sum() + rate.variance * (n**2).sum() / n.sum() ** 2
    return rate, float(variance**0.5)
