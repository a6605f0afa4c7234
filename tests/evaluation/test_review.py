import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from malariafuse.evaluation import review_table, threshold_table

# Log-odds of four parasitized and four uninfected cells of four patients.
Y = np.array([1, 1, 1, 1, 0, 0, 0, 0])
PROB = expit(np.array([-2.5, -0.5, 0.5, 4, -4, -0.5, 0.5, 2.5]))
PATIENTS = [1, 2, 3, 4, 1, 2, 3, 4]


def test_by_hand():
    table = review_table(Y, PROB, PATIENTS, widths=[0, 1, 3], random_state=0)
    assert list(table.index) == [0, 1, 3]
    # Within 1 of 0 are four of eight cells, within 3 are six.
    assert table["coverage"].tolist() == [1, 4 / 8, 2 / 8]
    # Missed: two cells, then the one at -2.5, then none; alarms likewise.
    assert table["recall"].tolist() == [2 / 4, 3 / 4, 1]
    assert table["specificity"].tolist() == [2 / 4, 3 / 4, 1]
    np.testing.assert_allclose(table["from_probability"], expit([0, -1, -3]))
    np.testing.assert_allclose(table["below_probability"], expit([0, 1, 3]))


def test_the_band_lies_around_the_threshold():
    table = review_table(
        Y, PROB, PATIENTS, threshold=expit(2.0), widths=[0, 1], random_state=0
    )
    # 1 to 3: the uninfected cell at 2.5.
    assert table["coverage"].tolist() == [1, 7 / 8]
    assert table["recall"].tolist() == [1 / 4, 1 / 4]
    assert table["specificity"].tolist() == [3 / 4, 1]


def test_intervals_are_those_of_the_ends():
    table = review_table(Y, PROB, PATIENTS, widths=[1], random_state=0)
    ends = threshold_table(
        Y, PROB, PATIENTS, thresholds=expit([-1.0, 1.0]), random_state=0
    )
    for name, row in (("recall", 0), ("specificity", 1)):
        for end in ("_low", "_high"):
            assert table[name + end].iloc[0] == ends[name + end].iloc[row]


def test_other_labels_and_no_patients():
    names = np.array(["no", "yes"])[Y]
    pd.testing.assert_frame_equal(
        review_table(names, PROB, pos_label="yes", random_state=0),
        review_table(Y, PROB, random_state=0),
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"threshold": 0}, "threshold=0: expected a number in"),
        ({"widths": [-1]}, r"widths\[0\]=-1.*: expected a number of at least 0"),
        ({"widths": [np.nan]}, "widths"),
        ({"widths": []}, "widths has shape"),
        ({"widths": "wide"}, "widths"),
        ({"n_resamples": 1}, "n_resamples=1"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        review_table(Y, PROB, PATIENTS, **arguments)
