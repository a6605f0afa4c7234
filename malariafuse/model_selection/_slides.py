"""Adaptation of probabilities to a slide, without labels."""

from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit
from sklearn.utils.validation import check_is_fitted

from malariafuse._base import Estimator
from malariafuse._cells import check_cells, check_probability
from malariafuse._parameters import (
    POS_LABEL,
    Integers,
    Reals,
    Rules,
    check_parameters,
)
from malariafuse._patients import check_patients, for_each_cell
from malariafuse._texts import text_column

# Log-odds are clipped to this absolute value: they are infinite at 0 and 1.
_FARTHEST = 30.0
# With fewer patients, the spread between patients cannot be estimated.
_FEWEST_PATIENTS = 5


class SlideAdapter(Estimator):
    r"""Adapt probabilities to a slide so that the false-positive rate is kept.

    A different stain, lamp or camera can raise the probabilities of all cells of a
    slide. A threshold that was chosen elsewhere then gives more false positives than
    intended. Most cells of a slide are uninfected, so their probabilities show the
    shift. The adapter compares a high quantile of the cells called uninfected with the
    same quantile of the patients of `fit`. If the difference exceeds the usual spread
    between patients, all probabilities of the slide are lowered. No labels of the slide
    are needed. Slides that resemble the patients of `fit` keep their probabilities.

    Parameters
    ----------
    threshold : float, default=0.5
        Decision threshold of the classifier, in (0, 1). Cells below it are called
        uninfected.
    quantile : float, default=0.9
        Quantile of the cells that are called uninfected, in (0, 1).
    tolerance : float, default=1.5
        Difference from the patients of `fit` that is ignored, in standard deviations
        between patients. Of a larger difference, only the excess is subtracted.
    min_cells : int, default=30
        Minimum number of cells called uninfected. A slide with fewer is not adapted.
    pos_label : int, float, bool or str, default=None
        Label of the positive (parasitized) class. None requires the labels 0 and 1, or
        booleans.

    Attributes
    ----------
    reference_ : float
        Quantile of the log-odds of all uninfected cells of `fit` that are called
        uninfected.
    spread_ : float
        Standard deviation of the quantiles of the patients of `fit`.

    See Also
    --------
    choose_threshold : Choose the decision threshold.
    malariafuse.evaluation.PatientTest : Test whether a patient is infected.

    Notes
    -----
    Let :math:`q_s` be the quantile of the log-odds of a slide. The log-odds of all
    cells of the slide are lowered by :math:`\max(0, q_s - reference - tolerance \cdot
    spread)`, the soft threshold of [1]_. They are never raised: a slide with low
    probabilities is no evidence of undetected parasites.

    The ranking of the cells within a slide does not change. Lower probabilities reduce
    both false positives and sensitivity. Check both on labeled slides of the other
    laboratory before you rely on the adapted probabilities.

    The cells called uninfected include missed parasitized cells. They raise the
    quantile slightly if parasites are frequent.

    References
    ----------
    .. [1] D. L. Donoho, "De-noising by soft-thresholding", IEEE Transactions on
       Information Theory 41(3), 1995, https://doi.org/10.1109/18.382009

    Examples
    --------
    >>> import numpy as np
    >>> from malariafuse.model_selection import SlideAdapter
    >>> rng = np.random.default_rng(0)
    >>> patient = np.repeat(np.arange(20), 100)
    >>> y_true = rng.random(2000) < 0.3
    >>> log_odds = np.where(y_true, 3, -3) + rng.normal(size=2000)
    >>> adapter = SlideAdapter().fit(y_true, 1 / (1 + np.exp(-log_odds)), patient)

    Uninfected cells of a new slide, all with raised probabilities:

    >>> new = 1 / (1 + np.exp(3 - 2.5 - rng.normal(size=200)))
    >>> adapted = adapter.adapt(new, "slide 1")
    >>> float((new >= 0.5).mean()), float((adapted >= 0.5).mean())
    (0.33, 0.075)
    """

    _parameter_rules: ClassVar[Rules] = {
        "threshold": (Reals(0, 1, open_at="both"),),
        "quantile": (Reals(0, 1, open_at="both"),),
        "tolerance": (Reals(0),),
        "min_cells": (Integers(1),),
        "pos_label": POS_LABEL,
    }

    def __init__(
        self,
        *,
        threshold: float = 0.5,
        quantile: float = 0.9,
        tolerance: float = 1.5,
        min_cells: int = 30,
        pos_label: Any = None,
    ) -> None:
        self.threshold = threshold
        self.quantile = quantile
        self.tolerance = tolerance
        self.min_cells = min_cells
        self.pos_label = pos_label

    def fit(self, y_true: ArrayLike, y_prob: ArrayLike, groups: ArrayLike) -> Self:
        """Fit the reference quantile and its spread between patients.

        Parameters
        ----------
        y_true : array-like of shape (n_cells,)
            True labels: 1 for a parasitized cell, 0 for an uninfected cell. Other
            labels require `pos_label`.
        y_prob : array-like of shape (n_cells,)
            Out-of-fold probability of the positive class, in [0, 1].
        groups : array-like of shape (n_cells,)
            Patient of each cell.

        Returns
        -------
        self : SlideAdapter
            Fitted adapter.

        Raises
        ------
        ValueError
            If an argument or a parameter is invalid, or fewer than five patients have
            `min_cells` cells called uninfected.
        """
        check_parameters(self)
        cells = check_cells(
            y_true, y_prob, groups, pos_label=self.pos_label, both_classes=False
        )
        odds = _log_odds(cells.probability)
        quantiles = self._quantiles(odds, cells.cluster, cells.n_clusters)
        known = np.isfinite(quantiles)
        if known.sum() < _FEWEST_PATIENTS:
            raise ValueError(
                f"{known.sum()} patients of groups have min_cells={self.min_cells} "
                f"cells below the threshold {self.threshold:g}: expected at least "
                f"{_FEWEST_PATIENTS}. Add patients, or decrease min_cells."
            )
        called = odds[(cells.target == 0) & (odds < logit(self.threshold))]
        if not len(called):
            raise ValueError(
                "y_true has no uninfected cell whose probability is below "
                f"threshold={self.threshold:g}."
            )
        self.reference_ = float(np.quantile(called, self.quantile))
        self.spread_ = float(quantiles[known].std(ddof=1))
        return self

    def shifts(self, y_prob: ArrayLike, groups: ArrayLike) -> "pd.Series[float]":
        """Compute the amount by which the log-odds of each slide are lowered.

        Parameters
        ----------
        y_prob : array-like of shape (n_cells,)
            Probability of the positive class, in [0, 1].
        groups : array-like of shape (n_cells,) or label
            Slide or patient of each cell, or one label for all cells.

        Returns
        -------
        Series of float
            Non-negative shift, indexed by slide. NaN for a slide with fewer than
            `min_cells` cells called uninfected, which is not adapted.

        Raises
        ------
        ValueError
            If an argument is invalid.
        """
        probability, slide, names = self._checked(y_prob, groups)
        return pd.Series(
            self._shifts(probability, slide, len(names)),
            index=pd.Index(text_column(names), name="slide"),
            name="shift",
        )

    def adapt(self, y_prob: ArrayLike, groups: ArrayLike) -> NDArray[np.float64]:
        """Adapt probabilities to their slides.

        Parameters
        ----------
        y_prob : array-like of shape (n_cells,)
            Probability of the positive class, in [0, 1].
        groups : array-like of shape (n_cells,) or label
            Slide or patient of each cell, or one label for all cells.

        Returns
        -------
        ndarray of shape (n_cells,), float64
            Adapted probabilities, at most the original ones.

        Raises
        ------
        ValueError
            If an argument is invalid.
        """
        probability, slide, names = self._checked(y_prob, groups)
        shifts = np.nan_to_num(self._shifts(probability, slide, len(names)))
        with np.errstate(divide="ignore"):
            lowered = expit(logit(probability) - shifts[slide])
        # Exactly unchanged if the shift is 0.
        return np.where(shifts[slide] > 0, lowered, probability)

    def _checked(
        self, y_prob: ArrayLike, groups: Any
    ) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[Any]]:
        check_is_fitted(self)
        check_parameters(self)
        probability = check_probability(y_prob)
        slides = for_each_cell(groups, len(probability))
        return probability, *check_patients(slides, len(probability))

    def _shifts(
        self, probability: NDArray[np.float64], slide: NDArray[np.int64], n_slides: int
    ) -> NDArray[np.float64]:
        quantiles = self._quantiles(_log_odds(probability), slide, n_slides)
        usual = self.reference_ + self.tolerance * self.spread_
        return np.maximum(quantiles - usual, 0)

    def _quantiles(
        self, odds: NDArray[np.float64], slide: NDArray[np.int64], n_slides: int
    ) -> NDArray[np.float64]:
        """Return the quantile of each slide, or NaN for a slide with too few cells."""
        quantiles = np.full(n_slides, np.nan)
        called = odds < logit(self.threshold)
        for number in range(n_slides):
            of_slide = odds[called & (slide == number)]
            if len(of_slide) >= self.min_cells:
                quantiles[number] = np.quantile(of_slide, self.quantile)
        return quantiles


def _log_odds(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        return np.clip(logit(probability), -_FARTHEST, _FARTHEST)
