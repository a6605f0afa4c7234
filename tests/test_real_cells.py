"""The main job on real cells: file names in, a tuned and stored classifier out."""

import subprocess
import sys
import zipfile

import joblib
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupShuffleSplit,
    StratifiedGroupKFold,
)
from sklearn.pipeline import Pipeline

from malariafuse import ConvNetClassifier, FeatureFusionClassifier, ImageLoader
from malariafuse.datasets import load_cell_images, patient_ids
from malariafuse.metrics import make_constrained_recall_scorer

pytestmark = pytest.mark.real_data

PREDICT_ONE_FILE = """
import sys, joblib
pipeline = joblib.load(sys.argv[1])
print(repr(float(pipeline.predict_proba([sys.argv[2]])[0, 1])))
"""


@pytest.fixture(scope="module")
def cell_files(real_cells_zip, tmp_path_factory):
    """Paths and labels of 600 cells of some twenty patients."""
    folder = tmp_path_factory.mktemp("cells")
    with zipfile.ZipFile(real_cells_zip) as archive:
        names = [name for name in archive.namelist() if name.endswith(".png")]
        patients = patient_ids(names)
        kept = np.flatnonzero(np.isin(patients, np.unique(patients)[::5]))
        kept = np.random.default_rng(0).permutation(kept)[:600]
        paths = [archive.extract(names[index], folder) for index in kept]
    return np.array(paths), np.array(["Parasitized" in path for path in paths]) * 1


def test_thresholds_are_searched_without_training_again(cell_files, tmp_path):
    paths, target = cell_files
    pipeline = Pipeline(
        [
            ("loader", ImageLoader((24, 24))),
            (
                "classifier",
                ConvNetClassifier(
                    epochs=12,
                    dense_units=(32,),
                    dropout=0.0,
                    augmentation=("flip",),
                    memory=tmp_path,
                    random_state=0,
                ),
            ),
        ]
    )
    thresholds = np.linspace(0.1, 0.9, 5)
    search = GridSearchCV(
        pipeline,
        {"classifier__threshold": thresholds, "classifier__filters": [4, 8]},
        scoring=make_constrained_recall_scorer(0.6),
        cv=StratifiedGroupKFold(2, shuffle=True, random_state=0),
        error_score="raise",
    ).fit(paths, target, groups=patient_ids(paths))
    assert len(list(tmp_path.rglob("output.pkl"))) == 2 * 2 + 1
    assert search.best_params_["classifier__threshold"] in thresholds
    assert len(set(search.cv_results_["mean_test_score"])) > 2

    stored = tmp_path / "pipeline.joblib"
    joblib.dump(search.best_estimator_, stored)
    one = subprocess.run(
        [sys.executable, "-c", PREDICT_ONE_FILE, stored, paths[0]],
        check=True,
        capture_output=True,
        text=True,
    )
    expected = search.predict_proba(paths[:1])[0, 1]
    assert float(one.stdout) == float(expected)


def test_a_short_training_ranks_cells_of_other_patients(real_cells_zip):
    cells = load_cell_images(real_cells_zip, image_size=(32, 32), cache=False)
    split = GroupShuffleSplit(1, train_size=0.1, test_size=0.1, random_state=0)
    train, test = next(split.split(cells.images, groups=cells.groups))
    # On so few cells and epochs the image alone is learned with some seeds only.
    classifier = FeatureFusionClassifier(epochs=2, random_state=0)
    classifier.fit(cells.images[train], cells.target[train])
    probabilities = classifier.predict_proba(cells.images[test])[:, 1]
    assert roc_auc_score(cells.target[test], probabilities) > 0.95
