import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from support import dark_spots, fast, linear_network

from malariafuse import KerasImageClassifier
from malariafuse.plotting import TrainingCurvesDisplay


def curves(axes):
    return {
        line.get_label(): (line.get_xdata().tolist(), list(line.get_ydata()))
        for line in axes.lines[:2]
    }


def test_training_and_validation_of_a_classifier():
    X, y, patients = dark_spots()
    classifier = KerasImageClassifier(
        linear_network, **fast(epochs=3, early_stopping=True, n_iter_no_change=3)
    ).fit(X, y, groups=patients)
    display = TrainingCurvesDisplay.from_estimator(classifier)
    history = classifier.history_
    for axes, name in zip(
        display.axes_[0], ("loss", "accuracy", "recall"), strict=True
    ):
        assert axes.get_title() == name
        assert curves(axes) == {
            "training": ([1, 2, 3], history[name]),
            "validation": ([1, 2, 3], history[f"val_{name}"]),
        }
    best = history["val_loss"].index(min(history["val_loss"])) + 1
    assert display.best_epoch_ == best
    for axes in display.axes_[0]:
        assert list(axes.lines[2].get_xdata()) == [best, best]


def test_without_validation_no_epoch_is_best():
    display = TrainingCurvesDisplay(history={"loss": [0.6, 0.2], "lr": [1, 2]}).plot()
    assert display.best_epoch_ is None
    assert display.axes_.shape == (1, 1)
    assert len(display.axes_[0, 0].lines) == 1


def test_unfitted_and_other_estimators_are_refused():
    with pytest.raises(NotFittedError):
        TrainingCurvesDisplay.from_estimator(KerasImageClassifier(linear_network))
    with pytest.raises(TypeError, match="LogisticRegression without the attribute"):
        TrainingCurvesDisplay.from_estimator(
            LogisticRegression().fit([[0], [1]], [0, 1])
        )


def test_a_history_of_something_else_is_refused():
    with pytest.raises(ValueError, match="history has lr: expected at least one"):
        TrainingCurvesDisplay(history={"lr": [1, 2]}).plot()
