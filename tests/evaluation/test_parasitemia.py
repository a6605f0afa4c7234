import numpy as np
import pytest

from malariafuse.evaluation import parasitemia_scores

TRUE = [0, 0.004, 0.008, 0.02, 0.03, 0.04, 0.1, 0.2]
ESTIMATED = [0.01, 0.005, 0.012, 0.02, 0.01, 0.05, 0.1, 0.21]
LOW = [0, 0.001, 0.009, 0.01, 0.005, 0.02, 0.05, 0.1]
HIGH = [0.02, 0.01, 0.02, 0.04, 0.02, 0.1, 0.2, 0.4]


def test_scores_by_band():
    scores = parasitemia_scores(TRUE, ESTIMATED, LOW, HIGH)
    # 0.005 and 0.05 are a quarter above the truth, which is close still.
    assert scores["patients"].to_list() == [2, 3, 2, 7]
    assert scores["close"].to_list() == pytest.approx([1 / 2, 2 / 3, 1, 5 / 7])
    assert scores["coverage"].to_list() == pytest.approx([1 / 2, 2 / 3, 1, 5 / 7])
    assert scores["ratio"].to_list() == pytest.approx([1.375, 1, 1.025, 1.05])
    # Ranks 1, 3, 4, 2, 5, 6, 7: the differences are 0, 1, 1, -2, 0, 0, 0.
    assert scores.loc["all", "rank_correlation"] == pytest.approx(1 - 6 * 6 / (7 * 48))


def test_limits_belong_to_the_band_above():
    scores = parasitemia_scores([0.01, 0.05], [0.01, 0.05])
    assert scores["patients"].to_list() == [0, 1, 1, 2]


def test_nothing_is_said_without_patients_or_intervals():
    scores = parasitemia_scores([0.02], [0.02])
    assert np.isnan(scores.loc["below 1 %", "close"])
    assert scores["coverage"].isna().all()
    assert scores["rank_correlation"].isna().all()


def test_tolerance():
    assert parasitemia_scores([0.02], [0.03], tolerance=0.5).loc["all", "close"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0], [0.1]), "no patient with parasites"),
        (([2], [0.1]), "true has values that are missing or not in"),
        (([0.1], [np.nan]), "estimated has values that are missing or not in"),
        (([0.1], [0.1, 0.2]), "estimated has 2 values for 1 patients"),
        (([0.1], [0.1], [0.1]), "low and high: expected both or neither"),
        (([0.1], ["much"]), "estimated is an array"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        parasitemia_scores(*arguments)


def test_wrong_tolerance():
    with pytest.raises(ValueError, match="tolerance=0"):
        parasitemia_scores([0.1], [0.1], tolerance=0)
