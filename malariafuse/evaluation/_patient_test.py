"""Statistical test of patients from the probabilities of their cells."""

from functools import cache
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from malariafuse._base import Estimator
from malariafuse._cells import Cells, check_cells, check_probability, warn_of_decisions
from malariafuse._parameters import POS_LABEL, Reals, Rules, check_parameters
from malariafuse._patients import check_patients, for_each_cell
from malariafuse._texts import text_column
from malariafuse.evaluation._counting import CountingRule, best_rule, fit_rule

# False-positive rates of the rules, as multiples of that of the strictest rule.
_FALSE_ALARMS = (1, 2, 4, 8, 16)


class PatientTest(Estimator):
    """Test whether a patient is infected, from the probabilities of the cells.

    A cell classifier has false positives, so a few cells above its threshold do not
    prove an infection. This test counts the cells above a strict threshold and computes
    the probability of that count in a patient without parasites. The false-positive
    rate may vary between patients, for example by stain and by slide.

    It is a statistical test, not a scikit-learn classifier. :meth:`fit` takes patients
    with known labels, and :meth:`test` tests other patients.

    Parameters
    ----------
    specificity : float, default=0.95
        Intended proportion of uninfected patients whose verdict is not "infected", in
        (0, 1).
    review_specificity : float, default=0.8
        Intended proportion of uninfected patients whose verdict is neither "infected"
        nor "review", in (0, 1). At most `specificity`.
    cell_specificity : float, default=0.9975
        Proportion of uninfected cells below the threshold for cells, in (0, 1). The fit
        requires at least ``1 / (1 - cell_specificity)`` uninfected cells, 400 by
        default.
    confidence_level : float, default=0.95
        Confidence level of the interval of the parasitized fraction, in (0, 1).
    pos_label : int, float, bool or str, default=None
        Label of the positive (parasitized) class. None requires the labels 0 and 1, or
        booleans.

    Attributes
    ----------
    cell_threshold_ : float
        Threshold for the verdict. A cell is counted if its probability is at least the
        threshold.
    false_positive_rate_ : float
        Expected proportion of the uninfected cells of a new patient that are counted.
    false_positive_correlation_ : float
        Intraclass correlation of uninfected cells within patients, in [0, 1]. The
        variance of the patients' rates is the correlation times ``rate * (1 - rate)``.
    sensitivity_ : float
        Expected proportion of the parasitized cells of a new patient that are counted.
    sensitivity_correlation_ : float
        Intraclass correlation of parasitized cells within patients, in [0, 1].

    See Also
    --------
    patient_table : Count the cells of each patient.

    Notes
    -----
    The number of counted cells of an uninfected patient is modeled as beta-binomial:
    each patient has a false-positive rate, and the rates have a beta distribution [1]_.
    The mean and the variance of the rates are averaged over their posterior
    distribution, given the patients of `fit`. In simulations, the maximum of the
    likelihood did not keep the intended specificity.

    The rate is estimated from the uninfected cells of all patients, including infected
    ones, because the spread between patients cannot be estimated from a few healthy
    patients. Infected patients may have parasitized cells with the label uninfected.
    They increase the estimated rate and make the verdict more conservative.

    In `fit`, a patient with at least one parasitized cell is infected.

    The parasitized fraction is the proportion of cells above a threshold, corrected for
    false positives and missed parasites by the Rogan-Gladen estimator [2]_:
    ``(proportion - false_positive_rate) / (sensitivity - false_positive_rate)``. A
    strict threshold is best for few parasites, a lenient threshold for many. `fit`
    therefore estimates the rates at five thresholds, with 1, 2, 4, 8 and 16 times the
    false-positive rate of `cell_specificity`. For each patient, the threshold with the
    smallest standard error is used. The standard error includes sampling and the spread
    between patients.

    The fraction and its interval are clipped to [0, 1]. The mean over patients is
    therefore slightly biased for very low or very high fractions. The interval contains
    the fractions that a test, under the same distribution, does not reject. Because the
    threshold depends on the counts, the error probability of the interval is divided by
    the number of thresholds (Bonferroni correction).

    The denominator of the fraction must differ from 0 significantly. `fit` requires
    three standard errors, weighted by the cells of the patients and their correlation.
    With less, the relative error of the fraction could exceed one third.

    The specificity holds for patients like those of `fit`: the same preparation, the
    same classifier and a similar number of cells. Fit again if the classifier or the
    laboratory changes, or if there are ten times as many cells.

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
        """Estimate the false-positive rate and the sensitivity of counted cells.

        Parameters
        ----------
        y_true : array-like of shape (n_cells,)
            True labels: 1 for a parasitized cell, 0 for an uninfected cell. Other
            labels require `pos_label`.
        y_prob : array-like of shape (n_cells,)
            Out-of-fold probability of the positive class, in [0, 1]: the classifier was
            not fitted on the patient of the cell.
        groups : array-like of shape (n_cells,)
            Patient of each cell. At least two patients with parasitized cells and at
            least two with uninfected cells are required.

        Returns
        -------
        self : PatientTest
            Fitted estimator.

        Raises
        ------
        ValueError
            If an argument or a parameter is invalid, or the probabilities do not
            distinguish parasitized from uninfected cells.

        Warns
        -----
        UserWarning
            If `y_prob` has only two distinct values, or the ROC AUC is below 0.5.
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
        rules = self._fit_rules(cells, negative)
        self._rules = rules
        strictest = rules[0]
        self.cell_threshold_ = strictest.threshold
        self.false_positive_rate_ = strictest.false_positive.mean
        self.false_positive_correlation_ = strictest.false_positive.correlation
        self.sensitivity_ = strictest.sensitivity.mean
        self.sensitivity_correlation_ = strictest.sensitivity.correlation
        return self

    def _fit_rules(
        self, cells: Cells, negative: NDArray[np.bool_]
    ) -> list[CountingRule]:
        """Return the rule of `cell_specificity` and the more lenient rules."""
        rules: list[CountingRule] = []
        for times in _FALSE_ALARMS:
            specificity = 1 - times * (1 - self.cell_specificity)
            if rules and specificity <= 0.5:
                break
            rule, beyond_chance = fit_rule(cells, specificity)
            counted = cells.probability >= rule.threshold
            if rules and not beyond_chance:
                break
            if not beyond_chance:
                raise ValueError(
                    f"y_prob is at least {rule.threshold:.3g}, the threshold for "
                    f"cell_specificity={self.cell_specificity!r}, for "
                    f"{counted[~negative].mean():.2%} of the parasitized and "
                    f"{counted[negative].mean():.2%} of the uninfected cells: expected "
                    "significantly more of the parasitized cells. Probabilities that "
                    "hardly vary cannot distinguish patients."
                )
            rules.append(rule)
        return rules

    def test(self, y_prob: ArrayLike, groups: ArrayLike | str | float) -> pd.DataFrame:
        """Test each patient.

        Parameters
        ----------
        y_prob : array-like of shape (n_cells,)
            Probability of the positive class, in [0, 1], from the same classifier.
            Neither the classifier nor this test was fitted on these patients.
        groups : array-like of shape (n_cells,), str or number
            Patient of each cell, or a single patient for all cells.

        Returns
        -------
        DataFrame of shape (n_patients, 9)
            One row for each patient, indexed by patient and sorted. The columns are:

            - "verdict": "infected", "review" if a person should look at the cells, or
              "not infected" if there is no evidence of an infection. The more cells,
              the stronger a negative verdict;
            - "p_value": probability of at least this number of counted cells without
              parasites;
            - "cells" and "counted": number of cells, and number of counted cells;
            - "needed": smallest number of counted cells with the verdict "infected";
            - "fraction", "low" and "high": parasitized fraction of the cells and its
              interval, in [0, 1];
            - "threshold": threshold at which cells were counted for the fraction. At
              most the threshold for the verdict.

        Raises
        ------
        ValueError
            If an argument is invalid.
        """
        check_is_fitted(self)
        self._check_parameters()
        probability = check_probability(y_prob)
        warn_of_decisions(probability, name="y_prob")
        patients = for_each_cell(groups, len(probability))
        cluster, names = check_patients(patients, len(probability))
        counts = np.stack(
            [
                np.bincount(cluster, probability >= rule.threshold, len(names))
                for rule in self._rules
            ],
            axis=1,
        ).astype(int)
        n_cells = np.bincount(cluster, minlength=len(names))
        # Results are cached, because many patients have the same counts.
        decide = cache(self._decide)
        return pd.DataFrame(
            [
                decide(tuple(of_patient.tolist()), int(n))
                for of_patient, n in zip(counts, n_cells, strict=True)
            ],
            index=pd.Index(text_column(names), name="patient"),
        )

    def _decide(self, counts: tuple[int, ...], n: int) -> dict[str, object]:
        strictest, count = self._rules[0], counts[0]
        uninfected = strictest.rate(0)
        p_value = uninfected.at_least(count, n)
        verdict = "not infected"
        if p_value <= 1 - self.specificity:
            verdict = "infected"
        elif p_value <= 1 - self.review_specificity:
            verdict = "review"
        best = best_rule(self._rules, list(counts), n)
        rule = self._rules[best]
        # Bonferroni correction, because the counts choose the rule.
        level = 1 - (1 - self.confidence_level) / len(self._rules)
        low, high = rule.interval(counts[best], n, level)
        return {
            "verdict": verdict,
            "p_value": p_value,
            "cells": n,
            "counted": count,
            "needed": uninfected.smallest_count(1 - self.specificity, n),
            "fraction": rule.fraction(counts[best], n),
            "low": low,
            "high": high,
            "threshold": rule.threshold,
        }

    def _check_parameters(self) -> None:
        check_parameters(self)
        if self.review_specificity > self.specificity:
            raise ValueError(
                f"review_specificity={self.review_specificity!r} exceeds "
                f"specificity={self.specificity!r}: expected a value of at most "
                "specificity."
            )
