"""The scores of this package as scorers for model selection."""

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
    """Make a scorer: recall of decisions, if their specificity is high enough.

    The scorer judges decisions (``predict``). Pass it as `scoring` to ``GridSearchCV``
    over candidate thresholds, or to ``TunedThresholdClassifierCV``.

    .. warning::
        Do not choose a threshold with ``scoring="recall"``: recall is highest where
        every cell is called parasitized, and that is what the search returns.

    Parameters
    ----------
    min_specificity : float, default=0.95
        Lowest admissible specificity, 0 to 1.
    pos_label : int, float, bool or str, default=1
        Label of the positive (parasitized) class. With string labels it has to be
        given; the scorer raises an error otherwise.

    Returns
    -------
    callable
        A scorer ``scorer(estimator, X, y)``, made by
        :func:`sklearn.metrics.make_scorer` from
        :func:`~malariafuse.metrics.constrained_recall_score`.

    Raises
    ------
    ValueError
        If `min_specificity` is out of its range.

    See Also
    --------
    make_constrained_specificity_scorer : The same with the two exchanged.
    make_recall_at_specificity_scorer : The best recall over all thresholds, which
        compares classifiers and chooses no threshold.

    Notes
    -----
    In cross-validation the specificity is looked at in each fold, and the mean of the
    scores decides. A fold whose specificity is too low brings a negative score, by how
    much it is too low, instead of a recall of nearly 1. A threshold that fails in one
    fold thus loses against one that reaches the minimum in all, unless its recall
    elsewhere is much higher. Folds with few uninfected cells make that noisy.

    ``GridSearchCV`` turns an error in a scorer into a NaN and a warning. Pass
    ``error_score="raise"`` to stop at missing classes or a wrong `pos_label`.

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
    """Make a scorer: specificity of decisions, if their recall is high enough.

    The scorer judges decisions (``predict``). Pass it as `scoring` to ``GridSearchCV``
    over candidate thresholds, or to ``TunedThresholdClassifierCV``.

    Parameters
    ----------
    min_recall : float, default=0.95
        Lowest admissible recall, 0 to 1.
    pos_label : int, float, bool or str, default=1
        Label of the positive (parasitized) class. With string labels it has to be
        given; the scorer raises an error otherwise.

    Returns
    -------
    callable
        A scorer ``scorer(estimator, X, y)``, made by
        :func:`sklearn.metrics.make_scorer` from
        :func:`~malariafuse.metrics.constrained_specificity_score`.

    Raises
    ------
    ValueError
        If `min_recall` is out of its range.

    See Also
    --------
    make_constrained_recall_scorer : The same with the two exchanged; its notes hold
        here too.
    make_specificity_at_recall_scorer : The best specificity over all thresholds.

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
    """Make a scorer: the best recall among thresholds of a minimum specificity.

    The scorer judges scores (``decision_function``, else ``predict_proba``), whatever
    threshold the estimator decides at. Pass it as `scoring` to ``GridSearchCV`` or
    ``cross_validate`` to compare classifiers.

    Parameters
    ----------
    min_specificity : float, default=0.95
        Lowest admissible specificity, 0 to 1.
    pos_label : int, float, bool or str, default=1
        Label of the positive (parasitized) class. With string labels it has to be
        given; the scorer raises an error otherwise.

    Returns
    -------
    callable
        A scorer ``scorer(estimator, X, y)``, made by
        :func:`sklearn.metrics.make_scorer` from
        :func:`~malariafuse.metrics.recall_at_specificity_score`.

    Raises
    ------
    ValueError
        If `min_specificity` is out of its range.

    See Also
    --------
    make_specificity_at_recall_scorer : The same with the two exchanged.
    make_constrained_recall_scorer : Judges decisions, and so chooses a threshold.

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
    """Make a scorer: the best specificity among thresholds of a minimum recall.

    The scorer judges scores (``decision_function``, else ``predict_proba``), whatever
    threshold the estimator decides at. Pass it as `scoring` to ``GridSearchCV`` or
    ``cross_validate`` to compare classifiers.

    Parameters
    ----------
    min_recall : float, default=0.95
        Lowest admissible recall, 0 to 1.
    pos_label : int, float, bool or str, default=1
        Label of the positive (parasitized) class. With string labels it has to be
        given; the scorer raises an error otherwise.

    Returns
    -------
    callable
        A scorer ``scorer(estimator, X, y)``, made by
        :func:`sklearn.metrics.make_scorer` from
        :func:`~malariafuse.metrics.specificity_at_recall_score`.

    Raises
    ------
    ValueError
        If `min_recall` is out of its range.

    See Also
    --------
    make_recall_at_specificity_scorer : The same with the two exchanged.
    make_constrained_specificity_scorer : Judges decisions, and so chooses a threshold.

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
