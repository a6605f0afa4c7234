"""Searches leave no process behind, and fits leave nothing that adds up."""

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
from support import dark_spots, fast, linear_network

from malariafuse import KerasImageClassifier

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/fd").is_dir(), reason="needs the /proc of Linux"
)

SEARCH = """
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from malariafuse import GaussianSmoother

class Flat(GaussianSmoother):
    def transform(self, X):
        return super().transform(X).reshape(len(X), -1) / 255

X = np.random.default_rng(0).integers(0, 256, (20, 4, 4, 3), dtype=np.uint8)
pipeline = make_pipeline(Flat(), LogisticRegression())
grid = {"logisticregression__C": [0.1, 1]}
GridSearchCV(pipeline, grid, cv=2, n_jobs=2).fit(X, np.arange(20) % 2)
"""


def in_session(session):
    """Return the processes of a session that are alive."""
    alive = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = file.read_text().rpartition(")")[2].split()
        except OSError:  # ended meanwhile
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            alive.append(int(file.parent.name))
    return alive


@needs_proc
def test_a_search_in_several_processes_leaves_none_behind(tmp_path):
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    search = subprocess.Popen(
        [sys.executable, "-c", SEARCH], env=environment, start_new_session=True
    )
    seen = set()
    while search.poll() is None:
        seen.update(in_session(search.pid))
        time.sleep(0.05)
    assert search.returncode == 0
    assert len(seen) >= 3  # the program and its two workers
    deadline = time.monotonic() + 10
    while in_session(search.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert in_session(search.pid) == []
    assert list(tmp_path.iterdir()) == []


def held():
    return {
        "threads": threading.active_count(),
        "native threads": len(os.listdir("/proc/self/task")),
        "file descriptors": len(os.listdir("/proc/self/fd")),
        "temporary files": sorted(os.listdir(tempfile.gettempdir())),
    }


@needs_proc
def test_fits_leave_no_thread_file_or_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    images, target, _ = dark_spots(16, 8)
    classifier = KerasImageClassifier(
        linear_network, memory=tmp_path / "memory", **fast(epochs=1)
    )
    for seed in range(5):
        classifier.set_params(random_state=seed).fit(images, target).predict(images)
        if seed == 2:
            before = held()
    assert held() == before
