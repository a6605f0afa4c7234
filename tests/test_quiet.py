"""TensorFlow's log messages about the machine are hidden, and nothing else is."""

import os
import subprocess
import sys

import pytest

from malariafuse._quiet import _without_log, quiet_tensorflow

LEVEL = "TF_CPP_MIN_LOG_LEVEL"
LOGGED = [
    "WARNING: All log messages before absl::InitializeLog() is called are written",
    "I0000 00:00:1795920.0 3 cudart_stub.cc:31] Could not find cuda drivers",
    "E0000 00:00:1795920.0 3 cuda_platform.cc:52] failed call to cuInit: INTERNAL",
    "2026-01-02 03:04:05.678901: I tensorflow/core/util/port.cc:113] oneDNN",
    "To enable the following instructions: AVX2 FMA, in other operations, rebuild",
]
OTHERS = ["Illegal instruction", "UserWarning: E0000 is no number", "2026-01-02: done"]
USE = """
from malariafuse import ConvNetClassifier
from malariafuse.datasets import make_cell_images

cells = make_cell_images(20, 2, image_size=(16, 16), random_state=0)
classifier = ConvNetClassifier(filters=2, epochs=1, random_state=0)
print(classifier.fit(cells.images, cells.target).predict(cells.images).shape)
"""


def test_only_lines_of_the_log_are_hidden(capfd):
    with _without_log():
        for line in (*LOGGED, *OTHERS):
            os.write(2, f"{line}\n".encode())
        assert capfd.readouterr().err == ""
    assert capfd.readouterr().err.splitlines() == OTHERS


def test_output_is_shown_after_an_error(capfd):
    def fail():
        with _without_log():
            os.write(2, b"why it failed\n")
            raise ImportError

    with pytest.raises(ImportError):
        fail()
    os.write(2, b"later\n")
    assert capfd.readouterr().err == "why it failed\nlater\n"


def test_the_environment_is_as_before(monkeypatch):
    monkeypatch.delenv(LEVEL)
    with quiet_tensorflow():
        assert os.environ[LEVEL] == "3"
    assert LEVEL not in os.environ


def test_a_level_of_the_user_stays(monkeypatch):
    monkeypatch.setenv(LEVEL, "0")
    with quiet_tensorflow():
        assert os.environ[LEVEL] == "0"
    assert os.environ[LEVEL] == "0"


@pytest.mark.slow
def test_a_first_training_writes_no_log():
    environment = {name: value for name, value in os.environ.items() if name != LEVEL}
    # Advice of this package for some CPUs is another matter.
    environment["TF_ENABLE_ONEDNN_OPTS"] = "0"
    done = subprocess.run(
        [sys.executable, "-c", USE],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
    )
    assert (done.stdout, done.stderr) == ("(20,)\n", "")
