"""Damage to what is stored is seen; what is whole loads."""

import io
import pickle
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.preprocessing import StandardScaler
from support import dark_spots, fast, linear_network

from malariafuse import KerasImageClassifier
from malariafuse._digest import StoredWithDigest, with_digests, without_digests

X, Y, PATIENTS = dark_spots()

STATE = {
    "number": 0.1,
    "count": 3,
    "name": "Parasitized",
    "bytes": b"\x00\x01",
    "nothing": None,
    "labels": np.array(["Parasitized", "Uninfected"], dtype=object),
    "weights": np.arange(6, dtype=np.float32).reshape(2, 3),
    "nested": {"list": [1, 2.5, (True, "x")]},
    "scaler": StandardScaler().fit([[1.0], [3.0]]),
}


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("number", np.nextafter(0.1, 1).item()),
        ("count", 2),
        ("name", "parasitized"),
        ("bytes", b"\x00\x03"),
        ("nothing", False),
        ("labels", np.array(["Parasitized", "Uninfectee"], dtype=object)),
        ("weights", np.array([[0, 1, 2], [3, 4, 4]], dtype=np.float32)),
        ("weights", np.arange(6, dtype=np.float32).reshape(3, 2)),
        ("weights", np.arange(6, dtype=np.int32).reshape(2, 3)),
        ("nested", {"list": [1, 2.5, (True, "y")]}),
        ("scaler", StandardScaler().fit([[1.0], [3.5]])),
    ],
)
def test_every_change_is_seen(name, changed):
    stored = with_digests(STATE)
    assert without_digests(stored, "classifier").keys() == STATE.keys()
    with pytest.raises(ValueError, match="This classifier is damaged"):
        without_digests({**stored, name: changed}, "classifier")


@pytest.mark.parametrize("kind", ["pickle", "joblib", "memory-mapped"])
def test_what_is_whole_loads(kind, tmp_path):
    stored = with_digests(STATE)
    if kind == "pickle":
        loaded = pickle.loads(pickle.dumps(stored))
    else:
        joblib.dump(stored, tmp_path / "x.joblib")
        mode = "r" if kind == "memory-mapped" else None
        loaded = joblib.load(tmp_path / "x.joblib", mmap_mode=mode)
        assert isinstance(loaded["weights"], np.memmap) == (mode == "r")
    without_digests(loaded, "classifier")


@dataclass
class Kept(StoredWithDigest):
    value: Any


def test_an_object_checks_itself():
    assert pickle.loads(pickle.dumps(Kept(0.5))) == Kept(0.5)
    damaged = pickle.dumps(Kept(0.5)).replace(
        np.array(0.5, ">f8").tobytes(), np.array(0.25, ">f8").tobytes()
    )
    with pytest.raises(ValueError, match="This Kept is damaged"):
        pickle.loads(damaged)


class Trimmed(Kept):
    """Leaves out one attribute, and adds another before it is checked."""

    def __getstate__(self):
        state = super().__getstate__()
        state.pop("value")
        return state

    def __setstate__(self, state):
        super().__setstate__({**state, "later": 1})


def test_a_subclass_may_store_less_and_load_more():
    kept = Trimmed(0.5)
    kept.other = 3
    loaded = pickle.loads(pickle.dumps(kept))
    assert vars(loaded) == {"other": 3, "later": 1}


class Caching(BaseEstimator):
    def __setstate__(self, state):
        super().__setstate__({**state, "cache": {}})


class Looping(BaseEstimator):
    def __init__(self):
        self.me = self


@pytest.mark.parametrize(
    "value",
    [
        np.arange(3, dtype=">f4"),
        np.float32(0.5),
        np.array(["a", None], dtype=object),
        Path("somewhere"),
        Caching(),
        Looping(),
        [Kept(1.0), float, len],
        {1: "a", "b": (2, np.bool_(True))},
        float("nan"),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("store", ["pickle", "joblib", "deepcopy"])
def test_values_of_all_kinds_load(value, store, tmp_path):
    kept = Kept(value)
    if store == "pickle":
        pickle.loads(pickle.dumps(kept))
    elif store == "deepcopy":
        deepcopy(kept)
    else:
        joblib.dump(kept, tmp_path / "x.joblib")
        joblib.load(tmp_path / "x.joblib")


def test_a_class_may_move_to_another_module(monkeypatch):
    kept = Kept([StandardScaler().fit([[1.0], [3.0]]), Kept(1.0)])
    stored = kept.__getstate__()
    monkeypatch.setattr(StandardScaler, "__module__", "elsewhere")
    monkeypatch.setattr(Kept, "__module__", "__mp_main__")
    Kept(0).__setstate__(stored)


def test_no_flipped_bit_in_a_stored_classifier_goes_unseen():
    classifier = KerasImageClassifier(
        linear_network, threshold=0.3, **fast(epochs=1)
    ).fit(X, Y)
    stream = io.BytesIO()
    joblib.dump(classifier, stream)
    whole = stream.getvalue()
    digest = classifier.__getstate__()["sha256"]
    seen = 0
    for position in range(0, len(whole), len(whole) // 200):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 8
        if bytes(damaged[position : position + 2]) in (b"m8", b"M8"):
            continue  # NumPy crashes on a state of i8 for a dtype of times.
        try:
            loaded = joblib.load(io.BytesIO(bytes(damaged)))
        except Exception:
            seen += 1
            continue
        # Bits that mean nothing to a pickle.
        assert loaded.__getstate__()["sha256"] == digest
        assert loaded.__getstate__()["classes_"].tolist() == [0, 1]
    assert seen >= 190


def test_a_damaged_training_in_memory_is_done_again(tmp_path):
    def classifier():
        return KerasImageClassifier(
            linear_network, memory=tmp_path, **fast(epochs=1)
        ).fit(X, Y)

    expected = classifier().predict_proba(X)
    (file,) = tmp_path.rglob("output.pkl")
    content = bytearray(file.read_bytes())
    weights = classifier().model_.get_weights()[0].tobytes()
    place = bytes(content).index(weights)
    content[place + 3] ^= 64  # the exponent of the first weight
    file.write_bytes(content)
    with pytest.warns(UserWarning, match="cannot be read: its SHA-256 has changed"):
        again = classifier()
    np.testing.assert_array_equal(again.predict_proba(X), expected)
