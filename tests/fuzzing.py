"""Every public function and class, called with one argument that is wrong.

Calls are found in the packages themselves: a new name is fuzzed as soon as it is
public, with valid values for its other arguments out of `VALID`.
"""

import importlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
import pandas as pd
from drawn_results import read_drawn, smear
from drawn_smears import draw_photo, on_grid
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from support import fast, linear_network

import malariafuse
from malariafuse.classifiers import BaseImageClassifier, KerasImageClassifier
from malariafuse.datasets import make_cell_images
from malariafuse.evaluation import comparison_table, label_issues
from malariafuse.smears import CellSegmenter

CELLS = make_cell_images(24, 6, image_size=(16, 16), random_state=0)
X, Y, PATIENTS = CELLS.images, CELLS.target, CELLS.groups
PROB = np.where(Y == 1, 0.7, 0.2) + 0.01 * (np.arange(24) % 12)


def channel_means(images):
    return np.asarray(images).mean(axis=(1, 2)) / 255


def tiny_backbone(input_shape):
    inputs = keras.Input(input_shape)
    return keras.Model(inputs, keras.layers.Conv2D(2, 1, name="conv")(inputs))


def scored():
    means = FunctionTransformer(channel_means)
    return make_pipeline(means, LogisticRegression()).fit(X, Y)


def folds():
    return (PATIENTS + 1) // 2


def images_and_means():
    means = FunctionTransformer(channel_means)
    return [("images", "passthrough"), ("means", means)]


# What every argument is, by its name, unless something else is tried for it.
VALID: dict[str, Any] = {
    "X": X,
    "y": Y,
    "groups": PATIENTS,
    "groups_train": [1, 2],
    "groups_test": [3],
    "y_true": Y,
    "y_prob": PROB,
    "y_score": PROB,
    "y_pred": Y,
    "probabilities": {"a": PROB, "b": 1 - PROB},
    "n_resamples": 100,
    "random_state": 0,
    "weights": None,
    # Networks
    "epochs": 1,
    "batch_size": 24,
    "augmentation": None,
    "optimizer": "sgd",
    "compute_dtype": "float32",
    "filters": 2,
    "input_shape": (32, 32, 3),
    "input_shapes": {"images": (32, 32, 3)},
    # Data
    "n_samples": 8,
    "n_patients": 2,
    "image_size": (16, 16),
    "filenames": ["C1_a.png"],
    "photo_size": (64, 96),
    "n_photos": 1,
    "n_cells": 2,
    "diameter": 20,
    "true": [0.01, 0.1],
    "estimated": [0.02, 0.1],
    "low": [0.01, 0.05],
    "high": [0.03, 0.2],
    "fraction": 0.02,
    "images": X,
}


@dataclass(frozen=True)
class Call:
    """A public function, class or method, and what it takes."""

    name: str
    function: Callable[..., Any]
    parameters: tuple[str, ...]

    def __call__(self, **wrong: Any) -> Any:
        return self.function(**valid(self.name, self.parameters) | wrong)


def valid(name: str, parameters: tuple[str, ...]) -> dict[str, Any]:
    known = VALID | {key: make() for key, make in OVERRIDES.get(name, {}).items()}
    return {key: known[key] for key in parameters if key in known}


def parameters_of(function: Callable[..., Any]) -> tuple[str, ...]:
    kinds = inspect.Parameter
    return tuple(
        p.name
        for p in inspect.signature(function).parameters.values()
        if p.kind not in (kinds.VAR_KEYWORD, kinds.VAR_POSITIONAL) and p.name != "self"
    )


def calls() -> Iterator[Call]:
    """Yield whatever is public and takes arguments."""
    for package in malariafuse._SUBPACKAGES:
        module = importlib.import_module(f"malariafuse.{package}")
        for name in sorted(set(module.__all__) - LEFT_OUT):
            public = getattr(module, name)
            if not isinstance(public, type):
                yield Call(name, public, parameters_of(public))
            elif issubclass(public, Exception) or inspect.isabstract(public):
                continue
            elif name.endswith("Display"):
                for maker in (m for m in dir(public) if m.startswith("from_")):
                    method = getattr(public, maker)
                    yield Call(f"{name}.{maker}", method, parameters_of(method))
            else:
                yield Call(name, partial(make_and_use, name, public), own(public))
                for method in METHODS:
                    if hasattr(public, method) and not is_inherited(public):
                        yield Call(
                            f"{name}.{method}",
                            partial(use, name, public, method),
                            parameters_of(getattr(public, method)),
                        )


def own(kind: type) -> tuple[str, ...]:
    """Return the parameters of a class that no other class has been fuzzed with."""
    names = parameters_of(kind)
    if is_inherited(kind):
        shared = parameters_of(BaseImageClassifier)
        return tuple(name for name in names if name not in shared)
    return names


def is_inherited(kind: type) -> bool:
    """Return whether the methods are those of another class that is fuzzed."""
    return issubclass(kind, BaseImageClassifier) and kind is not KerasImageClassifier


def make(name: str, kind: type, **parameters: Any) -> Any:
    return kind(**valid(name, parameters_of(kind)) | parameters)


def make_and_use(name: str, kind: type, **parameters: Any) -> Any:
    made = make(name, kind, **parameters)
    if isinstance(made, BaseEstimator):
        arguments = valid(f"{name}.fit", parameters_of(made.fit))
        made.fit(**arguments)
        if hasattr(made, "transform"):
            made.transform(arguments["X"][:2])
    elif isinstance(made, keras.layers.Layer):
        made(X[:2] / np.float32(255), training=True)
    return made


@cache
def _fitted(name: str, kind: type) -> Any:
    return make_and_use(name, kind)


def use(name: str, kind: type, method: str, **arguments: Any) -> Any:
    made = make(name, kind) if method == "fit" else _fitted(name, kind)
    result = getattr(made, method)(**arguments)
    return list(result) if inspect.isgenerator(result) else result


METHODS = (
    "fit",
    "partial_fit",
    "predict_proba",
    "score_samples",
    "split",
    "test",
    "transform",
)
LEFT_OUT = {
    # Fuzzed with files, in the tests of the datasets and of deploy.
    "fetch_malaria_cells",
    "load_cell_images",
    "predict_files",
    "ImageLoader",
    # Tried with wrong folders in the tests of their package.
    "image_paths",
    "load_patient_test",
    "load_pretrained",
    "load_slide_adapter",
    "load_smear_reader",
    "model_card",
    "PatientResult",
    "save_pretrained",
    "SmearReader",
    "OnnxClassifier",
    "export_onnx",
    "train_pretrained",
    "write_evaluation_report",
    "write_predictions",
    "write_report",
}


def tiny_convnet(input_shape, n_outputs):
    inputs = keras.Input(input_shape)
    x = keras.layers.Conv2D(2, 3)(inputs)
    x = keras.layers.GlobalAveragePooling2D()(x)
    outputs = keras.layers.Dense(n_outputs, activation="sigmoid")(x)
    return keras.Model(inputs, outputs)


@cache
def fitted():
    settings = fast(epochs=1, augmentation=("flip",))
    return KerasImageClassifier(tiny_convnet, **settings).fit(X, Y)


def photo():
    return draw_photo(on_grid(2, 2, step=60), radius=20, shape=(120, 120))


def boxes():
    return [[0, 0, 10, 10], [5, 5, 10, 10]]


def by_threshold():
    return comparison_table(Y, {"a": PROB}, PATIENTS, n_resamples=100, random_state=0)


@cache
def drawn_result():
    return read_drawn(smear(2))


# The same for one call alone; made anew for each.
OVERRIDES: dict[str, dict[str, Callable[[], Any]]] = {
    "AugmentationDisplay.from_estimator": {"estimator": fitted, "X": lambda: X[:2]},
    "CellSegmenter.fit": {"X": lambda: [photo()]},
    "CellSegmenter.transform": {"X": lambda: [photo()]},
    "ComparisonDisplay.from_table": {"table": by_threshold},
    "FeatureFusionClassifier": {"branches": images_and_means},
    "FineTunedClassifier": {"backbone": lambda: tiny_backbone},
    "GradCAMDisplay.from_estimator": {
        "estimator": fitted,
        "X": lambda: X[:2],
        "y": lambda: Y[:2],
    },
    "ImageGridDisplay.from_label_issues": {
        "issues": lambda: label_issues(Y, 1 - PROB, PATIENTS)
    },
    "KerasImageClassifier": {"network": lambda: linear_network},
    "ParasitemiaDisplay.from_result": {"result": drawn_result},
    "PatientKFold": {"n_splits": lambda: 2, "random_state": lambda: None},
    "PatientRecallDisplay.from_estimator": {"estimator": scored},
    "PatientTest": {"cell_specificity": lambda: 0.9},
    "PretrainedFeatureExtractor": {"backbone": lambda: tiny_backbone},
    "SmearDisplay.from_result": {"result": drawn_result},
    "SlideAdapter": {"min_cells": lambda: 1},
    "ThresholdCurveDisplay.from_estimator": {"estimator": scored},
    "TrainingCurvesDisplay.from_estimator": {"estimator": fitted},
    "choose_threshold": {"min_recall": lambda: 0.9},
    "cross_validate_patients": {"estimator": scored, "cv": lambda: 2},
    "detection_scores": {
        "boxes_true": boxes,
        "boxes_pred": boxes,
        "photo_true": lambda: ["a", "b"],
        "photo_pred": lambda: ["b", "b"],
    },
    "find_duplicates": {"filenames": lambda: [f"{i}.png" for i in range(24)]},
    "find_field": {"photo": photo},
    "grad_cam": {"estimator": fitted, "X": lambda: X[:2]},
    "suspicious_cells": {"result": drawn_result, "n_cells": lambda: 2},
    "load_smear_photos": {"photos": lambda: [photo()], "n_jobs": lambda: 1},
    "match_boxes": {"boxes_true": boxes, "boxes_pred": boxes},
    "photo_quality": {"photo": photo},
    "read_photo": {"file": lambda: cv2.imencode(".png", photo())[1].tobytes()},
    "tabulate_cells": {
        "photo": photo,
        "labels": lambda: CellSegmenter().segment(photo()),
    },
    "thresholds_out_of_fold": {"min_recall": lambda: 0.9, "fold": folds},
}


RAGGED: Any = [[1, 2], [3]]
NASTY: list[Any] = [
    None,
    True,
    np.True_,
    0,
    -1,
    3,
    10**9,
    10**30,
    np.int64(3),
    0.5,
    1.1,
    -0.5,
    float("nan"),
    float("inf"),
    1e300,
    1 + 2j,
    "",
    "x",
    "C1",
    b"C1",
    Path("nowhere"),
    (),
    [],
    {},
    set(),
    {1},
    {"a": 1},
    [1],
    [None],
    ["a", "b"],
    [1, "a"],
    RAGGED,
    [[1, 2], [3, 4]],
    ("a", 1),
    (16, 16),
    (0, 16),
    (16.5, 16),
    object(),
    object,
    len,
    lambda: None,
    iter([1, 2]),
    np.zeros(0),
    np.zeros(24),
    np.ones(24),
    np.full(24, np.nan),
    np.full(24, "a"),
    np.full(24, None),
    np.arange(24),
    np.arange(24).reshape(12, 2),
    np.zeros((24, 2)),
    np.linspace(0, 1, 24) * 1j,
    np.ma.masked_less(np.linspace(0, 1, 24), 0.5),
    np.array(["C1", 2] * 12, dtype=object),
    np.array([RAGGED] * 24, dtype=object),
    np.zeros((24, 16, 16, 3), dtype=np.uint8),
    np.full((24, 16, 16, 3), 200.0),
    np.full((24, 16, 16, 3), np.nan),
    np.full((24, 3, 16, 16), 200, dtype=np.uint8),
    np.full((3, 16, 16, 3), 200, dtype=np.uint8),
    np.full((24, 16, 16, 1), 200, dtype=np.uint8),
    np.datetime64("2026-01-01"),
    pd.Series([1, None] * 12),
    pd.Series(["a"] * 24, index=range(5, 29)),
    pd.DataFrame({"a": range(24)}),
    pd.DataFrame({"a": range(24), "b": list("xy") * 12}),
    pd.NA,
    pd.Categorical(["a", "b"] * 12),
    LogisticRegression,
    LogisticRegression(),
]


def anything() -> st.SearchStrategy[Any]:
    """Return what people pass by mistake, from numbers to images."""
    return st.one_of(
        st.sampled_from(NASTY),
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=3),
        st.binary(max_size=3),
        st.lists(st.one_of(st.integers(-2, 2), st.text(max_size=1)), max_size=4),
        st.tuples(st.integers(-1, 20), st.integers(-1, 20)),
        st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
        hnp.arrays(
            st.sampled_from([np.dtype(np.uint8), np.dtype(np.int64), np.dtype(bool)]),
            st.one_of(hnp.array_shapes(max_dims=4, max_side=4), st.just((24,))),
        ),
    )
