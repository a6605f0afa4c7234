"""TensorFlow takes no more threads than are those of a worker."""

import pytest
from tensorflow.config import threading

from malariafuse._engine import _threads


@pytest.fixture
def given(monkeypatch):
    """What TensorFlow is told, without telling it."""
    given = {}
    for name in ("intra", "inter"):
        monkeypatch.delenv(f"TF_NUM_{name.upper()}OP_THREADS", raising=False)
        monkeypatch.setattr(
            threading,
            f"set_{name}_op_parallelism_threads",
            lambda n, name=name: given.update({name: n}),
        )
    return given


def test_a_worker_has_its_share(monkeypatch, given):
    monkeypatch.setattr(_threads, "worker_threads", lambda: 3)
    _threads.limit_tensorflow()
    assert given == {"intra": 3, "inter": 3}


def test_variables_of_the_user_hold(monkeypatch, given):
    monkeypatch.setattr(_threads, "worker_threads", lambda: 3)
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "1")
    _threads.limit_tensorflow()
    assert given == {"inter": 3}


def test_another_process_is_left_alone(given):
    _threads.limit_tensorflow()
    assert given == {}


def test_a_tensorflow_that_has_begun_is_left_alone(monkeypatch):
    def refuse(n):
        raise RuntimeError("Intra op parallelism cannot be modified after ...")

    monkeypatch.setattr(_threads, "worker_threads", lambda: 3)
    monkeypatch.setattr(threading, "set_intra_op_parallelism_threads", refuse)
    _threads.limit_tensorflow()
