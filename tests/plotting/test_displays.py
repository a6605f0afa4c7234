"""What all displays have in common."""

import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
from drawn_results import read_drawn, smear
from sklearn.calibration import CalibrationDisplay
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    PrecisionRecallDisplay,
    RocCurveDisplay,
)
from support import dark_spots, fast, linear_network

from malariafuse import KerasImageClassifier, plotting

X, y, patients = dark_spots()
PROBABILITY = np.clip(0.1 + 0.8 * y + np.linspace(-0.3, 0.3, len(y)), 0, 1)
HISTORY = {"loss": [0.6, 0.3], "accuracy": [0.5, 0.8], "recall": [0.4, 0.9]}

# Each draws on the axes given, or on a new figure.
SINGLE = {
    "ClassBalanceDisplay": lambda ax: plotting.ClassBalanceDisplay.from_target(
        y, ax=ax
    ),
    "PatientBalanceDisplay": lambda ax: plotting.PatientBalanceDisplay.from_target(
        y, patients, ax=ax
    ),
    "ThresholdCurveDisplay": lambda ax: plotting.ThresholdCurveDisplay.from_predictions(
        y, PROBABILITY, patients, random_state=0, ax=ax
    ),
    "ComparisonDisplay": lambda ax: plotting.ComparisonDisplay.from_predictions(
        y, {"a": PROBABILITY, "b": PROBABILITY**2}, patients, random_state=0, ax=ax
    ),
    "PatientRecallDisplay": lambda ax: plotting.PatientRecallDisplay.from_predictions(
        y, PROBABILITY, patients, ax=ax
    ),
    "ParasitemiaCalibrationDisplay": lambda ax: (
        plotting.ParasitemiaCalibrationDisplay.from_estimates(
            [0.01, 0.1], [0.02, 0.1], ax=ax
        )
    ),
    "ParasitemiaDisplay": lambda ax: plotting.ParasitemiaDisplay.from_result(
        read_drawn(smear(3)), ax=ax
    ),
    "SmearDisplay": lambda ax: plotting.SmearDisplay.from_result(
        read_drawn(smear(3)), ax=ax
    ),
}
SEVERAL = {
    "AugmentationDisplay": lambda ax: plotting.AugmentationDisplay.from_estimator(
        KerasImageClassifier(None), X[:2], n_changes=3, random_state=0, ax=ax
    ),
    "ChannelsDisplay": lambda ax: plotting.ChannelsDisplay.from_images(X[:2], ax=ax),
    "GradCAMDisplay": lambda ax: plotting.GradCAMDisplay(
        images=X[:2], heatmaps=np.zeros((2, 16, 16)), titles=["", ""], title=""
    ).plot(ax),
    "ImageGridDisplay": lambda ax: plotting.ImageGridDisplay.from_images(
        X, y, n_images=4, random_state=0, ax=ax
    ),
    "MeanImageDisplay": lambda ax: plotting.MeanImageDisplay.from_images(X, y, ax=ax),
    "TrainingCurvesDisplay": lambda ax: plotting.TrainingCurvesDisplay(
        history=HISTORY
    ).plot(ax),
}


def test_every_display_is_tested_here():
    displays = {name for name in plotting.__all__ if name.endswith("Display")}
    assert {*SINGLE, *SEVERAL} == displays


@pytest.mark.parametrize("name", SINGLE)
def test_single_axes(name):
    display = SINGLE[name](None)
    assert display.figure_.axes[0] is display.ax_
    assert display.ax_.get_title()
    assert display.plot() is display

    _, given = plt.subplots()
    display = SINGLE[name](given)
    assert display.ax_ is given
    assert display.figure_ is given.figure


@pytest.mark.parametrize("name", SEVERAL)
def test_several_axes(name):
    display = SEVERAL[name](None)
    assert all(axes.figure is display.figure_ for axes in display.axes_.flat)
    assert display.plot() is display

    figure, (given, other) = plt.subplots(1, 2, layout="constrained")
    display = SEVERAL[name](given)
    assert display.figure_ is figure
    figure.draw_without_rendering()
    border = other.get_position().x0
    assert all(axes.get_position().x1 < border for axes in display.axes_.flat)


def test_axes_placed_by_hand_cannot_be_divided():
    placed = plt.figure().add_axes((0.1, 0.1, 0.5, 0.5))
    with pytest.raises(ValueError, match="ax has no grid position"):
        plotting.MeanImageDisplay.from_images(X, y, ax=placed)


@pytest.mark.parametrize("draw", [*SINGLE.values(), *SEVERAL.values()])
def test_without_matplotlib(draw, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r'pip install "\.\[plots\]"'):
        draw(None)


def test_displays_of_scikit_learn_take_a_classifier():
    classifier = KerasImageClassifier(linear_network, **fast(epochs=1)).fit(X, y)
    probability = classifier.predict_proba(X)[:, 1]
    for display in (PrecisionRecallDisplay, RocCurveDisplay, CalibrationDisplay):
        np.testing.assert_array_equal(
            display.from_estimator(classifier, X, y).line_.get_data(),
            display.from_predictions(y, probability).line_.get_data(),
        )
    np.testing.assert_array_equal(
        ConfusionMatrixDisplay.from_estimator(classifier, X, y).confusion_matrix,
        ConfusionMatrixDisplay.from_predictions(y, probability >= 0.5).confusion_matrix,
    )


def test_import_loads_neither_matplotlib_nor_keras():
    loaded = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, malariafuse.plotting;"
            "print({'matplotlib', 'keras', 'tensorflow'} & set(sys.modules))",
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    assert loaded == "set()"
