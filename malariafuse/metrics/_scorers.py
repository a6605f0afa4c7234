"""Scorers for model selection, made from the metrics of this package."""

from collections.abc import Callable
from typing import Any, cast

from sklearn.metrics import make_scorer

from malariafuse._parameters import Reals, check_parameter
from malariafuse.metrics._best_threshold import (
    recall_at_specificity_score,
    specificity_at_recall_score,
)
from malariafuse.metrics._constrained import (
    constrained_recall_score,
    constrained_specificity_score,
)

Scorer = Callable[..., float]

_SCORES = ("decision_function", "predict_proba")


def make_constrained_recall_scorer(
    min_specificity: float = 0.95, *, pos_label: Any = 1
) -> Scorer:
    """Make a scorer of recall, subject to a minimum specificity.

    The scorer evaluates decisions (``predict``). Pass it as `scoring` to
    ``GridSearchCV`` over candidate thresholds, or to ``TunedThresholdClassifierCV``.

    .. warning::
        Do not choose a threshold with ``scoring="recall"``: recall is highest if every
        cell is called parasitized, so the search returns that threshold.

    Parameters
    ----------
    min_specificity : float, default=0.95
        Minimum specificity, in [0, 1].
    pos_label : int, float, bool or str, default=1
        Label of the positive (parasitized) class. Required if the labels are strings.

    Returns
    -------
    callable
        Scorer ``scorer(estimator, X, y)``, made by
        :func:`sklearn.metrics.make_scorer` from
        :func:`~malariafuse.metrics.constrained_recall_score`.

    Raises
    ------
    ValueError
        If `min_specificity` is not in [0, 1].

    See Also
    --------
    make_constrained_specificity_scorer : Specificity, subject to a minimum recall.
    make_recall_at_specificity_scorer : Highest recall over all thresholds. Use it to
        compare classifiers, not to choose a threshold.

    Notes
    -----
    In cross-validation, the minimum specificity applies to each fold, and candidates
    are ranked by the mean score over folds. A fold below the minimum scores the
    negative shortfall instead of a recall near 1. A threshold that misses the minimum
    in one fold therefore usually ranks below a threshold that reaches it in all folds.
    The ranking is noisy if folds have few uninfected cells.

    ``GridSearchCV`` replaces an error in a scorer by NaN and a warning. Pass
    ``error_score="raise"`` to raise the error if a class is missing or `pos_label` is
    wrong.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
    >>> from malariafuse.metrics import make_constrained_recall_scorer
    >>> X, y = make_classification(n_samples=600, flip_y=0.1, random_state=0)
    >>> search = GridSearchCV(
    ...     FixedThresholdClassifier(LogisticRegression()),
    ...     {"threshold": [0.1, 0.3, 0.5, 0.7, 0.9]},
    ...     scoring=make_constrained_recall_scorer(min_specificity=0.8),
    ... ).fit(X, y)
    >>> search.best_params_
    {'threshold': 0.3}
    """
    check_parameter("min_specificity", min_specificity, [Reals(0, 1)])
    return cast(
        Scorer,
        make_scorer(
            constrained_recall_score,
            min_specificity=min_specificity,
            pos_label=pos_label,
        ),
    )


def make_constrained_specificity_scorer(
    min_recall: float = 0.95, *, pos_label: Any = 1
) -> Scorer:
    """Make a scorer of specificity, subject to a minimum recall.

    The scorer evaluates decisions (``predict``). Pass it as `scoring` to
    ``GridSearchCV`` over candidate thresholds, or to ``TunedThresholdClassifierCV``.

    Parameters
    ----------
    min_recall : float, default=0.95
        Minimum recall, in [0, 1].
    pos_label : int, float, bool or str, default=1
        Label of the positive (parasitized) class. Required if the labels are strings.

    Returns
    -------
    callable
        Scorer ``scorer(estimator, X, y)``, made by
        :func:`sklearn.metrics.make_scorer` from
        :func:`~malariafuse.metrics.constrained_specificity_score`.

    Raises
    ------
    ValueError
        If `min_recall` is not in [0, 1].

    See Also
    --------
    make_constrained_recall_scorer : Recall, subject to a minimum specificity. Its notes
        also apply here.
    make_specificity_at_recall_scorer : Highest specificity over all thresholds.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import TunedThresholdClassifierCV
    >>> from malariafuse.metrics import make_constrained_specificity_scorer
    >>> X, y = make_classification(n_samples=600, flip_y=0.1, random_state=0)
    >>> tuned = TunedThresholdClassifierCV(
    ...     LogisticRegression(),
    ...     scoring=make_constrained_specificity_scorer(min_recall=0.9),
    ... ).fit(X, y)
    >>> bool(tuned.best_threshold_ < 0.5)
    True
    """
    check_parameter("min_recall", min_recall, [Reals(0, 1)])
    return cast(
        Scorer,
        make_scorer(
            constrained_specificity_score, min_recall=min_recall, pos_label=pos_label
        ),
    )


def make_recall_at_specificity_scorer(
    min_specificity: float = 0.95, *, pos_label: Any = 1
) -> Scorer:
    """Make a scorer of the highest recall that reaches a minimum specificity.

    The scorer evaluates scores (``decision_function``, or else ``predict_proba``). The
    decision threshold of the estimator has no influence. Pass it as `scoring` to
    ``GridSearchCV`` or ``cross_validate`` to compare classifiers.

    Parameters
    ----------
    min_specificity : float, default=0.95
        Minimum specificity, in [0, 1].
    pos_label : int, float, bool or str, default=1
        Label of the positive (parasitized) class. Required if the labels are strings.

    Returns
    -------
    callable
        Scorer ``scorer(estimator, X, y)``, made by
        :func:`sklearn.metrics.make_scorer` from
        :func:`~malariafuse.metrics.recall_at_specificity_score`.

    Raises
    ------
    ValueError
        If `min_specificity` is not in [0, 1].

    See Also
    --------
    make_specificity_at_recall_scorer : Highest specificity that reaches a minimum
        recall.
    make_constrained_recall_scorer : Recall of decisions. Use it to choose a threshold.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import cross_val_score
    >>> from malariafuse.metrics import make_recall_at_specificity_scorer
    >>> X, y = make_classification(n_samples=600, flip_y=0.1, random_state=0)
    >>> scoring = make_recall_at_specificity_scorer(min_specificity=0.8)
    >>> scores = cross_val_score(LogisticRegression(), X, y, scoring=scoring)
    >>> round(float(scores.mean()), 2)
    0.94
    """
    check_parameter("min_specificity", min_specificity, [Reals(0, 1)])
    return cast(
        Scorer,
        make_scorer(
            recall_at_specificity_score,
            response_method=_SCORES,
            min_specificity=min_specificity,
            pos_label=pos_label,
        ),
    )


def make_specificity_at_recall_scorer(
    min_recall: float = 0.95, *, pos_label: Any = 1
) -> Scorer:
    """Make a scorer of the highest specificity that reaches a minimum recall.

    The scorer evaluates scores (``decision_function``, or else ``predict_proba``). The
    decision threshold of the estimator has no influence. Pass it as `scoring` to
    ``GridSearchCV`` or ``cross_validate`` to compare classifiers.

    Parameters
    ----------
    min_recall : float, default=0.95
        Minimum recall, in [0, 1].
    pos_label : int, float, bool or str, default=1
        Label of the positive (parasitized) class. Required if the labels are strings.

    Returns
    -------
    callable
        Scorer ``scorer(estimator, X, y)``, made by
        :func:`sklearn.metrics.make_scorer` from
        :func:`~malariafuse.metrics.specificity_at_recall_score`.

    Raises
    ------
    ValueError
        If `min_recall` is not in [0, 1].

    See Also
    --------
    make_recall_at_specificity_scorer : Highest recall that reaches a minimum
        specificity.
    make_constrained_specificity_scorer : Specificity of decisions. Use it to choose a
        threshold.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import cross_val_score
    >>> from malariafuse.metrics import make_specificity_at_recall_scorer
    >>> X, y = make_classification(n_samples=600, flip_y=0.1, random_state=0)
    >>> scoring = make_specificity_at_recall_scorer(min_recall=0.8)
    >>> scores = cross_val_score(LogisticRegression(), X, y, scoring=scoring)
    >>> round(float(scores.mean()), 2)
    0.96
    """
    check_parameter("min_recall", min_recall, [Reals(0, 1)])
    return cast(
        Scorer,
        make_scorer(
            specificity_at_recall_score,
            response_method=_SCORES,
            min_recall=min_recall,
            pos_label=pos_label,
        ),
    )
