import numpy as np
import pandas as pd
import pytest

from malariafuse.evaluation import summarize, threshold_table

SETTINGS = {"n_resamples": 200, "random_state": 0}


def test_table_is_made_of_summaries(cells):
    table = threshold_table(*cells, thresholds=[0.7, 0.2], **SETTINGS)
    assert table.index.tolist() == [0.7, 0.2]
    for threshold, row in table.iterrows():
        summary = summarize(*cells, threshold=threshold, **SETTINGS)
        for name in ("recall", "specificity"):
            actual = row[[name, f"{name}_low", f"{name}_high"]].to_numpy(dtype=float)
            np.testing.assert_allclose(actual, summary.loc[name])


def test_default_thresholds(cells):
    table = threshold_table(*cells, **SETTINGS)
    np.testing.assert_allclose(table.index, np.arange(101) / 100)
    assert table.index.name == "threshold"
    assert table["recall"].is_monotonic_decreasing
    assert table["specificity"].is_monotonic_increasing
    # Every cell is called parasitized, of any patient.
    assert table.loc[0.0].tolist() == [1, 1, 1, 0, 0, 0]
    assert table.notna().all(axis=None)
    inner = table.loc[0.1:0.9]
    assert (inner["recall_low"] < inner["recall"]).all()
    assert (inner["recall"] < inner["recall_high"]).all()


@pytest.mark.parametrize("thresholds", [[], [0.5, 1.5], ["low"], 0.5, [np.nan]])
def test_bad_thresholds(cells, thresholds):
    with pytest.raises(ValueError, match=r"thresholds.*(between 0 and 1|in \[0, 1\])"):
        threshold_table(*cells, thresholds=thresholds)


def test_labels_may_be_words(cells):
    y, y_prob, patient = cells
    words = np.array(["Uninfected", "Parasitized"])[y]
    table = threshold_table(
        words, y_prob, patient, pos_label="Parasitized", thresholds=[0.5], **SETTINGS
    )
    pd.testing.assert_frame_equal(
        table, threshold_table(*cells, thresholds=[0.5], **SETTINGS)
    )


def test_thresholds_of_a_series(cells):
    table = threshold_table(*map(pd.Series, cells), thresholds=[0.5], n_resamples=100)
    assert len(table) == 1
