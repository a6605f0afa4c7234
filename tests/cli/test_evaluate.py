import json
import shutil

import joblib
import numpy as np
import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import confusion_matrix, roc_auc_score
from sklearn.model_selection import FixedThresholdClassifier

from malariafuse.datasets import load_cell_images


@pytest.fixture(scope="module")
def truth(pipeline, cells):
    loaded = load_cell_images(cells, cache=False)
    return loaded, pipeline.predict_proba(list(loaded.images))[:, 1]


def test_numbers(run, model, cells, truth):
    loaded, probability = truth
    found = json.loads(run("evaluate", model, cells, "--json").stdout)
    assert found["threshold"] == 0.4
    assert (found["cells"], found["patients"]) == (60, 6)
    (healthy, alarms), (missed, hits) = confusion_matrix(
        loaded.target, probability >= 0.4
    ).tolist()
    assert found["confusion"] == {
        "found": hits,
        "missed": missed,
        "false_alarms": alarms,
        "uninfected": healthy,
    }
    measures = found["measures"]
    assert measures["recall"]["value"] == pytest.approx(hits / 30)
    auc = roc_auc_score(loaded.target, probability)
    assert measures["roc_auc"]["value"] == pytest.approx(auc)
    assert measures["roc_auc"]["low"] < auc
    cells_of = {patient: row["cells"] for patient, row in found["by_patient"].items()}
    assert cells_of == {
        str(patient): int((loaded.groups == patient).sum()) for patient in range(1, 7)
    }


def test_report_and_table(run, model, cells, tmp_path):
    report = tmp_path / "report.html"
    result = run("evaluate", model, cells, "-o", report)
    head, _, names, *rows = result.stdout.splitlines()
    assert head == "60 cells of 6 patients, threshold 0.4"
    assert names.split() == ["metric", "value", "low", "high"]
    assert [row.split()[0] for row in rows][:2] == ["recall", "specificity"]
    text = report.read_text(encoding="utf-8")
    assert "Model <strong>small</strong>" in text
    assert "60 cells of 6 patients." in text
    assert "To be tried." in text  # of the model card


def test_another_threshold(run, model, cells, truth):
    found = run("evaluate", model, cells, "--threshold", "0.1", "--json").stdout
    _, probability = truth
    confusion = json.loads(found)["confusion"]
    assert confusion["found"] + confusion["false_alarms"] == (probability >= 0.1).sum()


def test_a_threshold_around_the_pipeline(run, pipeline, cells, truth, tmp_path):
    loaded, probability = truth
    fixed = FixedThresholdClassifier(FrozenEstimator(pipeline), threshold=0.2)
    joblib.dump(fixed.fit(loaded.images, loaded.target), tmp_path / "a.joblib")
    result = run("evaluate", tmp_path / "a.joblib", cells, "--trust", "--json")
    found = json.loads(result.stdout)
    assert found["threshold"] == 0.2
    confusion = found["confusion"]
    assert confusion["found"] + confusion["false_alarms"] == (probability >= 0.2).sum()


def test_damaged_files_are_left_out(run, model, cells, tmp_path):
    shutil.copytree(cells, tmp_path / "cells")
    broken = tmp_path / "cells" / "Uninfected" / "C1P1_cell_99.png"
    broken.write_bytes(b"cut off")
    result = run("evaluate", model, tmp_path / "cells", "--json", code=3)
    found = json.loads(result.stdout)
    assert found["cells"] == 60
    assert list(found["unreadable"]) == [str(broken)]
    assert "Warning: Skipped: 1 image(s) cannot be read" in result.stderr


class Constant:
    """A classifier that says nothing of files, classes or thresholds."""

    classes_ = np.array([0, 1])

    def predict_proba(self, X):
        return np.tile([0.5, 0.5], (len(X), 1))


class Stages(Constant):
    classes_ = np.array(["ring", "schizont"])


@pytest.mark.parametrize(
    ("classifier", "options", "message"),
    [
        (Constant(), [], "has no threshold: set it by --threshold."),
        (Constant(), ["--threshold", "0.5"], "does not begin with ImageLoader"),
        (Stages(), [], "expected 0 and 1, uninfected and parasitized."),
    ],
)
def test_models_that_cannot_be_judged(
    run, cells, tmp_path, classifier, options, message
):
    file = tmp_path / "a.joblib"
    joblib.dump(classifier, file)
    result = run("evaluate", file, cells, "--trust", *options, code=2)
    assert message in result.stderr
