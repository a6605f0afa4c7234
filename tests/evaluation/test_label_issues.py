import numpy as np
import pytest

from malariafuse.evaluation import label_issues


@pytest.fixture(scope="module")
def mislabeled(simulate):
    """Good probabilities, and the numbers of the cells whose labels were exchanged."""
    y, y_prob, patient = simulate(0, spread=0.3)
    sure = np.flatnonzero((y_prob > 0.5) == (y == 1))
    exchanged = np.random.default_rng(0).choice(sure, 60, replace=False)
    y = y.copy()
    y[exchanged] = 1 - y[exchanged]
    return y, y_prob, patient, exchanged


def test_exchanged_labels_come_first(mislabeled):
    y, y_prob, patient, exchanged = mislabeled
    issues = label_issues(y, y_prob, patient)
    assert np.isin(exchanged, issues.index).mean() > 0.6
    assert np.isin(issues.index[:30], exchanged).mean() > 0.9
    assert issues["self_confidence"].is_monotonic_increasing


def test_columns_say_what_the_cell_is(mislabeled):
    y, y_prob, patient, _ = mislabeled
    issues = label_issues(y, y_prob, patient)
    assert (issues["label"] == y[issues.index]).all()
    assert (issues["probability"] == y_prob[issues.index]).all()
    assert (issues["patient"] == patient[issues.index]).all()
    expected = np.where(
        issues["label"] == 1, y_prob[issues.index], 1 - y_prob[issues.index]
    )
    np.testing.assert_array_equal(issues["self_confidence"], expected)
    assert "patient" not in label_issues(y, y_prob)


def test_timid_probabilities_are_no_doubt_about_labels():
    """Below 0.5 throughout, yet higher for the parasitized cells."""
    y = np.repeat([0, 1], 50)
    y_prob = np.where(y == 1, 0.3, 0.1)
    y_prob[99] = 0.31
    assert label_issues(y, y_prob).empty
    y_prob[0] = 0.35
    assert label_issues(y, y_prob).index.tolist() == [0]


def test_exchanging_the_classes_lists_the_same_cells(mislabeled):
    y, y_prob, _, _ = mislabeled
    exchanged = label_issues(1 - y, 1 - y_prob)
    assert sorted(label_issues(y, y_prob).index) == sorted(exchanged.index)


def test_labels_are_those_that_were_passed(mislabeled):
    y, y_prob, _, _ = mislabeled
    words = np.where(y == 1, "P", "U")
    issues = label_issues(words, y_prob, pos_label="P")
    assert issues.index.equals(label_issues(y, y_prob).index)
    assert (issues["label"] == words[issues.index]).all()


def test_issues_are_those_of_cleanlab(mislabeled):
    """Stored from cleanlab 2.9: find_label_issues(y, columns,
    filter_by="confident_learning", return_indices_ranked_by="self_confidence").
    """
    y = np.tile([0, 1], 12)
    y_prob = [0.99, 0.01, 0.42, 0.52, 0.07, 0.66, 0.01, 0.66, 0.01, 0.99, 0.34, 0.61]
    y_prob += [0.14, 0.48, 0.01, 0.59, 0.44, 0.65, 0.63, 0.67, 0.26, 0.99, 0.47, 0.55]
    assert label_issues(y, y_prob).index.tolist() == [1, 0, 18]

    y, y_prob, _, _ = mislabeled
    issues = label_issues(y, y_prob).index
    first = [136, 1238, 1088, 67, 297, 1296, 438, 717, 1364, 685, 1452, 840]
    assert issues[:12].tolist() == first
    assert (len(issues), issues.to_numpy().sum()) == (47, 39599)


def test_bad_input(mislabeled):
    y, y_prob, patient, _ = mislabeled
    with pytest.raises(ValueError, match="y_true has no uninfected cell"):
        label_issues(np.ones_like(y), y_prob)
    with pytest.raises(ValueError, match="groups has"):
        label_issues(y, y_prob, patient[1:])
