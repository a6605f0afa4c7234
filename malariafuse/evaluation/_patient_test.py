"""A test of patients, from the probabilities of their cells."""

from functools import cache
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from malariafuse._cells import Cells, check_cells, check_probability, warn_of_decisions
from malariafuse._parameters import POS_LABEL, Reals, Rules, check_parameters
from malariafuse._patients import check_patients, for_each_cell
from malariafuse._stored import StoredEstimator
from malariafuse.evaluation._counting import CountingRule, best_rule, fit_rule

# Of the rules that estimate fractions, in multiples of those of the strictest one.
_FALSE_ALARMS = (1, 2, 4, 8, 16)


class PatientTest(StoredEstimator):
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
        Probability from which on a cell is counted for the verdict.
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

    The parasitized fraction is the share of the cells above a threshold, corrected for
    false alarms and missed parasites as Rogan and Gladen do [2]_: ``(share -
    false_positive_rate) / (sensitivity - false_positive_rate)``. A strict threshold is
    best for few parasites, and a lenient one for many. So `fit` learns the rates at
    five thresholds, with 1, 2, 4, 8 and 16 times the false alarms of
    `cell_specificity`, and each patient is counted at the one with the smallest
    standard error, sampling and differences between patients included.

    Like its interval the fraction is clipped to 0..1: without parasites, half of the
    patients show fewer counted cells than the expected false alarms, and more than all
    parasites would be no fraction. The mean over patients of very low or very high
    fractions is therefore a little too high or too low. The interval is made of the
    fractions that a test, in the same distribution, does not reject. Since the counts
    choose the threshold, the error of the interval is shared among all thresholds
    (Bonferroni), so it is a little wider than that of one threshold.

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
        """Return the rule of `cell_specificity`, and more lenient ones."""
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
                    f"y_prob reaches {rule.threshold:.3g}, the threshold for "
                    f"cell_specificity={self.cell_specificity!r}, for "
                    f"{counted[~negative].mean():.2%} of the parasitized and "
                    f"{counted[negative].mean():.2%} of the uninfected cells: expected "
                    "more of the parasitized ones, beyond chance. Probabilities that "
                    "hardly vary cannot distinguish patients."
                )
            rules.append(rule)
        return rules

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
        DataFrame of shape (n_patients, 9)
            One row for each patient, whose index is the patient, sorted. The columns:

            - "verdict": "infected", "review" for a patient whose cells a person should
              look at, or "not infected", which means that nothing speaks for an
              infection, and is worth as much as there are cells;
            - "p_value": the probability of so many counted cells, or more, without a
              parasite;
            - "cells" and "counted": the number of cells, and of those counted;
            - "needed": how many counted cells would make the verdict "infected";
            - "fraction", "low" and "high": the parasitized fraction of the cells, and
              its interval, 0 to 1;
            - "threshold": the probability from which on cells were counted for the
              fraction, at most that for the verdict.

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
        counts = np.stack(
            [
                np.bincount(cluster, probability >= rule.threshold, len(names))
                for rule in self._rules
            ],
            axis=1,
        ).astype(int)
        n_cells = np.bincount(cluster, minlength=len(names))
        # Many patients have the same counts.
        decide = cache(self._decide)
        return pd.DataFrame(
            [
                decide(tuple(of_patient.tolist()), int(n))
                for of_patient, n in zip(counts, n_cells, strict=True)
            ],
            index=pd.Index(names, name="patient"),
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
        # Bonferroni: any of the rules might have been the best by chance.
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
                f"review_specificity={self.review_specificity!r} exceeds specificity="
                f"{self.specificity!r}: expected at most that, so that a review comes "
                "before the verdict."
            )
