"""A network of this package inside scikeras, which is not needed otherwise."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[1] / "examples" / "plot_scikeras.py"

CHECKS = """
import runpy
import sys

import numpy as np
from tensorflow.python.framework import config

names = runpy.run_path(sys.argv[1])
search, images = names["search"], names["images"]

assert search.best_params_["filters"] in (2, 4)
assert np.isfinite(search.cv_results_["mean_test_score"]).all()
probabilities = search.predict_proba(images)
assert probabilities.shape == (len(images), 2)
np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
assert set(search.predict(images)) <= {0, 1}
# It is left on for good by a random_state, which the example therefore does without.
assert not config.is_op_determinism_enabled()
"""


def test_example() -> None:
    if find_spec("scikeras") is None:
        pytest.skip("scikeras is not installed")
    # In a process of its own: importing scikeras changes how Keras models are pickled.
    finished = subprocess.run(
        [sys.executable, "-c", CHECKS, EXAMPLE],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert "AUC" in finished.stdout
