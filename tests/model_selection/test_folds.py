import numpy as np
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import TunedThresholdClassifierCV, cross_val_score

from malariafuse.model_selection import PatientKFold, check_no_leakage

# Numbers of parasitized and of uninfected cells.
patients_cells = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, 30)), min_size=4, max_size=25
).filter(lambda patients: sum(n > 0 for n, _ in patients) >= 3)


def cells_of(patients):
    groups = np.repeat(np.arange(len(patients)), [sum(kinds) for kinds in patients])
    y = np.concatenate([np.repeat([1, 0], kinds) for kinds in patients])
    return y, groups


@settings(max_examples=50)
@given(patients_cells, st.booleans())
def test_folds_are_disjoint_complete_and_alike(patients, shuffle):
    y, groups = cells_of(patients)
    infected = np.unique(groups[y == 1])
    splitter = PatientKFold(3, shuffle=shuffle, random_state=0 if shuffle else None)
    tested, n_patients, n_infected = [], [], []
    for train, test in splitter.split(y, y, groups):
        check_no_leakage(groups[train], groups[test])
        assert len(train) + len(test) == len(y)
        tested.extend(test)
        own = np.unique(groups[test])
        n_patients.append(len(own))
        n_infected.append(np.isin(own, infected).sum())
    assert sorted(tested) == list(range(len(y)))
    n_healthy = np.subtract(n_patients, n_infected)
    for counts in (n_patients, n_infected, n_healthy):
        assert max(counts) - min(counts) <= 1


def test_cells_are_shared_evenly_where_patients_are_not():
    """Ten patients hold more than a third of the cells, as in the NIH set."""
    random = np.random.default_rng(0)
    sizes = np.sort(random.lognormal(3.5, 1.2, 75).astype(int) + 1)
    y, groups = cells_of([*zip(sizes, [68] * 75, strict=True), *[(0, 68)] * 25])
    parasitized = [y[test].sum() for _, test in PatientKFold(5).split(y, y, groups)]
    assert max(parasitized) < 1.1 * min(parasitized)


def folds(splitter, y, groups):
    return [test.tolist() for _, test in splitter.split(y, y, groups)]


def test_shuffle(cells):
    y, _, groups = cells
    assert folds(PatientKFold(4), y, groups) == folds(PatientKFold(4), y, groups)
    first, again, other = (
        folds(PatientKFold(4, shuffle=True, random_state=seed), y, groups)
        for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other


def test_scikit_learn_takes_the_splitter(cells):
    y, y_prob, groups = cells
    assert PatientKFold(4).get_n_splits() == 4
    scores = cross_val_score(
        DummyClassifier(), y_prob[:, None], y, groups=groups, cv=PatientKFold(4)
    )
    assert len(scores) == 4


def test_metadata_routing_brings_the_groups(cells):
    y, y_prob, groups = cells
    with sklearn.config_context(enable_metadata_routing=True):
        scores = cross_val_score(
            DummyClassifier(),
            y_prob[:, None],
            y,
            params={"groups": groups},
            cv=PatientKFold(4),
        )
    assert len(scores) == 4


def test_labels_may_be_words(cells):
    y, _, groups = cells
    names = np.array(["Uninfected", "Parasitized"])[y]
    assert folds(PatientKFold(4, pos_label="Parasitized"), names, groups) == folds(
        PatientKFold(4), y, groups
    )
    with pytest.raises(ValueError, match=r"y has the labels .* Pass pos_label"):
        next(PatientKFold(4).split(names, names, groups))
    with pytest.raises(ValueError, match=r"pos_label='P': .*'Parasitized'"):
        next(PatientKFold(4, pos_label="P").split(names, names, groups))


class FirstFeature(ClassifierMixin, BaseEstimator):
    """Take the first feature for the probability; keep who was fitted on and judged.

    The second feature is the patient.
    """

    mixed: list[set] = []  # noqa: RUF012

    def fit(self, X, y, groups=None):
        assert groups is None or np.array_equal(groups, X[:, 1])
        self.classes_ = np.unique(y)
        self.patients_ = set(X[:, 1])
        return self

    def predict_proba(self, X):
        self.mixed.append(self.patients_ & set(X[:, 1]))
        return np.stack([1 - X[:, 0], X[:, 0]], axis=1)


class TestTunedThreshold:
    """The folds inside TunedThresholdClassifierCV mix no patients."""

    @pytest.fixture
    def data(self, cells):
        FirstFeature.mixed.clear()
        y, y_prob, groups = cells
        return np.c_[y_prob, groups], y, groups

    def test_folds_made_before(self, data):
        X, y, groups = data
        folds = list(PatientKFold(4).split(X, y, groups))
        TunedThresholdClassifierCV(FirstFeature(), cv=folds).fit(X, y)
        assert FirstFeature.mixed
        assert not any(FirstFeature.mixed)

    @pytest.mark.parametrize("wanted", [True, False])
    def test_metadata_routing(self, data, wanted):
        X, y, groups = data
        with sklearn.config_context(enable_metadata_routing=True):
            classifier = FirstFeature().set_fit_request(groups=wanted)
            TunedThresholdClassifierCV(classifier, cv=PatientKFold(4)).fit(
                X, y, groups=groups
            )
        assert FirstFeature.mixed
        assert not any(FirstFeature.mixed)

    def test_by_default_patients_are_mixed(self, data):
        """The mistake that the other tests would not see if they could not fail."""
        X, y, _ = data
        TunedThresholdClassifierCV(FirstFeature(), cv=4).fit(X, y)
        assert all(FirstFeature.mixed)


def test_repr():
    expected = "PatientKFold(n_splits=5, pos_label=None, random_state=0, shuffle=True)"
    assert repr(PatientKFold(shuffle=True, random_state=0)) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_splits": 1}, "n_splits=1: expected an integer of at least 2"),
        ({"n_splits": 2.0}, "n_splits=2.0: expected an integer"),
        ({"n_splits": True}, "n_splits=True: expected an integer"),
        ({"shuffle": 1}, "shuffle=1: expected True or False"),
        (
            {"random_state": -1, "shuffle": True},
            r"random_state=-1: expected None, an integer in \[0, 4294967295\] or a",
        ),
        ({"random_state": 0}, "random_state=0 has no effect without shuffle=True"),
    ],
)
def test_bad_parameters(arguments, message):
    with pytest.raises(ValueError, match=message):
        PatientKFold(**arguments)


def test_bad_data():
    y, groups = np.array([0, 1, 0, 1]), np.array([1, 1, 2, 2])
    with pytest.raises(ValueError, match=r"2 infected patients among 2: .* n_splits=3"):
        next(PatientKFold(3).split(y, y, groups))
    with pytest.raises(ValueError, match="y is None"):
        next(PatientKFold(2).split(y, None, groups))
    with pytest.raises(ValueError, match="groups is None"):
        next(PatientKFold(2).split(y, y))
    with pytest.raises(ValueError, match=r"groups has shape \(\)"):
        next(PatientKFold(2).split(y, y, 1.1))
    with pytest.raises(ValueError, match="X is a int without entries"):
        next(PatientKFold(2).split(3, y, groups))
    with pytest.raises(ValueError, match="X has 3 entries for 4 cells"):
        next(PatientKFold(2).split(y[1:], y, groups))
    with pytest.raises(
        ValueError, match=r"y has the labels .*expected 1 for a parasiti"
    ):
        next(PatientKFold(2).split(y, y + 1, groups))


def test_uninfected_cells_of_infected_patients_count_for_balance():
    random = np.random.default_rng(0)
    parasitized = np.where(np.arange(100) < 75, random.integers(1, 200, 100), 0)
    uninfected = (random.lognormal(4, 1, 100) + 1).astype(int)
    y, groups = cells_of(list(zip(parasitized, uninfected, strict=True)))
    counts = [
        np.bincount(y[test], minlength=2)
        for _, test in PatientKFold().split(y, y, groups)
    ]
    assert (np.max(counts, axis=0) < 1.25 * np.min(counts, axis=0)).all()
