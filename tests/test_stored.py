"""Files of newer libraries are refused with the versions that wrote them."""

import importlib
import pickle
import re
from inspect import isabstract, isclass

import joblib
import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import malariafuse
from malariafuse import GaussianSmoother, HSVConverter
from malariafuse._base import Estimator

ESTIMATORS = sorted(
    {
        kind
        for name in malariafuse._SUBPACKAGES
        for kind in vars(importlib.import_module(f"malariafuse.{name}")).values()
        if isclass(kind) and issubclass(kind, BaseEstimator) and not isabstract(kind)
    },
    key=lambda kind: kind.__name__,
)
IMAGES = np.full((2, 8, 8, 3), 200, dtype=np.uint8)
REFUSED = (
    r"was stored with malariafuse .*, numpy 99\.1\.0, scikit-learn .*, but NumPy "
    r"\d+\.\S+ cannot read files of NumPy 99\.1\.0: expected NumPy 99 or newer"
)


def with_arrays():
    fitted = GaussianSmoother().fit(IMAGES)
    fitted.levels_ = np.arange(3.0)
    return fitted


def of_a_newer_numpy(content: bytes) -> bytes:
    """Rename, as NumPy 2 did, the module whose functions make arrays in a pickle."""
    renamed, n_renamed = re.subn(rb"numpy\.(_?)core", rb"numpy.\1cora", content)
    assert n_renamed
    return renamed


@pytest.mark.parametrize("kind", ESTIMATORS, ids=lambda kind: kind.__name__)
def test_every_estimator_stores_the_versions(kind):
    assert issubclass(kind, Estimator)


@pytest.mark.parametrize("in_pipeline", [False, True])
def test_a_newer_numpy_is_named_before_its_arrays_are_made(monkeypatch, in_pipeline):
    estimator = with_arrays()
    if in_pipeline:
        # The first step has the versions, and the arrays of all others come after it.
        scaler = StandardScaler().fit(np.eye(3))
        estimator = make_pipeline(HSVConverter(), estimator, scaler)
    with monkeypatch.context() as newer:
        newer.setattr(np, "__version__", "99.1.0")
        content = of_a_newer_numpy(pickle.dumps(estimator))
    with pytest.raises(ValueError, match=REFUSED):
        pickle.loads(content)


def test_joblib_names_it_too(tmp_path, monkeypatch):
    file = tmp_path / "detector.joblib"
    with monkeypatch.context() as newer:
        newer.setattr(np, "__version__", "99.1.0")
        joblib.dump(with_arrays(), file)
    with pytest.raises(ValueError, match=REFUSED):
        joblib.load(file)


def test_what_begins_with_a_step_of_scikit_learn_cannot_name_it(monkeypatch):
    scaler = StandardScaler().fit(np.eye(3))
    with monkeypatch.context() as newer:
        newer.setattr(np, "__version__", "99.1.0")
        content = pickle.dumps(make_pipeline(scaler, GaussianSmoother()))
    with pytest.raises(ModuleNotFoundError, match="numpy"):
        pickle.loads(of_a_newer_numpy(content))


@pytest.mark.parametrize("version", ["0.9", "1.26.4", np.__version__])
def test_what_an_older_numpy_wrote_is_read(monkeypatch, version):
    with monkeypatch.context() as older:
        older.setattr(np, "__version__", version)
        content = pickle.dumps(GaussianSmoother(kernel_size=3))
    assert pickle.loads(content).kernel_size == 3
