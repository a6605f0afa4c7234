import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier, KFold, PredefinedSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from malariafuse.evaluation import (
    cross_validate_patients,
    patient_table,
    summarize,
)
from malariafuse.model_selection import LeakageError, PatientKFold

# The probabilities of Recorder say nothing.
pytestmark = pytest.mark.filterwarnings(
    "ignore:y_prob has only two distinct values:UserWarning",
    "ignore:The ROC AUC is:UserWarning",
)


@pytest.fixture(scope="module")
def data(cells):
    y, y_prob, patient = cells
    return y_prob[:, None], y, patient


class Recorder(ClassifierMixin, BaseEstimator):
    """Give every cell the number of cells trained on; keep what `fit` was given."""

    seen: list[dict] = []  # noqa: RUF012

    def fit(self, X, y, **arguments):
        self.classes_ = np.unique(y)
        self.n_fitted_ = len(X)
        self.seen.append({"X": X, "y": y, **arguments})
        return self

    def predict_proba(self, X):
        share = np.full(len(X), self.n_fitted_ / 10_000)
        return np.stack([1 - share, share], axis=1)

    def predict(self, X):
        return np.resize(self.classes_, len(X))


class Reversed(LogisticRegression):
    """Has the columns of its probabilities the wrong way round."""

    def predict_proba(self, X):
        return super().predict_proba(X)[:, ::-1]


@pytest.mark.parametrize("pos_label", [None, 1])
def test_labels_may_be_numbers_in_an_array_of_objects(data, pos_label):
    X, y, patient = data
    tables = [
        cross_validate_patients(
            LogisticRegression(),
            X,
            labels,
            patient,
            cv=3,
            pos_label=pos_label,
            random_state=0,
        ).table
        for labels in (y, y.astype(object))
    ]
    pd.testing.assert_frame_equal(*tables)


def test_words_in_an_array_of_objects_stay_words(data):
    X, y, patient = data
    words = np.where(y == 1, "Parasitized", "Uninfected").astype(object)
    result = cross_validate_patients(
        LogisticRegression(), X, words, patient, cv=3, pos_label="Parasitized"
    )
    assert result.table.loc["pooled", "cells"] == len(y)


def test_long_arguments_are_cut_short(data):
    X, y, patient = data
    with pytest.raises(ValueError, match=r"fit_params=.*expected a dict") as caught:
        cross_validate_patients(
            LogisticRegression(), X, y, patient, fit_params=list(range(10_000))
        )
    assert len(str(caught.value)) < 300


@pytest.fixture
def recorder():
    Recorder.seen.clear()
    return Recorder()


def test_every_cell_is_judged_by_a_classifier_that_never_saw_its_patient(
    data, recorder
):
    X, y, patient = data
    numbers = np.arange(len(X))[:, None]
    result = cross_validate_patients(recorder, numbers, y, patient, cv=4)
    assert sorted(np.unique(result.fold)) == [1, 2, 3, 4]
    for number, fitted in enumerate(recorder.seen, start=1):
        test = result.fold == number
        trained_on = fitted["X"][:, 0]
        assert not np.isin(patient[test], patient[trained_on]).any()
        assert (fitted["y"] == y[trained_on]).all()
        assert (result.y_prob[test] == len(trained_on) / 10_000).all()


def test_table(data):
    X, y, patient = data
    result = cross_validate_patients(
        LogisticRegression(), X, y, patient, cv=4, threshold=0.4, random_state=0
    )
    table = result.table
    assert table.index.tolist() == [1, 2, 3, 4, "pooled"]
    assert table["patients"].tolist() == [10, 10, 10, 10, 40]
    assert table["cells"].iloc[:-1].sum() == table.loc["pooled", "cells"] == len(y)
    for name, chosen in (("pooled", result.fold > 0), (2, result.fold == 2)):
        expected = summarize(
            y[chosen],
            result.y_prob[chosen],
            patient[chosen],
            threshold=0.4,
            n_resamples=100,
        )["value"]
        pd.testing.assert_series_equal(
            table.loc[name, expected.index].astype(float), expected, check_names=False
        )


def decided(estimator, data, **options):
    return cross_validate_patients(estimator, *data, cv=4, random_state=0, **options)


class TestDecisions:
    """By default the estimator's own, and not those at 0.5."""

    def test_are_those_of_predict(self, data):
        y, patient = data[1:]
        strict = FixedThresholdClassifier(LogisticRegression(), threshold=0.8)
        result = decided(strict, data)
        np.testing.assert_array_equal(result.decisions, result.y_prob >= 0.8)
        assert result.decisions.dtype == np.int64
        expected = decided(LogisticRegression(), data, threshold=0.8)
        pd.testing.assert_frame_equal(result.table, expected.table)
        at_half = decided(LogisticRegression(), data)
        assert (
            result.table.loc["pooled", "recall"] < at_half.table.loc["pooled", "recall"]
        )
        recall = result.decisions[y == 1].mean()
        assert result.table.loc["pooled", "recall"] == pytest.approx(recall)
        table = patient_table(y, result.y_prob, patient, decisions=result.decisions)
        pd.testing.assert_frame_equal(
            table, patient_table(y, result.y_prob, patient, threshold=0.8)
        )

    def test_need_not_follow_from_a_threshold(self, data, recorder):
        with pytest.warns(UserWarning, match=r"two distinct values|worse than chance"):
            result = decided(recorder, data)
        for number in range(1, 5):
            own = result.decisions[result.fold == number]
            np.testing.assert_array_equal(own, np.resize([0, 1], len(own)))

    def test_a_number_overrides(self, data):
        strict = FixedThresholdClassifier(LogisticRegression(), threshold=0.8)
        result = decided(strict, data, threshold=0.3)
        np.testing.assert_array_equal(result.decisions, result.y_prob >= 0.3)


class TestPosLabel:
    def test_labels_may_be_words(self, data):
        X, y, patient = data
        words = np.array(["Uninfected", "Parasitized"])[y]
        expected = decided(LogisticRegression(), data)
        named = (X, words, patient)
        strict = FixedThresholdClassifier(
            LogisticRegression(), threshold=0.5, pos_label="Parasitized"
        )
        for result in (
            decided(LogisticRegression(), named, pos_label="Parasitized"),
            decided(strict, named),  # which knows its positive class
            decided(make_pipeline(strict), named),
        ):
            np.testing.assert_allclose(result.y_prob, expected.y_prob, atol=0.01)
            np.testing.assert_array_equal(result.fold, expected.fold)
            assert (result.decisions == expected.decisions).mean() > 0.99

    def test_is_one_of_the_labels(self, data):
        with pytest.raises(ValueError, match="pos_label='P': expected"):
            decided(LogisticRegression(), data, pos_label="P")


def test_probabilities_the_wrong_way_round_warn(data):
    with pytest.warns(UserWarning, match=r"The ROC AUC is 0\.0.*, worse than chance"):
        decided(Reversed(), data)


def test_the_seed_makes_the_folds(data):
    first, again, other = (
        cross_validate_patients(LogisticRegression(), *data, random_state=seed).fold
        for seed in (0, 0, 1)
    )
    assert (first == again).all()
    assert (first != other).any()


def test_the_estimator_itself_is_not_fitted(data):
    estimator = LogisticRegression()
    cross_validate_patients(estimator, *data, cv=2)
    assert not hasattr(estimator, "classes_")


def test_fit_params_are_cut_to_the_fold(data, recorder):
    X, y, patient = data
    fit_params = {"groups": patient, "weights": patient.tolist(), "note": "as it is"}
    cross_validate_patients(recorder, X, y, patient, cv=2, fit_params=fit_params)
    for fitted in recorder.seen:
        assert len(fitted["groups"]) == len(fitted["weights"]) == len(fitted["X"])
        assert fitted["note"] == "as it is"


@pytest.mark.parametrize("kind", [list, np.asarray, pd.Series])
def test_x_may_be_paths_and_patients_names(data, recorder, kind):
    _, y, patient = data
    names = kind([f"C{number}" for number in patient])
    result = cross_validate_patients(recorder, names, y, names, cv=2)
    assert (result.fold > 0).all()


def test_labels_may_be_booleans(data):
    X, y, patient = data
    arguments = {"cv": 3, "random_state": 0}
    plain, boolean = (
        cross_validate_patients(LogisticRegression(), X, labels, patient, **arguments)
        for labels in (y, y == 1)
    )
    np.testing.assert_array_equal(plain.y_prob, boolean.y_prob)


def test_splits_of_your_own(data):
    X, y, patient = data
    fold = patient % 3
    result = cross_validate_patients(
        LogisticRegression(), X, y, patient, cv=PredefinedSplit(fold)
    )
    assert (result.fold == fold + 1).all()


class TestRefused:
    def test_patients_on_both_sides(self, data, recorder):
        splits = KFold(2, shuffle=True, random_state=0)
        with pytest.raises(LeakageError, match=r"40 patients are in both"):
            cross_validate_patients(recorder, *data, cv=splits)
        assert not recorder.seen  # nothing was trained first

    def test_cells_that_are_never_tested(self, data):
        X, y, patient = data
        some = list(PatientKFold(4).split(X, y, patient))[:3]
        with pytest.raises(
            ValueError, match=r"never tests \d+ cells and tests 0 more than"
        ):
            cross_validate_patients(LogisticRegression(), X, y, patient, cv=some)

    def test_an_estimator_without_probabilities(self, data):
        with pytest.raises(
            ValueError, match="expected a classifier with predict_proba"
        ):
            cross_validate_patients(BaseEstimator(), *data)

    def test_labels_that_are_no_classes(self, data):
        X, y, patient = data
        names = np.array(["Uninfected", "Parasitized"])[y]
        with pytest.raises(
            ValueError, match=r"y has the labels .*pos_label='Parasitized'"
        ):
            cross_validate_patients(LogisticRegression(), X, names, patient)
        with pytest.raises(ValueError, match="y has no parasitized cell"):
            cross_validate_patients(LogisticRegression(), X, 0 * y, patient)

    def test_a_training_fold_without_parasites(self, data, recorder):
        X, y, patient = data
        healthy = np.isin(patient, patient[y == 1], invert=True)
        halves = [np.flatnonzero(healthy), np.flatnonzero(~healthy)]
        with pytest.raises(
            ValueError, match="training cells of a fold have only one class"
        ):
            cross_validate_patients(recorder, X, y, patient, cv=[halves, halves[::-1]])

    @pytest.mark.parametrize(
        "cv", [0.5, 1, True, np.True_, "x", None, {1}, [], [[1, 2]], [([0.5], [1])]]
    )
    def test_a_cv_that_is_none(self, data, cv):
        with pytest.raises(ValueError, match=r"cv=.*: expected a number of folds"):
            cross_validate_patients(LogisticRegression(), *data, cv=cv)

    @pytest.mark.parametrize("fit_params", [3, [], "x", {1}])
    def test_fit_params_that_are_no_dict(self, data, fit_params):
        with pytest.raises(ValueError, match=r"fit_params=.*: expected a dict"):
            cross_validate_patients(LogisticRegression(), *data, fit_params=fit_params)

    @pytest.mark.parametrize("X", [3, None, object()])
    def test_x_without_entries(self, data, X):
        with pytest.raises(ValueError, match=r"X is a .* without entries: expected"):
            cross_validate_patients(LogisticRegression(), X, *data[1:])

    def test_lengths_that_differ(self, data):
        X, y, patient = data
        with pytest.raises(ValueError, match=r"X has .* entries for"):
            cross_validate_patients(LogisticRegression(), X[1:], y, patient)
        with pytest.raises(ValueError, match="groups has 3 patients for"):
            cross_validate_patients(LogisticRegression(), X, y, patient[:3])


class TestEqualImages:
    X = np.arange(16 * 2 * 2 * 3, dtype=np.uint8).reshape(16, 2, 2, 3)
    y = np.tile([0, 1], 8)
    patients = np.repeat(np.arange(8), 2)

    def judge(self, X):
        means = FunctionTransformer(
            lambda images: np.stack([image.mean(axis=(0, 1)) for image in images])
        )
        return cross_validate_patients(
            make_pipeline(means, LogisticRegression()),
            X,
            self.y,
            self.patients,
            cv=2,
            random_state=0,
        )

    @pytest.mark.parametrize("kind", [np.stack, list, pd.Series])
    def test_an_image_under_two_patients_is_reported(self, kind):
        X = kind([*self.X[:15], self.X[0]])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self.judge(X)
        assert any(
            "X has 1 images that are pixel-identical" in str(w.message)
            and "such as 0, 7" in str(w.message)
            for w in caught
        )

    def test_different_images_are_not(self):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self.judge(self.X)
        assert not any("pixel-identical" in str(w.message) for w in caught)
