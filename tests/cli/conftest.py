"""A small model that needs no network, and drawn cells and photographs as files."""

import warnings

import numpy as np
import pytest
from click.testing import CliRunner
from drawn_files import write_cells, write_photos
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from malariafuse import ImageLoader, SpotFeatureExtractor
from malariafuse.cli._main import commands
from malariafuse.datasets import make_cell_images
from malariafuse.evaluation import PatientTest
from malariafuse.pretrained import save_pretrained


def small_pipeline():
    """Gradient boosting on drawn cells, whose threshold is 0.4."""
    cells = make_cell_images(200, 10, random_state=5)
    spots = SpotFeatureExtractor().fit(cells.images)
    trees = HistGradientBoostingClassifier(max_iter=10, random_state=0)
    with threadpool_limits(1):
        trees.fit(spots.transform(cells.images), cells.target)
    fixed = FixedThresholdClassifier(FrozenEstimator(trees), threshold=0.4)
    return Pipeline(
        [
            ("load", ImageLoader(image_size=(48, 48))),
            ("spots", spots),
            ("classify", fixed.fit(np.zeros((2, 1)), [0, 1])),
        ]
    )


@pytest.fixture(scope="session")
def pipeline():
    return small_pipeline()


@pytest.fixture(scope="session")
def model(pipeline, tmp_path_factory):
    random = np.random.default_rng(0)
    y = np.arange(1200) % 40 < 8
    y_prob = np.where(y, random.uniform(0.7, 1, 1200), random.uniform(0, 0.3, 1200))
    test = PatientTest(cell_specificity=0.99).fit(y, y_prob, np.arange(1200) // 40)
    card = {
        "name": "small",
        "task": "To be tried.",
        "limits": ["Drawn cells.", "One laboratory."],
        "out_of_fold": {"measures": {"recall": [0.9, 0.8, 0.95]}},
    }
    folder = tmp_path_factory.mktemp("models") / "small"
    return save_pretrained(folder, pipeline, patient_test=test, card=card)


@pytest.fixture(scope="session")
def cells(tmp_path_factory):
    """A folder with 60 cells of 6 patients, in a folder for each class."""
    return write_cells(tmp_path_factory.mktemp("cells"), 60, 6)


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """A folder for each of two patients, and one without photographs."""
    folder = tmp_path_factory.mktemp("photos")
    write_photos(folder / "Ada", 2)
    write_photos(folder / "Bob", 1, random_state=1)
    (folder / "Eve").mkdir()
    return folder


@pytest.fixture
def run():
    """Run a command as a user does, in this process."""

    def run(*arguments, code=0):
        with warnings.catch_warnings():
            result = CliRunner().invoke(commands, list(map(str, arguments)))
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        return result

    return run
