import pickle

import numpy as np
import pytest
from sklearn.metrics import make_scorer, recall_score
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    StratifiedKFold,
    TunedThresholdClassifierCV,
    cross_val_score,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import LinearSVC

from malariafuse.metrics import (
    make_constrained_recall_scorer,
    make_constrained_specificity_scorer,
    make_recall_at_specificity_scorer,
    make_specificity_at_recall_scorer,
    recall_at_specificity_score,
    specificity_at_recall_score,
    specificity_score,
)

THRESHOLDS = [0.1, 0.3, 0.5, 0.7, 0.9]


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 600)
    return rng.normal(y * 2.0, 1.0)[:, None], y


def rates(model, data):
    X, y = data
    decisions = model.predict(X)
    return recall_score(y, decisions), specificity_score(y, decisions)


def search_threshold(data, scoring, **params):
    model = FixedThresholdClassifier(GaussianNB())
    return GridSearchCV(
        model, {"threshold": THRESHOLDS}, scoring=scoring, **params
    ).fit(*data)


def test_a_grid_search_finds_the_highest_recall_with_enough_specificity(data):
    search = search_threshold(data, make_constrained_recall_scorer(0.9))
    chosen = search.best_params_["threshold"]
    cv = StratifiedKFold(5)
    by_hand = []
    for threshold in THRESHOLDS:
        model = FixedThresholdClassifier(GaussianNB(), threshold=threshold)
        specificity = cross_val_score(
            model, *data, scoring=make_scorer(specificity_score), cv=cv
        )
        recall = cross_val_score(model, *data, scoring="recall", cv=cv)
        by_hand.append(recall.mean() if specificity.min() >= 0.9 else -1)
    assert chosen == THRESHOLDS[np.argmax(by_hand)]
    recall, specificity = rates(search, data)
    assert specificity >= 0.9
    assert recall > 0.5


def test_plain_recall_calls_everything_positive(data):
    assert search_threshold(data, "recall").best_params_["threshold"] == THRESHOLDS[0]


def test_a_grid_search_finds_the_highest_specificity_with_enough_recall(data):
    search = search_threshold(data, make_constrained_specificity_scorer(0.95))
    recall, specificity = rates(search, data)
    assert recall >= 0.95
    assert specificity > 0.3


def test_the_nearest_threshold_wins_where_none_reaches_the_minimum(data):
    scorer = make_constrained_recall_scorer(0.99)
    low = {"threshold": [0.2, 0.4, 0.3]}
    model = FixedThresholdClassifier(GaussianNB())
    search = GridSearchCV(model, low, scoring=scorer).fit(*data)
    assert search.best_score_ < 0
    assert search.best_params_["threshold"] == 0.4


def test_scorers_travel_to_worker_processes(data):
    scorer = make_constrained_recall_scorer(0.9)
    here = search_threshold(data, scorer).cv_results_["mean_test_score"]
    there = search_threshold(data, scorer, n_jobs=2).cv_results_["mean_test_score"]
    np.testing.assert_array_equal(here, there)
    assert repr(pickle.loads(pickle.dumps(scorer))) == repr(scorer)


@pytest.mark.parametrize(
    ("make", "limited"),
    [(make_constrained_recall_scorer, 1), (make_constrained_specificity_scorer, 0)],
)
def test_a_tuned_threshold_reaches_the_minimum(data, make, limited):
    model = TunedThresholdClassifierCV(GaussianNB(), scoring=make(0.9), cv=3)
    result = rates(model.fit(*data), data)
    assert result[limited] >= 0.88  # found on other folds than those it is seen on
    assert result[1 - limited] > 0.5


class TestStringLabels:
    @pytest.fixture
    def named(self, data):
        X, y = data
        return X, np.array(["Uninfected", "Parasitized"])[y]

    def test_work_with_pos_label(self, data, named):
        expected = search_threshold(data, make_constrained_recall_scorer(0.9))
        model = FixedThresholdClassifier(GaussianNB(), pos_label="Parasitized")
        scorer = make_constrained_recall_scorer(0.9, pos_label="Parasitized")
        search = GridSearchCV(model, {"threshold": THRESHOLDS}, scoring=scorer)
        search.fit(*named)
        assert search.best_params_ == expected.best_params_
        assert search.best_score_ == pytest.approx(expected.best_score_)

    def test_are_refused_without_pos_label(self, named):
        scorer = make_constrained_recall_scorer(0.9)
        model = GaussianNB()
        with pytest.raises(ValueError, match="pos_label=1 is not a valid label"):
            scorer(model.fit(*named), *named)
        with pytest.raises(ValueError, match="pos_label=1 is not a valid label"):
            TunedThresholdClassifierCV(model, scoring=scorer).fit(*named)
        with pytest.raises(ValueError, match="pos_label=1 is not a valid label"):
            GridSearchCV(model, {}, scoring=scorer, error_score="raise").fit(*named)


def test_a_fold_with_one_class_stops_the_search(data):
    X, y = data
    order = np.argsort(y, kind="stable")
    folds = [(order[::2], order[1:50:2])]  # the second part is all uninfected
    with pytest.raises(ValueError, match="no sample of the positive class"):
        search_threshold(
            (X, y),
            make_constrained_recall_scorer(0.9),
            cv=folds,
            error_score="raise",
        )


class TestScoresOfAnyThreshold:
    """The metrics of the field judge scores, whatever the estimator decides at."""

    @pytest.mark.parametrize(
        ("make", "score", "name"),
        [
            (
                make_recall_at_specificity_scorer,
                recall_at_specificity_score,
                "min_specificity",
            ),
            (
                make_specificity_at_recall_scorer,
                specificity_at_recall_score,
                "min_recall",
            ),
        ],
    )
    def test_decision_function_or_probabilities(self, data, make, score, name):
        X, y = data
        for model, method in (
            (GaussianNB(), "predict_proba"),
            (LinearSVC(), "decision_function"),
        ):
            response = getattr(model.fit(X, y), method)(X)
            scores = response[:, 1] if method == "predict_proba" else response
            assert make(0.9)(model, X, y) == score(y, scores, **{name: 0.9})

    def test_a_threshold_does_not_matter(self, data):
        search = search_threshold(data, make_recall_at_specificity_scorer(0.9))
        assert np.ptp(search.cv_results_["mean_test_score"]) == 0

    def test_string_labels(self, data):
        X, y = data
        named = np.array(["Uninfected", "Parasitized"])[y]
        scorer = make_recall_at_specificity_scorer(0.9, pos_label="Parasitized")
        expected = make_recall_at_specificity_scorer(0.9)
        assert scorer(GaussianNB().fit(X, named), X, named) == pytest.approx(
            expected(GaussianNB().fit(X, y), X, y)
        )
        with pytest.raises(ValueError, match="pos_label=1"):
            expected(GaussianNB().fit(X, named), X, named)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (make_constrained_recall_scorer, "min_specificity"),
        (make_constrained_specificity_scorer, "min_recall"),
        (make_recall_at_specificity_scorer, "min_specificity"),
        (make_specificity_at_recall_scorer, "min_recall"),
    ],
)
def test_minimums_are_checked_when_a_scorer_is_made(make, name):
    with pytest.raises(ValueError, match=rf"{name}=95: expected a number in \[0, 1\]"):
        make(95)
