import numpy as np
import pandas as pd
import pytest

from malariafuse.evaluation import compare, comparison_table, summarize

SETTINGS = {"n_resamples": 200, "random_state": 0}


@pytest.fixture(scope="module")
def classifiers(cells):
    _, y_prob, _ = cells
    random = np.random.default_rng(0)
    return {
        "sharp": y_prob,
        "alike": np.clip(y_prob + random.normal(0, 0.01, len(y_prob)), 0, 1),
        "blunt": (y_prob + random.random(len(y_prob))) / 2,
    }


def test_differences_are_those_of_the_values(cells, classifiers):
    y, _, patient = cells
    metrics = ("recall", "AUC", "MCC")
    table = compare(y, classifiers, patient, metrics=metrics, **SETTINGS)
    assert table.index.tolist() == [
        (name, metric) for name in ("alike", "blunt") for metric in metrics
    ]
    for name in ("alike", "blunt"):
        own, base = (
            summarize(y, classifiers[key], patient, n_resamples=100)["value"]
            for key in (name, "sharp")
        )
        expected = (own - base)[list(metrics)]
        np.testing.assert_allclose(table.loc[name, "difference"], expected)
        np.testing.assert_allclose(table.loc[name, "value"], own[list(metrics)])


def test_what_is_worse_is_found_to_be_and_what_is_alike_is_not(cells, classifiers):
    y, _, patient = cells
    table = compare(y, classifiers, patient, **SETTINGS)
    assert table.loc[("blunt", "AUC"), "high"] < 0
    assert table.loc[("blunt", "AUC"), "p_holm"] < 0.01
    assert (table.loc["alike", "p_holm"] > 0.05).all()


def test_interval_and_p_value_agree(cells, classifiers):
    table = compare(cells[0], classifiers, cells[2], confidence_level=0.9, **SETTINGS)
    excludes_zero = (table["low"] > 0) | (table["high"] < 0)
    assert excludes_zero.equals(table["p_value"] < 0.1)
    assert 0 < excludes_zero.sum() < len(table)


def test_pairs_are_compared_more_finely_than_figures_on_their_own(cells, classifiers):
    """Both classifiers are bad at the same patients: that cancels out."""
    y, _, patient = cells
    paired = compare(y, classifiers, patient, **SETTINGS).loc[("alike", "recall")]
    alone = comparison_table(y, classifiers, patient, **SETTINGS).loc["alike", "recall"]
    width = paired["high"] - paired["low"]
    assert width < (alone["high"] - alone["low"]) / 5


def test_a_classifier_and_itself_do_not_differ(cells):
    y, y_prob, patient = cells
    table = compare(y, {"a": y_prob, "b": y_prob.copy()}, patient, **SETTINGS)
    assert (table[["difference", "low", "high"]] == 0).all(axis=None)
    assert (table[["p_value", "p_holm"]] == 1).all(axis=None)


def test_reference_turns_the_sign(cells, classifiers):
    y, _, patient = cells
    pair = {name: classifiers[name] for name in ("sharp", "blunt")}
    forth = compare(y, pair, patient, **SETTINGS).loc["blunt"]
    back = compare(y, pair, patient, reference="blunt", **SETTINGS).loc["sharp"]
    np.testing.assert_allclose(forth["difference"], -back["difference"])
    np.testing.assert_allclose(forth["low"], -back["high"])


def test_holm(cells, classifiers):
    table = compare(cells[0], classifiers, cells[2], **SETTINGS)
    ranked = table.sort_values("p_value")
    factors = np.arange(len(table), 0, -1)
    expected = np.minimum(1, np.maximum.accumulate(factors * ranked["p_value"]))
    np.testing.assert_allclose(ranked["p_holm"], expected)


def test_thresholds_of_their_own(cells):
    y, y_prob, patient = cells
    table = compare(
        y,
        {"a": y_prob, "squared": y_prob**2},
        patient,
        threshold={"a": 0.5, "squared": 0.25},
        metrics=("recall", "specificity", "AUC"),
        **SETTINGS,
    )
    assert (table["difference"] == 0).all()


def test_comparison_table_is_made_of_summaries(cells, classifiers):
    y, _, patient = cells
    table = comparison_table(y, classifiers, patient, **SETTINGS)
    assert table.index.tolist() == list(classifiers)
    assert list(table.columns.get_level_values(0)[::3]) == [
        "precision",
        "recall",
        "F1",
        "accuracy",
        "specificity",
        "AUC",
    ]
    for name, y_prob in classifiers.items():
        pd.testing.assert_series_equal(
            table.loc[name, "AUC"],
            summarize(y, y_prob, patient, **SETTINGS).loc["AUC"],
            check_names=False,
        )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"reference": "sharpest"}, "reference='sharpest': expected one of"),
        (
            {"metrics": ("sensitivity",)},
            "metrics=.*expected some of recall, specificity",
        ),
        ({"metrics": "recall"}, "metrics='recall': expected some of .* in a tuple"),
        ({"threshold": {"sharp": 0.5}}, r"threshold has the classifiers \['sharp'\]"),
        ({"threshold": 1.5}, "threshold=1.5: expected a number between 0 and 1"),
    ],
)
def test_bad_arguments(cells, classifiers, arguments, message):
    with pytest.raises(ValueError, match=message):
        compare(cells[0], classifiers, cells[2], **arguments)


def test_bad_classifiers(cells):
    y, y_prob, patient = cells
    with pytest.raises(ValueError, match=r"classifiers \['a'\]: expected at least two"):
        compare(y, {"a": y_prob}, patient)
    with pytest.raises(ValueError, match=r"probabilities\['b'\]: y_prob has 1 value"):
        compare(y, {"a": y_prob, "b": np.r_[np.nan, y_prob[1:]]}, patient)
    with pytest.raises(ValueError, match="probabilities is a list: expected a dict"):
        comparison_table(y, [y_prob], patient)
    with pytest.raises(ValueError, match="groups is None: expected the patient"):
        compare(y, {"a": y_prob, "b": y_prob}, None)
