"""Thresholds, comparisons and patients."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from malariafuse.evaluation import comparison_table, patient_table, threshold_table
from malariafuse.plotting import (
    ComparisonDisplay,
    PatientRecallDisplay,
    ThresholdCurveDisplay,
)

rng = np.random.default_rng(0)
PATIENTS = np.repeat([f"C{number}" for number in range(12)], 10)
Y = np.tile([0, 1, 1, 0, 1], 24)
Y[:20] = 0  # two healthy patients
SHARP = np.clip(0.2 + 0.6 * Y + rng.normal(0, 0.25, 120), 0, 1)
BLUNT = np.clip(0.3 + 0.3 * Y + rng.normal(0, 0.3, 120), 0, 1)


class TestThresholdCurve:
    def test_curves_and_bands_are_those_of_the_table(self):
        display = ThresholdCurveDisplay.from_predictions(
            Y, SHARP, PATIENTS, random_state=0
        )
        table = threshold_table(Y, SHARP, PATIENTS, random_state=0)
        for name in ("recall", "specificity"):
            thresholds, values = display.lines_[name].get_data()
            np.testing.assert_array_equal(thresholds, table.index)
            np.testing.assert_array_equal(values, table[name])
            drawn = np.concatenate(
                [path.vertices for path in display.bands_[name].get_paths()]
            )
            bounds = table.loc[0.5, [f"{name}_low", f"{name}_high"]]
            at_half = drawn[np.isclose(drawn[:, 0], 0.5), 1]
            assert {at_half.min(), at_half.max()} == set(bounds)

    def test_a_threshold_is_marked(self):
        plain = ThresholdCurveDisplay.from_predictions(Y, SHARP, PATIENTS)
        assert len(plain.ax_.lines) == 2
        marked = ThresholdCurveDisplay.from_predictions(
            Y, SHARP, PATIENTS, marked_threshold=0.3
        )
        assert list(marked.ax_.lines[2].get_xdata()) == [0.3, 0.3]
        legend = [text.get_text() for text in marked.ax_.get_legend().get_texts()]
        assert legend == ["recall (sensitivity)", "specificity", "threshold 0.3"]

    def test_a_threshold_is_a_probability(self):
        with pytest.raises(ValueError, match="marked_threshold=3: expected a number"):
            ThresholdCurveDisplay.from_predictions(
                Y, SHARP, PATIENTS, marked_threshold=3
            )


class TestComparison:
    def test_dots_and_whiskers_are_those_of_the_table(self):
        table = comparison_table(
            Y, {"sharp": SHARP, "blunt": BLUNT}, PATIENTS, random_state=0
        )
        display = ComparisonDisplay.from_table(table)
        metrics = table.columns.get_level_values(0).unique().tolist()
        labels = [label.get_text() for label in display.ax_.get_yticklabels()]
        assert dict(zip(metrics, labels, strict=True)) == {
            "precision": "precision",
            "recall": "recall",
            "f1": "F1",
            "accuracy": "accuracy",
            "specificity": "specificity",
            "roc_auc": "ROC AUC",
        }
        for name, dots in zip(table.index, display.dots_, strict=True):
            assert dots.get_label() == name
            line, _, (whiskers,) = dots.lines
            for metric, value, whisker in zip(
                metrics, line.get_xdata(), whiskers.get_segments(), strict=True
            ):
                expected = table.loc[name, metric]
                assert value == expected["value"]
                np.testing.assert_allclose(
                    whisker[:, 0], expected[["low", "high"]].tolist()
                )

    def test_metrics_can_be_chosen(self):
        display = ComparisonDisplay.from_predictions(
            Y, {"sharp": SHARP}, PATIENTS, metrics=("recall", "average_precision")
        )
        labels = [label.get_text() for label in display.ax_.get_yticklabels()]
        assert labels == ["recall", "average precision"]

    def test_an_undefined_bound_has_no_whisker(self):
        table = comparison_table(
            Y, {"perfect": 0.6 * Y + 0.4 * SHARP}, PATIENTS, random_state=0
        )[["recall"]]
        table[[("recall", "low"), ("recall", "high")]] = np.nan
        line, _, (whiskers,) = ComparisonDisplay.from_table(table).dots_[0].lines
        assert line.get_xdata()[0] == 1
        assert np.ptp(whiskers.get_segments()[0], axis=0).tolist() == [0, 0]

    def test_another_table_is_refused(self):
        with pytest.raises(ValueError, match="as in the result of comparison_table"):
            ComparisonDisplay.from_table(pd.DataFrame({"recall": [0.9]}))


class TestPatientRecall:
    def test_points_are_the_infected_patients(self):
        display = PatientRecallDisplay.from_predictions(
            Y, SHARP, PATIENTS, threshold=0.6
        )
        table = patient_table(Y, SHARP, PATIENTS, threshold=0.6).dropna(subset="recall")
        assert len(table) == 10
        np.testing.assert_array_equal(
            display.points_.get_offsets(), table[["parasitized", "recall"]]
        )

    def test_both_means_are_drawn(self):
        y, patients = [1, 1, 1, 1], ["C1", "C1", "C1", "C2"]
        display = PatientRecallDisplay.from_predictions(
            y, [0.9, 0.8, 0.7, 0.1], patients
        )
        heights = {line.get_label(): line.get_ydata()[0] for line in display.ax_.lines}
        assert heights == {"all cells: 0.750": 0.75, "mean of the patients: 0.500": 0.5}

    def test_the_worst_patients_are_named(self):
        display = PatientRecallDisplay.from_predictions(
            Y, np.where(PATIENTS == "C5", 0.1, 0.6 + Y / 10 + SHARP / 10), PATIENTS
        )
        assert [text.get_text() for text in display.ax_.texts] == ["patient C5"]

    @pytest.mark.parametrize("found", [5, 0])
    def test_names_of_equal_patients_do_not_touch(self, found):
        cells = np.tile(np.arange(10) < found, 6) * 0.7 + 0.1
        display = PatientRecallDisplay.from_predictions(
            np.ones(60, int), cells + np.arange(60) / 1000, np.repeat(np.arange(6), 10)
        )
        display.figure_.canvas.draw()
        boxes = [Text.get_window_extent(name) for name in display.ax_.texts]
        frame = display.ax_.get_window_extent()
        assert len(boxes) == 5
        assert not any(one.overlaps(two) for one, two in combinations(boxes, 2))
        assert all(frame.y0 <= box.y0 and box.y1 <= frame.y1 for box in boxes)

    def test_healthy_patients_of_a_table_are_not_drawn(self):
        table = patient_table(Y, SHARP, PATIENTS)
        display = PatientRecallDisplay(table=table, threshold=0.5).plot()
        points = np.asarray(display.points_.get_offsets())
        infected = table[table["parasitized"] > 0]
        assert len(table) == len(infected) + 2
        np.testing.assert_array_equal(points, infected[["parasitized", "recall"]])
        assert display.ax_.get_title().startswith("Recall of each of 10 infected")

    def test_a_table_of_healthy_patients_is_refused(self):
        table = patient_table(0 * Y, SHARP, PATIENTS)
        with pytest.raises(ValueError, match="table has no patient with parasitized"):
            PatientRecallDisplay(table=table, threshold=0.5).plot()

    def test_without_parasitized_cells_there_is_no_recall(self):
        with pytest.raises(ValueError, match="y_true has no parasitized cell"):
            PatientRecallDisplay.from_predictions(0 * Y, SHARP, PATIENTS)


class TestOwnDecisions:
    """A display from an estimator shows what the estimator decides."""

    def test_of_a_strict_estimator(self):
        strict = FixedThresholdClassifier(LogisticRegression(), threshold=0.8).fit(X, Y)
        probability = strict.predict_proba(X)[:, 1]
        display = recalls(Y, strict)
        pd.testing.assert_frame_equal(
            display.table,
            PatientRecallDisplay.from_predictions(
                Y, probability, PATIENTS, threshold=0.8
            ).table,
        )
        assert display.threshold is None
        assert display.ax_.get_title() == "Recall of each of 10 infected patients"
        at_half = recalls(Y, strict, threshold=0.5)
        assert at_half.table["found"].sum() > display.table["found"].sum()
        assert at_half.ax_.get_title().endswith("(threshold 0.5)")

    def test_decisions_of_your_own(self):
        decisions = np.where(PATIENTS == "C5", 0, 1)
        display = PatientRecallDisplay.from_predictions(
            Y, SHARP, PATIENTS, decisions=decisions
        )
        recall = display.table["recall"]
        assert recall.pop("C5") == 0
        assert (recall == 1).all()

    @pytest.mark.parametrize(
        ("decisions", "message"),
        [
            (np.ones(3, dtype=int), "decisions has 3 entries for 120 cells"),
            (SHARP, "decisions has the labels"),
        ],
    )
    def test_bad_decisions(self, decisions, message):
        with pytest.raises(ValueError, match=message):
            patient_table(Y, SHARP, PATIENTS, decisions=decisions)

    def test_threshold(self):
        with pytest.raises(ValueError, match="threshold=3: expected a number"):
            recalls(Y, fitted(), threshold=3)


@pytest.mark.parametrize(
    "draw",
    [ThresholdCurveDisplay.from_predictions, PatientRecallDisplay.from_predictions],
)
def test_labels_of_predictions_may_be_words(draw):
    seed = {"random_state": 0} if "ThresholdCurve" in draw.__qualname__ else {}
    words = NAMES[Y]
    pd.testing.assert_frame_equal(
        draw(words, SHARP, PATIENTS, pos_label="Parasitized", **seed).table,
        draw(Y, SHARP, PATIENTS, **seed).table,
    )
    with pytest.raises(ValueError, match="Pass pos_label"):
        draw(words, SHARP, PATIENTS)


NAMES = np.array(["Uninfected", "Parasitized"])
X = np.c_[SHARP, BLUNT]


def fitted(y=Y):
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)


def curves(y, estimator, **options):
    return ThresholdCurveDisplay.from_estimator(
        estimator, X, y, PATIENTS, random_state=0, **options
    )


def recalls(y, estimator, **options):
    return PatientRecallDisplay.from_estimator(estimator, X, y, PATIENTS, **options)


@pytest.mark.parametrize("draw", [curves, recalls])
class TestFromEstimator:
    def test_is_that_of_the_predictions(self, draw):
        probability = fitted().predict_proba(X)[:, 1]
        expected = (
            ThresholdCurveDisplay.from_predictions(
                Y, probability, PATIENTS, marked_threshold=0.3, random_state=0
            )
            if draw is curves
            else PatientRecallDisplay.from_predictions(
                Y, probability, PATIENTS, threshold=0.3
            )
        )
        name = "marked_threshold" if draw is curves else "threshold"
        display = draw(Y, fitted(), **{name: 0.3})
        pd.testing.assert_frame_equal(display.table, expected.table)
        assert getattr(display, name) == 0.3

    def test_other_labels_need_pos_label(self, draw):
        named = NAMES[Y]
        with pytest.raises(
            ValueError, match=r"pos_label=None: .*\['Parasitized', 'Uninfected'\]"
        ):
            draw(named, fitted(named))
        with pytest.raises(
            ValueError, match="pos_label=1: expected the class of parasitized"
        ):
            draw(named, fitted(named), pos_label=1)
        with pytest.raises(ValueError, match=r"pos_label=None: .*\[1, 2\]"):
            draw(Y + 1, fitted(Y + 1))
        pd.testing.assert_frame_equal(
            draw(named, fitted(named), pos_label="Parasitized").table,
            draw(Y, fitted()).table,
            rtol=1e-6,
        )

    def test_the_classifier_may_know_its_positive_class(self, draw):
        named = NAMES[Y]
        plain = LogisticRegression().fit(X, named)
        for estimator in (
            FixedThresholdClassifier(plain, pos_label="Parasitized"),
            make_pipeline(FixedThresholdClassifier(plain, pos_label="Parasitized")),
        ):
            pd.testing.assert_frame_equal(
                draw(named, estimator.fit(X, named)).table,
                draw(named, plain, pos_label="Parasitized").table,
            )

    def test_booleans_are_labels(self, draw):
        truth = Y.astype(bool)
        pd.testing.assert_frame_equal(
            draw(truth, fitted(truth)).table, draw(Y, fitted()).table
        )

    @pytest.mark.parametrize(
        ("y", "message"),
        [
            (Y.astype(str), r"y has the labels \['0', '1'\]: expected .* \[0, 1\]"),
            (Y[:-1], "expected one for each"),
        ],
    )
    def test_bad_labels(self, draw, y, message):
        with pytest.raises(ValueError, match=message):
            draw(y, fitted())

    def test_bad_estimators(self, draw):
        with pytest.raises(NotFittedError):
            draw(Y, LogisticRegression())
        with pytest.raises(ValueError, match="a classifier with predict_proba"):
            draw(Y, LinearSVC().fit(X, Y))
        three = np.arange(len(Y)) % 3
        with pytest.raises(ValueError, match=r"the classes \[0, 1, 2\]: expected two"):
            draw(three, fitted(three))
