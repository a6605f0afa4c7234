import numpy as np
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import cross_val_score

from malariafuse.evaluation import LeakageError, PatientKFold, check_no_leakage

# Numbers of parasitized and of uninfected cells.
patients_cells = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, 30)), min_size=4, max_size=25
).filter(lambda patients: sum(n > 0 for n, _ in patients) >= 3)


def cells_of(patients):
    groups = np.repeat(np.arange(len(patients)), [sum(kinds) for kinds in patients])
    y = np.concatenate([np.repeat([1, 0], kinds) for kinds in patients])
    return y, groups


@settings(deadline=None, max_examples=50)
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


def test_repr():
    expected = "PatientKFold(n_splits=5, random_state=0, shuffle=True)"
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
    with pytest.raises(ValueError, match=r"2 infected patients of 2: .* n_splits=3"):
        next(PatientKFold(3).split(y, y, groups))
    with pytest.raises(ValueError, match="y is None"):
        next(PatientKFold(2).split(y, None, groups))
    with pytest.raises(ValueError, match="groups is None"):
        next(PatientKFold(2).split(y, y))
    with pytest.raises(
        ValueError, match=r"y has the labels .*expected 1 for a parasiti"
    ):
        next(PatientKFold(2).split(y, y + 1, groups))


def test_leakage_names_the_patients():
    with pytest.raises(LeakageError, match=r"2 patients .* C1, C3. Split by") as caught:
        check_no_leakage(["C1", "C2", "C3"], ["C3", "C1", "C4", "C1"])
    assert caught.value.patients == ["C1", "C3"]


def test_leakage_of_many_patients_is_cut_short():
    with pytest.raises(LeakageError, match=r"99 patients .*8, 9, \.\.\.\. Split"):
        check_no_leakage(np.arange(99), np.arange(99))
    with pytest.raises(ValueError, match="groups_test has 1 missing"):
        check_no_leakage(["C1"], [None])


def test_numbers_and_text_are_no_patients_to_compare():
    with pytest.raises(ValueError, match="numbers on both sides or text on both"):
        check_no_leakage([1, 2], ["1", "3"])


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
