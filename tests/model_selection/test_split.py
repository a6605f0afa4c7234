import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from malariafuse.model_selection import check_no_leakage, split_patients

PARTS = ("train", "validation", "test")


def cells_of(patients):
    """Return labels and patients, from numbers of parasitized and uninfected cells."""
    groups = np.repeat(np.arange(len(patients)), [sum(kinds) for kinds in patients])
    y = np.concatenate([np.repeat([1, 0], kinds) for kinds in patients])
    return y, groups


patients_cells = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, 30)), min_size=4, max_size=25
).filter(lambda patients: sum(n > 0 for n, _ in patients) >= 3)
sizes = st.sampled_from([0.1, 0.2, 0.25, 0.4])


@settings(max_examples=100)
@given(patients_cells, sizes, st.just(0.0) | sizes, st.integers(0, 100))
def test_parts_are_disjoint_complete_and_alike(patients, test, validation, seed):
    y, groups = cells_of(patients)
    infected = np.unique(groups[y == 1])
    healthy = np.setdiff1d(groups, infected)
    split = split_patients(
        y, groups, test_size=test, validation_size=validation, random_state=seed
    )
    assert sorted(np.concatenate([split[part] for part in PARTS])) == list(
        range(len(y))
    )
    shares = {"train": 1 - test - validation, "validation": validation, "test": test}
    for part, share in shares.items():
        rows = split[part]
        for other in set(PARTS) - {part}:
            assert not np.isin(groups[rows], groups[split[other]]).any()
        for members in (infected, healthy):
            n = np.isin(members, groups[rows]).sum()
            # Within one, or within two in the largest part, which gives one to each
            # part that would have none.
            assert abs(n - share * len(members)) < (3 if part == "train" else 1) + 1e-9
        assert bool(np.isin(infected, groups[rows]).any()) == (share > 0)


def test_no_patients_are_shared(cells):
    y, _, groups = cells
    split = split_patients(y, groups, validation_size=0.2, random_state=0)
    check_no_leakage(groups[split.train], groups[split.test])
    check_no_leakage(groups[split.train], groups[split.validation])
    check_no_leakage(groups[split.validation], groups[split.test])


def test_cells_are_divided_evenly_where_patients_are_not():
    """Ten patients hold more than a third of the parasitized cells, as in the NIH set.

    Of 100 patients drawn without regard to their cells, the tested fifth would have
    from .1 to .3 of the parasitized cells.
    """
    sizes = np.random.default_rng(0).lognormal(3.5, 1.2, 75).astype(int) + 1
    y, groups = cells_of([*zip(sizes, [68] * 75, strict=True), *[(0, 68)] * 25])
    for seed in range(20):
        split = split_patients(
            y, groups, test_size=0.2, validation_size=0.1, random_state=seed
        )
        for part, share in zip(PARTS, (0.7, 0.1, 0.2), strict=True):
            for label in (0, 1):
                held = (y[split[part]] == label).sum() / (y == label).sum()
                assert held == pytest.approx(share, abs=0.02)


def test_chance_decides_about_the_largest_patient_too():
    y, groups = cells_of([(100, 10), *[(5, 10)] * 19])
    tested = [
        0 in groups[split_patients(y, groups, random_state=seed).test]
        for seed in range(200)
    ]
    # One of five on average; .11 to .29 are more than three standard errors away.
    assert 0.11 < np.mean(tested) < 0.29


def test_the_seed_makes_the_split(cells):
    y, _, groups = cells
    first, again, other = (
        split_patients(y, groups, random_state=seed).test.tolist() for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other


def test_labels_may_be_words(cells):
    y, _, groups = cells
    words = np.array(["Uninfected", "Parasitized"])[y]
    split = split_patients(words, groups, pos_label="Parasitized", random_state=0)
    expected = split_patients(y, groups, random_state=0)
    np.testing.assert_array_equal(split.test, expected.test)
    with pytest.raises(ValueError, match="Pass pos_label"):
        split_patients(words, groups)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"test_size": 0}, r"test_size=0: expected a number in \(0, 1\)"),
        ({"test_size": 3}, r"test_size=3: expected a number in \(0, 1\)"),
        ({"test_size": None}, "test_size=None: expected"),
        ({"validation_size": None}, "validation_size=None: expected"),
        ({"validation_size": 0.8}, "leave no training cells: expected a sum below 1"),
        ({"random_state": "x"}, "random_state='x': expected"),
    ],
)
def test_bad_parameters(arguments, message):
    with pytest.raises(ValueError, match=message):
        split_patients([0, 1, 0, 1], [1, 1, 2, 2], **arguments)


def test_bad_data():
    y, groups = [0, 1, 0, 1], [1, 1, 2, 2]
    with pytest.raises(ValueError, match=r"2 infected patients among 2: .* at least 3"):
        split_patients(y, groups, validation_size=0.2)
    with pytest.raises(ValueError, match="groups is None"):
        split_patients(y, None)
    with pytest.raises(ValueError, match="groups has 3 patients for 4 cells"):
        split_patients(y, [1, 2, 3])
