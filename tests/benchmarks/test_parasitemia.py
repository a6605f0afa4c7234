import numpy as np
import pandas as pd
import pytest

pytest.importorskip("matplotlib")
from parasitemia import photograph_of, report, true_counts, whole_patient


def test_photographs_are_named_by_the_files_of_their_cells():
    file = "cell_images/Parasitized/C39P4thinF_original_IMG_20150622_105554_cell_10.png"
    assert photograph_of(file) == "C39P4thinF_original_IMG_20150622_105554"


def test_only_photographs_with_exact_counts_are_counted():
    counts = pd.DataFrame(
        {
            "photo": ["a", "b", "c", "d"],
            "patient": ["C1", "C1", "C1", "C2"],
            "parasitized": [3, 5, 100, 1],
            "uninfected": [97, 95, 100, 99],
            "kind": ["exact", "exact", "lower_bound", "exact"],
        }
    )
    totals = true_counts(counts, ["a", "b", "c"])
    assert totals.loc["C1"].to_dict() == {"parasitized": 8, "uninfected": 192}
    assert "C2" not in totals.index  # no cell of its photograph was published


def test_published_uninfected_cells_stand_for_all_of_them():
    probability, target = np.array([0.9, 0.1, 0.3]), np.array([1, 0, 0])
    whole = whole_patient(probability, target, {"uninfected": 4})
    assert sorted(whole.tolist()) == [0.1, 0.1, 0.3, 0.3, 0.9]


def test_verdicts_are_shares_of_patients_by_infection():
    answers = pd.DataFrame(
        {
            "true": [0.1, 0.2, 0, 0],
            "fraction": [0.1, 0.1, 0, 0],
            "low": [0.05, 0.05, 0, 0],
            "high": [0.2, 0.15, 0.1, 0.1],
            "verdict": ["infected", "review", "not infected", "not infected"],
        }
    )
    scores, verdicts = report(answers)
    assert scores.loc["all", "coverage"] == 0.5
    assert verdicts.loc["infected"].tolist() == [0.5, 0.5, 0]
    assert verdicts.loc["without parasites"].tolist() == [0, 0, 1]
