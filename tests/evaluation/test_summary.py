import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from malariafuse._cells import check_cells
from malariafuse.evaluation import patient_table, summarize
from malariafuse.evaluation._measures import METRICS, Measures
from malariafuse.metrics import specificity_score

# Few different probabilities, so that many cells are tied.
a_cell = st.tuples(st.integers(0, 1), st.integers(0, 8), st.integers(0, 3))
some_cells = st.lists(a_cell, min_size=4, max_size=40).filter(
    lambda cells: (
        {label for label, *_ in cells} == {0, 1}
        and len({patient for *_, patient in cells}) > 1
    )
)


def by_scikit_learn(y, y_prob, threshold=0.5):
    called = (y_prob >= threshold).astype(int)
    return {
        "recall": metrics.recall_score(y, called),
        "specificity": specificity_score(y, called),
        "precision": metrics.precision_score(y, called, zero_division=np.nan),
        "f1": metrics.f1_score(y, called),
        "accuracy": metrics.accuracy_score(y, called),
        "mcc": metrics.matthews_corrcoef(y, called)
        if 0 < called.mean() < 1
        else np.nan,
        "roc_auc": metrics.roc_auc_score(y, y_prob),
        "average_precision": metrics.average_precision_score(y, y_prob),
        "brier_score": metrics.brier_score_loss(y, y_prob),
    }


@settings(max_examples=50)
@given(some_cells)
def test_values_are_those_of_scikit_learn(drawn):
    y, eighths, patient = map(np.array, zip(*drawn, strict=True))
    measures = Measures(check_cells(y, eighths / 8, patient), 0.5, METRICS)
    values = measures(np.ones((1, len(np.unique(patient)))))[0]
    expected = by_scikit_learn(y, eighths / 8)
    actual = {name: values[METRICS.index(name)] for name in expected}
    assert actual == pytest.approx(expected, nan_ok=True)


@settings(max_examples=50)
@given(some_cells, st.lists(st.integers(0, 3), min_size=4, max_size=4))
def test_a_weight_is_as_good_as_copies_of_the_patient(drawn, counts):
    """The bootstrap never copies cells: this is why it need not."""
    y, eighths, patient = map(np.array, zip(*drawn, strict=True))
    cells = check_cells(y, eighths / 8, patient)
    weights = np.array(counts[: cells.n_clusters], dtype=float)
    copies = np.concatenate(
        [
            np.tile(np.flatnonzero(cells.cluster == number), int(times))
            for number, times in enumerate(weights)
        ]
    ).astype(int)
    if len(np.unique(y[copies])) < 2:
        return
    weighted = Measures(cells, 0.5, METRICS)(weights[None])[0]
    expected = by_scikit_learn(y[copies], eighths[copies] / 8)
    actual = {name: weighted[METRICS.index(name)] for name in expected}
    assert actual == pytest.approx(expected, nan_ok=True)


def test_calibration_error_of_bins():
    y = [1, 1, 0, 0, 1, 0, 0, 0]
    y_prob = [0.85, 0.85, 0.85, 0.85, 0.12, 0.18, 0.15, 0.15]
    value = summarize(y, y_prob, [1, 2] * 4).loc["calibration_error", "value"]
    # Half of the cells around 0.85 and a quarter of those around 0.15 are parasitized.
    assert value == pytest.approx((0.85 - 0.5) / 2 + (0.25 - 0.15) / 2)


def test_patient_averaged_recall_counts_every_infected_patient_alike():
    y = [1, 1, 1, 1, 1, 0, 0]
    y_prob = [0.9, 0.9, 0.9, 0.8, 0.1, 0.1, 0.1]
    patient = ["much"] * 4 + ["little", "little", "healthy"]
    table = summarize(y, y_prob, patient)
    assert table.loc["recall", "value"] == 0.8
    assert table.loc["patient_averaged_recall", "value"] == 0.5


def test_table(cells):
    table = summarize(*cells, random_state=0, n_resamples=200)
    assert list(table.columns) == ["value", "low", "high"]
    assert table.index.tolist() == list(METRICS)
    assert (table["low"] < table["value"]).all()
    assert (table["value"] < table["high"]).all()


def test_the_same_seed_gives_the_same_table(cells):
    first, again, other = (
        summarize(*cells, random_state=seed, n_resamples=200) for seed in (0, 0, 1)
    )
    pd.testing.assert_frame_equal(first, again)
    assert not first["low"].equals(other["low"])


def test_the_threshold_decides(cells):
    y, y_prob, patient = cells
    table = summarize(y, y_prob, patient, threshold=0.8, n_resamples=100)
    expected = by_scikit_learn(y, y_prob, threshold=0.8)
    assert table["value"][list(expected)].to_dict() == pytest.approx(expected)


def test_names_of_patients_and_order_of_cells_do_not_matter(cells):
    y, y_prob, patient = cells
    renamed = np.array([f"C{number:03}" for number in patient])
    order = np.random.default_rng(0).permutation(len(y))
    settings = {"random_state": 0, "n_resamples": 100}
    pd.testing.assert_frame_equal(
        summarize(y, y_prob, patient, **settings),
        summarize(y[order], y_prob[order], renamed[order], **settings),
    )


class TestUndefined:
    def test_precision_where_nothing_is_called(self):
        table = summarize([0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4], [1, 1, 2, 2])
        assert table.loc[["precision", "mcc"], "value"].isna().all()
        assert table.loc["f1", "value"] == 0

    def test_patients_are_unknown(self, cells):
        y, y_prob, _ = cells
        table = summarize(y, y_prob, n_resamples=100)
        assert table.loc["patient_averaged_recall"].isna().all()
        assert table.drop("patient_averaged_recall").notna().all(axis=None)

    def test_a_few_draws_may_leave_it_undefined(self, simulate):
        """With 5 infected patients among 40, some draws have none of them."""
        y, y_prob, patient = simulate(0)
        kept = (y == 0) | (patient < 6)
        table = summarize(y[kept], y_prob[kept], patient[kept], random_state=1)
        assert table.notna().all(axis=None)

    def test_bounds_with_two_infected_patients_among_many(self):
        random = np.random.default_rng(0)
        y = np.array([0, 1] * 20 + [0] * 160)
        table = summarize(y, 0.7 * random.random(200) + 0.3 * y, np.arange(200) // 20)
        assert 0 < table.loc["recall", "value"] < 1
        assert table.loc["recall", ["low", "high"]].isna().all()
        assert table.loc["specificity"].notna().all()


def test_patient_table(cells):
    y, y_prob, patient = cells
    table = patient_table(y, y_prob, patient, threshold=0.7)
    assert table["cells"].sum() == len(y)
    for name, row in table.iterrows():
        own = patient == name
        called = y_prob[own] >= 0.7
        assert row["parasitized"] == y[own].sum()
        assert row["found"] == (called & (y[own] == 1)).sum()
        assert row["false_alarms"] == (called & (y[own] == 0)).sum()
        assert row["mean_probability"] == pytest.approx(y_prob[own].mean())
        assert row["specificity"] == specificity_score(y[own], called.astype(int))
    infected = table["parasitized"] > 0
    assert table.loc[infected, "recall"].is_monotonic_increasing
    # Healthy patients have no recall, and come last.
    assert infected.is_monotonic_decreasing
    assert table.loc[~infected, "recall"].isna().all()


def test_patient_table_of_one_patient_and_one_class():
    table = patient_table([0, 0], [0.2, 0.7], ["C1", "C1"])
    assert table.loc["C1", "specificity"] == 0.5


@pytest.mark.parametrize("seed", range(4))
def test_the_interval_holds_the_figure_of_few_well_separated_cells(seed):
    generator = np.random.default_rng(seed)
    patients = np.repeat(np.arange(12), 10)
    y = np.tile([0, 1], 60)
    y_prob = np.clip(y * 0.6 + 0.2 + 0.16 * generator.standard_normal(120), 0, 1)
    table = summarize(y, y_prob, patients, n_resamples=200, random_state=seed)
    known = table.dropna()
    assert {"roc_auc", "brier_score"} <= set(known.index)
    assert (known["low"] <= known["value"]).all()
    assert (known["value"] <= known["high"]).all()
