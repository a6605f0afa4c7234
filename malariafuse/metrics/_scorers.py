"""The scores of this package as scorers for model selection."""

from collections.abc import Callable
from typing import Any, cast

from sklearn.metrics import get_scorer as get_sklearn_scorer
from sklearn.metrics import make_scorer

from malariafuse.metrics._scores import (
    check_floor,
    recall_at_specificity_score,
    specificity_at_recall_score,
    specificity_score,
)

Scorer = Callable[..., float]


def make_recall_at_specificity_scorer(
    floor: float = 0.95, *, pos_label: Any = 1
) -> Scorer:
    """Make a scorer: recall, provided that specificity reaches a floor.

    The scorer judges decisions (``predict``). Pass it as `scoring` to ``GridSearchCV``
    over candidate thresholds, or to ``TunedThresholdClassifierCV``.

    .. warning::
        Do not choose a threshold with ``scoring="recall"``: recall is highest where
        every cell is called parasitized, and that is what the search returns.

    Parameters
    ----------
    floor : float, default=0.95
        The lowest admissible specificity, 0 to 1.
    pos_label : int, float, bool or str, default=1
        The label of the positive (parasitized) class. With string labels it has to be
        given; the scorer raises an error otherwise.

    Returns
    -------
    callable
        A scorer ``scorer(estimator, X, y)``, made by
        :func:`sklearn.metrics.make_scorer` from
        :func:`~malariafuse.metrics.recall_at_specificity_score`.

    See Also
    --------
    make_specificity_at_recall_scorer : The same with the two exchanged.
    malariafuse.metrics.get_scorer : Scorers by name.

    Notes
    -----
    In cross-validation the floor is looked at in each fold, and the mean of the scores
    decides. A fold below the floor brings a negative score instead of a recall of
    nearly 1, so a threshold that misses the floor in one fold loses against one that
    reaches it in all, unless its recall elsewhere is much higher. Folds with few
    uninfected cells make that noisy.

    ``GridSearchCV`` turns an error in a scorer into a NaN and a warning. Pass
    ``error_score="raise"`` to stop at missing classes or a wrong `pos_label`.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.metrics import recall_score
    >>> from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
    >>> from malariafuse.metrics import make_recall_at_specificity_scorer
    >>> X, y = make_classification(n_samples=600, flip_y=0.1, random_state=0)
    >>> search = GridSearchCV(
    ...     FixedThresholdClassifier(LogisticRegression()),
    ...     {"threshold": [0.1, 0.3, 0.5, 0.7, 0.9]},
    ...     scoring=make_recall_at_specificity_scorer(floor=0.8),
    ... ).fit(X, y)
    >>> search.best_params_
    {'threshold': 0.3}
    """
    return _make(recall_at_specificity_score, floor=floor, pos_label=pos_label)


def make_specificity_at_recall_scorer(
    floor: float = 0.95, *, pos_label: Any = 1
) -> Scorer:
    """Make a scorer: specificity, provided that recall reaches a floor.

    The scorer judges decisions (``predict``). Pass it as `scoring` to ``GridSearchCV``
    over candidate thresholds, or to ``TunedThresholdClassifierCV``.

    Parameters
    ----------
    floor : float, default=0.95
        The lowest admissible recall, 0 to 1.
    pos_label : int, float, bool or str, default=1
        The label of the positive (parasitized) class. With string labels it has to be
        given; the scorer raises an error otherwise.

    Returns
    -------
    callable
        A scorer ``scorer(estimator, X, y)``, made by
        :func:`sklearn.metrics.make_scorer` from
        :func:`~malariafuse.metrics.specificity_at_recall_score`.

    See Also
    --------
    make_recall_at_specificity_scorer : The same with the two exchanged; its notes hold
        here too.
    malariafuse.metrics.get_scorer : Scorers by name.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import TunedThresholdClassifierCV
    >>> from malariafuse.metrics import make_specificity_at_recall_scorer
    >>> X, y = make_classification(n_samples=600, flip_y=0.1, random_state=0)
    >>> tuned = TunedThresholdClassifierCV(
    ...     LogisticRegression(), scoring=make_specificity_at_recall_scorer(floor=0.9)
    ... ).fit(X, y)
    >>> bool(tuned.best_threshold_ < 0.5)
    True
    """
    return _make(specificity_at_recall_score, floor=floor, pos_label=pos_label)


def get_scorer(scoring: str | Scorer) -> Scorer:
    """Return a scorer by its name.

    Parameters
    ----------
    scoring : str or callable
        "specificity"; "recall_at_specificity" or "specificity_at_recall", which take
        the floor after a colon, as in ``"recall_at_specificity:0.97"`` (0.95 without
        it); or any name that :func:`sklearn.metrics.get_scorer` knows. A callable is
        returned as it is.

    Returns
    -------
    callable
        A scorer ``scorer(estimator, X, y)`` for labels 0 and 1, 1 being positive.

    Raises
    ------
    ValueError
        If the name is unknown or the floor is not a number between 0 and 1.

    See Also
    --------
    make_recall_at_specificity_scorer : For other labels than 0 and 1.
    make_specificity_at_recall_scorer : For other labels than 0 and 1.

    Notes
    -----
    scikit-learn has no way to add names to its own list: ``GridSearchCV`` and others
    refuse unknown names, ``scoring="recall_at_specificity"`` included. So write
    ``scoring=get_scorer("recall_at_specificity")``.

    Examples
    --------
    >>> from malariafuse.metrics import get_scorer
    >>> get_scorer("recall_at_specificity:0.97")
    make_scorer(recall_at_specificity_score, response_method='predict', floor=0.97, \
pos_label=1)
    """
    if not isinstance(scoring, str):
        return scoring
    if scoring == "specificity":
        return cast(Scorer, make_scorer(specificity_score, pos_label=1))
    name, colon, floor = scoring.partition(":")
    if name not in _MAKERS:
        return cast(Scorer, get_sklearn_scorer(scoring))
    if not colon:
        return _MAKERS[name]()
    try:
        return _MAKERS[name](float(floor))
    except ValueError as error:
        raise ValueError(
            f"scoring={scoring!r}: expected a number between 0 and 1 after the colon, "
            f"as in '{name}:0.97'."
        ) from error


_MAKERS = {
    "recall_at_specificity": make_recall_at_specificity_scorer,
    "specificity_at_recall": make_specificity_at_recall_scorer,
}


def _make(score: Callable[..., float], *, floor: float, pos_label: Any) -> Scorer:
    check_floor(floor)
    return cast(Scorer, make_scorer(score, floor=floor, pos_label=pos_label))
