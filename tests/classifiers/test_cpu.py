"""Advice to let TensorFlow use its faster kernels, on the CPUs where it does not."""

import subprocess
import sys

import pytest
import tensorflow as tf
from support import dark_spots, fast, linear_network

from malariafuse import KerasImageClassifier
from malariafuse._engine import _cpu

OLDER = frozenset({"fpu", "avx", "avx2", "fma"})
IS_ON = """
import os
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import tensorflow
from tensorflow.python.util import _pywrap_util_port
print(_pywrap_util_port.IsMklEnabled())
"""


@pytest.fixture
def older_cpu(monkeypatch):
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    monkeypatch.setattr(_cpu, "cpu_flags", lambda: OLDER)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda *_: [])
    _cpu.advise_onednn.cache_clear()
    yield
    _cpu.advise_onednn.cache_clear()


def fit():
    images, target, _ = dark_spots()
    KerasImageClassifier(linear_network, **fast(epochs=1)).fit(images, target)


def test_an_older_cpu_is_advised_once(older_cpu, caplog):
    fit(), fit()
    (record,) = caplog.records
    assert record.name == "malariafuse"
    assert "TF_ENABLE_ONEDNN_OPTS=1" in record.getMessage()


@pytest.mark.parametrize("chosen", ["0", "1"])
def test_who_has_chosen_is_not_advised(older_cpu, chosen, caplog, monkeypatch):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", chosen)
    fit()
    assert not caplog.records


@pytest.mark.parametrize("flags", [OLDER | {"avx512_vnni"}, frozenset()])
def test_a_newer_or_unknown_cpu_is_not_advised(older_cpu, flags, caplog, monkeypatch):
    monkeypatch.setattr(_cpu, "cpu_flags", lambda: flags)
    fit()
    assert not caplog.records


@pytest.mark.skipif("avx2" not in _cpu.cpu_flags(), reason="no x86 CPU under Linux")
@pytest.mark.slow
def test_tensorflow_decides_as_is_said_here(monkeypatch):
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    by_tensorflow = subprocess.run(
        [sys.executable, "-c", IS_ON],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert by_tensorflow.split()[-1] == str(not _cpu.onednn_is_left_off())
