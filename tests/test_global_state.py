"""Import and use leave alone what other code of the process may rely on."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from global_state import changes, global_state
from support import dark_spots, fast, linear_network

from malariafuse import KerasImageClassifier

USE = """
import sys
sys.path.insert(0, sys.argv[1])
folder = sys.argv[2]

# What these libraries change as they are imported is theirs.
import joblib, pooch, requests, tqdm, scipy, sklearn.ensemble, sklearn.pipeline
import matplotlib.figure
from global_state import changes, global_state
# As below scikit-learn, joblib decides here how processes are started.
joblib.Parallel()

before = global_state()

from pathlib import Path
import malariafuse
for name in malariafuse.__all__:
    try:
        getattr(malariafuse, name)
    except ImportError as error:  # networks, which the other test trains
        assert error.name == "keras"
print(changes(before, global_state()))

from malariafuse import HSVConverter, SpotFeatureExtractor
from malariafuse.datasets import make_cell_images, make_smear_photos, load_cell_images
from malariafuse.deploy import write_evaluation_report
from malariafuse.smears import load_smear_photos
cells = make_cell_images(20, 2, random_state=0)
HSVConverter().fit_transform(cells.images)
SpotFeatureExtractor().fit_transform(cells.images)
load_smear_photos(
    list(make_smear_photos(1, 12, photo_size=(200, 260), random_state=0).photos),
    memory=Path(folder, "memory"),
    verbose=True,
)
write_evaluation_report(
    Path(folder, "report.html"),
    cells.target, 0.2 + 0.5 * cells.target, cells.groups, images=cells.images,
)
print(changes(before, global_state()))
"""


def test_import_and_use_without_networks(tmp_path):
    blocked = "import sys; sys.modules['keras'] = sys.modules['tensorflow'] = None\n"
    done = subprocess.run(
        [
            *(sys.executable, "-W", "ignore", "-c", blocked + USE),
            *(str(Path(__file__).parent), str(tmp_path)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["{}", "{}"]


def test_a_progress_bar_decides_nothing_about_processes_and_threads():
    program = """
import multiprocessing, threading
from malariafuse._progress import Progress
for hidden in (True, False):
    with Progress(total=2, disable=hidden) as bar:
        bar.update()
print(multiprocessing.get_start_method(allow_none=True), threading.active_count())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "None 1\n"


def test_a_training_and_predictions(tmp_path):
    images, target, groups = dark_spots()
    before, of_keras = global_state(), vars(keras.config).copy()
    policy, floats = keras.config.dtype_policy(), keras.config.floatx()

    classifier = KerasImageClassifier(
        linear_network, memory=tmp_path / "memory", verbose=0, **fast(epochs=1)
    ).fit(images, target, groups=groups)
    classifier.predict(images)

    assert changes(before, global_state()) == {}
    assert vars(keras.config) == of_keras
    assert keras.config.dtype_policy() is policy
    assert keras.config.floatx() == floats


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("environment", lambda patch: patch.setenv("MALARIAFUSE_STATE", "1")),
        ("random", lambda patch: patch.setattr("random.randint", lambda a, b: a)),
        (
            "modules that cannot be imported",
            lambda patch: patch.setitem(sys.modules, "absent", None),
        ),
        (
            "logging",
            lambda patch: patch.setattr(logging.getLogger("absl"), "propagate", False),
        ),
        ("working directory", lambda patch: patch.chdir(os.path.dirname(__file__))),
    ],
)
def test_a_change_is_seen(monkeypatch, name, change):
    before = global_state()
    with monkeypatch.context() as patch:
        change(patch)
        assert list(changes(before, global_state())) == [name]
    assert changes(before, global_state()) == {}


def test_numpy_randomness_is_seen():
    before, state = global_state(), np.random.get_state()  # noqa: NPY002
    np.random.random()  # noqa: NPY002
    assert list(changes(before, global_state())) == ["numpy.random"]
    np.random.set_state(state)  # noqa: NPY002
