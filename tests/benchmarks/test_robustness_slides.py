"""Probabilities that are adapted to slides, and their false-positive rates."""

import numpy as np
from _robustness_slides import adapted, false_positive_rates, slides_of

TARGET = np.array([0, 0, 1, 0, 0, 0, 0, 1])
PATIENTS = np.array([1, 1, 1, 2, 3, 3, 4, 4])
PHOTOGRAPHS = np.array(["a", "a", "b"])
FOLDS = [
    {
        "rows": np.arange(4),
        "folds/clean": np.array([0.6, 0.1, 0.9, 0.5]),
        "photographs/masked": np.array([0.7, 0.2, 0.9]),
    },
    {
        "rows": np.arange(4, 8),
        "folds/clean": np.array([0.1, 0.2, 0.3, 0.9]),
        "photographs/masked": np.array([0.4, 0.2, 0.9]),
    },
]


def test_rates_are_means_over_patients_and_photographs():
    table = false_positive_rates(
        FOLDS, TARGET, PATIENTS, np.array([0, 0, 1]), PHOTOGRAPHS
    )
    # Patients 1 to 4 have 1/2, 1/1, 0/2 and 0/1.
    rates = [0.5, 1, 0, 0]
    assert table["false-positive rate"]["folds/clean"] == np.mean(rates)
    assert table["its spread"]["folds/clean"] == np.std(rates, ddof=1)
    # Photograph b has no uninfected cell; a has 1/2 in the first fold and 0 in the
    # second.
    assert table["false-positive rate"]["photographs/masked"] == 0.25


def test_cells_of_masks_are_those_of_every_nth():
    patients, fold = np.array([1, 1, 2, 3, 4, 5]), {"rows": np.array([1, 2, 4])}
    assert slides_of("folds/clean", fold, patients, None, 2).tolist() == [1, 2, 4]
    assert slides_of("masks/ellipse", fold, patients, None, 2).tolist() == [2, 4]
    of_photographs = slides_of("photographs/masked", fold, patients, PHOTOGRAPHS, 2)
    assert of_photographs.tolist() == ["a", "a", "b"]


def test_slides_that_look_suspicious_are_lowered_by_adapters_of_other_folds():
    random = np.random.default_rng(0)
    target, patients = np.zeros(240, dtype=int), np.arange(240) % 12
    rows = [np.flatnonzero(patients % 2 == fold) for fold in range(2)]
    usual = [np.full(120, 0.1) + 0.05 * random.random(120) for _ in rows]
    folds = [
        {
            "rows": rows[fold],
            "folds/clean": usual[fold],
            "photographs/masked": np.full(40, 0.45),
        }
        for fold in range(2)
    ]
    photographs = np.repeat(["a", "b"], 20)
    result = adapted(folds, target, patients, photographs, 1, min_cells=10)
    for before, after in zip(folds, result, strict=True):
        assert after["rows"] is before["rows"]
        np.testing.assert_allclose(after["folds/clean"], usual[0], atol=0.06)
        assert (after["photographs/masked"] < 0.2).all()
