import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import settings

# Set before TensorFlow is imported: its start-up messages are not about these tests.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Figures are drawn in memory only, those of docstring examples as well.
os.environ["MPLBACKEND"] = "Agg"
# Processes of pytest-xdist share the cores.
if "PYTEST_XDIST_WORKER" in os.environ:
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(name, "1")
# The same examples each time, however busy the machine is.
settings.register_profile("malariafuse", deadline=None, derandomize=True, database=None)
settings.load_profile("malariafuse")
_KERNELS = os.environ.get("TF_ENABLE_ONEDNN_OPTS")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require-real-data",
        action="store_true",
        help="fail, rather than skip, the tests that need MALARIAFUSE_TEST_DATA",
    )


def pytest_collection_finish() -> None:
    # TensorFlow is imported by now. Processes that the tests start would read another
    # value, and compute with other kernels than this one.
    if os.environ.get("TF_ENABLE_ONEDNN_OPTS") != _KERNELS:
        raise pytest.UsageError("importing the tests changed TF_ENABLE_ONEDNN_OPTS")


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let fits build, compile and keep their network, but skip the steps of training.

    They take most of the time, and do not matter to what is kept of a fit, and when.
    """
    import keras

    history = SimpleNamespace(history={"loss": [0.5], "accuracy": [0.5]})
    monkeypatch.setattr(keras.Model, "fit", lambda *args, **settings: history)


@pytest.fixture(scope="session")
def real_cells_zip(request: pytest.FixtureRequest) -> Path:
    """The official cell_images.zip, or a zip with a part of its files."""
    path = os.environ.get("MALARIAFUSE_TEST_DATA")
    if path and Path(path).is_file():
        return Path(path)
    reason = f"MALARIAFUSE_TEST_DATA={path!r} names no file"
    if request.config.getoption("--require-real-data"):
        pytest.fail(reason)
    pytest.skip(reason)
