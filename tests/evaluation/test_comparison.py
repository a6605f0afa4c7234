import numpy as np
import pandas as pd
import pytest

from malariafuse.evaluation import compare, comparison_table, summarize
from malariafuse.evaluation._comparison import _holm

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
    metrics = ("recall", "roc_auc", "mcc")
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
    assert table.loc[("blunt", "roc_auc"), "high"] < 0
    assert table.loc[("blunt", "roc_auc"), "p_holm"] < 0.01
    assert (table.loc["alike", "p_holm"] > 0.05).all()


def test_interval_and_p_value_agree(cells, classifiers):
    table = compare(cells[0], classifiers, cells[2], confidence_level=0.9, **SETTINGS)
    excludes_zero = (table["low"] > 0) | (table["high"] < 0)
    assert excludes_zero.equals(table["p_value"] < 0.1)
    assert 0 < excludes_zero.sum() < len(table)


def test_pairs_are_compared_more_finely_than_metrics_on_their_own(cells, classifiers):
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


@pytest.mark.parametrize(
    ("p_values", "expected"),
    [
        # statsmodels 0.15: multipletests(p_values, method="holm")[1]
        ([0.01, 0.04, 0.03, 0.005, 0.03, 0.6], [0.05, 0.12, 0.12, 0.03, 0.12, 0.6]),
        ([0.2, 0.001, 0.013, 0.9, 0.013], [0.4, 0.005, 0.052, 0.9, 0.052]),
    ],
)
def test_holm(p_values, expected):
    assert _holm(np.array(p_values)) == pytest.approx(expected)
    # An unknown p-value is no comparison.
    with_unknown = _holm(np.array([np.nan, *p_values]))
    assert with_unknown == pytest.approx([np.nan, *expected], nan_ok=True)


def test_p_values_of_all_rows_are_corrected_together(cells, classifiers):
    table = compare(cells[0], classifiers, cells[2], **SETTINGS)
    assert table["p_holm"].tolist() == _holm(table["p_value"].to_numpy()).tolist()


def test_differences_are_those_of_statsmodels(cells, classifiers):
    """Ordinary least squares of the difference of each cell, clustered by patient.

    Stored from statsmodels 0.15: OLS(difference, ones).fit(cov_type="cluster",
    cov_kwds={"groups": patients}, use_t=True). On the scale of logits, intervals reach
    a little further down than up.
    """
    y, _, patient = cells
    pair = {name: classifiers[name] for name in ("sharp", "blunt")}
    table = compare(
        y,
        pair,
        patient,
        metrics=("recall", "specificity", "accuracy"),
        n_resamples=2000,
        random_state=0,
    ).loc["blunt"]
    assert table["difference"].tolist() == pytest.approx(
        [-0.04925053533190577, -0.065, -0.056516724336793514]
    )
    stored = np.array(
        [
            [-0.07300249, -0.02549858],
            [-0.08987844, -0.04012156],
            [-0.07567496, -0.03735849],
        ]
    )
    np.testing.assert_allclose(table[["low", "high"]], stored, atol=0.015)


def test_thresholds_of_their_own(cells):
    y, y_prob, patient = cells
    table = compare(
        y,
        {"a": y_prob, "squared": y_prob**2},
        patient,
        threshold={"a": 0.5, "squared": 0.25},
        metrics=("recall", "specificity", "roc_auc"),
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
        "f1",
        "accuracy",
        "specificity",
        "roc_auc",
    ]
    for name, y_prob in classifiers.items():
        pd.testing.assert_series_equal(
            table.loc[name, "roc_auc"],
            summarize(y, y_prob, patient, **SETTINGS).loc["roc_auc"],
            check_names=False,
        )


@pytest.mark.parametrize("function", [compare, comparison_table])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"metrics": ("sensitivity",)},
            r"metrics=\('sensitivity',\): expected a tuple of names among recall, spec",
        ),
        ({"metrics": "recall"}, "metrics='recall': expected a tuple of names"),
        ({"metrics": ()}, r"metrics=\(\): expected a tuple of names"),
        ({"metrics": [["recall"]]}, r"metrics=\[\['recall'\]\]: expected a tuple"),
        (
            {"metrics": ("recall", "recall")},
            "metrics=.*: expected names without repetition",
        ),
        ({"threshold": {"sharp": 0.5}}, r"threshold has the classifiers \['sharp'\]"),
        ({"threshold": {}}, r"threshold has the classifiers \[\]: expected \['sharp'"),
        ({"threshold": 1.5}, r"threshold=1.5: expected a number in \[0, 1\]"),
        (
            {"threshold": {"sharp": 0.5, "alike": "x", "blunt": 0}},
            r"threshold\['alike'\]='x': expected a number in \[0, 1\]",
        ),
        ({"random_state": "x"}, "random_state='x': expected None"),
        ({"random_state": -1}, "random_state=-1: expected None"),
    ],
)
def test_bad_arguments(cells, classifiers, function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(cells[0], classifiers, cells[2], **arguments)


@pytest.mark.parametrize("metrics", [3, None])
def test_metrics_that_are_no_names(cells, classifiers, metrics):
    with pytest.raises(TypeError, match=f"metrics={metrics}: expected a tuple of"):
        compare(cells[0], classifiers, cells[2], metrics=metrics)


@pytest.mark.parametrize("reference", ["sharpest", ["sharp"], 3])
def test_a_reference_that_is_no_classifier(cells, classifiers, reference):
    with pytest.raises(ValueError, match=r"reference=.*: expected None or one of"):
        compare(cells[0], classifiers, cells[2], reference=reference)


@pytest.mark.parametrize("function", [compare, comparison_table])
def test_warnings_name_the_classifier(cells, classifiers, function):
    y, y_prob, patient = cells
    pair = {"good": y_prob, "blunt": (y_prob > 0.5).astype(float)}
    with pytest.warns(
        UserWarning, match=r"probabilities\['blunt'\] has only two distinct values"
    ):
        function(y, pair, patient, n_resamples=100, random_state=0)
    pair = {"good": y_prob, "reversed": 1 - y_prob}
    with pytest.warns(
        UserWarning, match=r"probabilities\['reversed'\] is higher for uninfected"
    ):
        function(y, pair, patient, n_resamples=100, random_state=0)


def test_bad_classifiers(cells):
    y, y_prob, patient = cells
    with pytest.raises(ValueError, match=r"classifiers \['a'\]: expected at least two"):
        compare(y, {"a": y_prob}, patient)
    with pytest.raises(ValueError, match=r"probabilities\['b'\]: y_prob has 1 value"):
        compare(y, {"a": y_prob, "b": np.r_[np.nan, y_prob[1:]]}, patient)
    with pytest.raises(ValueError, match=r"ities\['b'\]: y_prob has \d+ entries"):
        compare(y, {"a": y_prob, "b": y_prob[1:]}, patient)
    with pytest.raises(TypeError, match="probabilities is a list: expected a dict"):
        comparison_table(y, [y_prob], patient)
    with pytest.raises(ValueError, match="probabilities is empty: expected a dict"):
        comparison_table(y, {}, patient)


def test_what_is_no_fault_of_a_classifier_names_none(cells):
    y, y_prob, patient = cells
    pair = {"a": y_prob, "b": y_prob}
    with pytest.raises(ValueError, match=r"^groups is None: expected the patient"):
        compare(y, pair, None)
    with pytest.raises(ValueError, match=r"^y_true has the labels"):
        compare(y + 1, pair, patient)
