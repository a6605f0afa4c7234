"""Nothing that is passed by mistake ends in an obscure error, or in none of ours.

Every argument of whatever is public is tried with values of all kinds. Either the call
gives what it documents, or an error that names an argument of it.
"""

import re
import warnings

import pytest
from fuzzing import NASTY, anything, calls
from hypothesis import HealthCheck, Phase, given, settings

from malariafuse.datasets import ImageReadError
from malariafuse.model_selection import LeakageError

pyplot = pytest.importorskip("matplotlib.pyplot")
pytestmark = pytest.mark.slow

# X goes on as it is to an estimator of the user's own, which answers in its own words.
OTHERS = {
    ("PatientRecallDisplay.from_estimator", "X"),
    ("ThresholdCurveDisplay.from_estimator", "X"),
    ("cross_validate_patients", "X"),
    ("cross_validate_patients", "estimator"),
    ("cross_validate_patients", "fit_params"),
    # So do functions of the user's own.
    ("load_smear_photos", "segmenter"),
    ("photo_quality", "segmenter"),
    # Either label may be the positive one; with the other one the data make no sense.
    ("PatientTest", "pos_label"),
    ("SlideAdapter", "pos_label"),
}
# Any number is valid, and a large one trains for ever.
ENDLESS = {
    ("KerasImageClassifier", "epochs"),
    ("KerasImageClassifier", "head_epochs"),
    # Processes take seconds to start.
    ("cross_validate_patients", "n_jobs"),
}
CALLS = {call.name: call for call in calls()}
ARGUMENTS = [
    (call.name, parameter)
    for call in CALLS.values()
    for parameter in call.parameters
    if (call.name, parameter) not in OTHERS | ENDLESS
]
COLUMNS = {
    "X",
    "filenames",
    "fold",
    "groups",
    "pos_label",
    "probabilities",
    "sample_weight",
    "split",
    "target",
    "y",
    "y_pred",
    "y_prob",
    "y_score",
    "y_true",
}
# Where a network is built or trained, a call takes a second.
SLOW = re.compile("Classifier|Detector|Guard|Pretrained|build_|grad_cam|GradCAM")


@pytest.fixture(autouse=True)
def folder_of_its_own(tmp_path, monkeypatch):
    """Keep away from the working directory what a text that names a folder brings."""
    monkeypatch.chdir(tmp_path)


def n_examples(name):
    return 3 if SLOW.search(name) else 14


@pytest.mark.parametrize("name", CALLS)
def test_valid_arguments_are_taken(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        CALLS[name]()
    pyplot.close("all")


def error_of(name, parameter, value):
    """Return the error of a call, or None."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            CALLS[name](**{parameter: value})
    except Exception as error:
        return error
    finally:
        pyplot.close("all")


@pytest.mark.parametrize(("name", "parameter"), ARGUMENTS)
def test_what_is_wrong_is_named(name, parameter):
    @settings(
        max_examples=n_examples(name),
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(anything())
    def run(value):
        error = error_of(name, parameter, value)
        # They name the patients and the files, which are what is wrong.
        if error is None or isinstance(error, LeakageError | ImageReadError):
            return
        assert isinstance(error, ValueError | TypeError | OSError), repr(error)
        # Of two columns of different lengths, either may be the wrong one.
        named = COLUMNS & set(CALLS[name].parameters) if parameter in COLUMNS else set()
        pattern = "|".join(named | {parameter})
        assert re.search(rf"\b({pattern})\b", str(error)), repr(error)

    run()


def test_at_least_3000_values_are_tried():
    assert sum(n_examples(name) for name, _ in ARGUMENTS) >= 3000
    assert len(NASTY) >= 60
