import importlib
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import joblib
import keras
import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import Pipeline
from support import dark_spots, fast, logged_network, tiny_network, without_addresses

from malariafuse import (
    FeatureFusionClassifier,
    GaussianSmoother,
    KerasImageClassifier,
    PretrainedFeatureExtractor,
)
from malariafuse.metrics import make_constrained_recall_scorer

X, Y, PATIENTS = dark_spots()


@pytest.fixture
def log(tmp_path):
    return tmp_path / "trainings.txt"


def count(log: Path) -> int:
    return len(log.read_text().splitlines()) if log.exists() else 0


def logged(log, memory, **parameters):
    return KerasImageClassifier(
        logged_network,
        network_params={"log": str(log)},
        memory=memory,
        **fast(epochs=1, **parameters),
    )


# Other processes train nevertheless.
@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize("n_jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_search_over_thresholds_trains_once_per_network_and_fold(
    log, tmp_path, n_jobs
):
    pipeline = Pipeline(
        [
            ("smoother", GaussianSmoother()),
            ("classifier", logged(log, tmp_path / "memory")),
        ]
    )
    search = GridSearchCV(
        pipeline,
        {
            "classifier__threshold": [0.3, 0.5, 0.7],
            "classifier__network_params": [
                {"log": str(log), "width": width} for width in (2, 4)
            ],
        },
        scoring=make_constrained_recall_scorer(0.6),
        cv=StratifiedGroupKFold(3),
        n_jobs=n_jobs,
    ).fit(X, Y, groups=PATIENTS)
    assert len(search.cv_results_["params"]) == 3 * 2
    assert count(log) == 2 * 3 + 1


@pytest.mark.usefixtures("untrained")
def test_without_memory_every_fit_trains(log):
    for threshold in (0.4, 0.6):
        logged(log, None, threshold=threshold).fit(X, Y)
    assert count(log) == 2


def test_a_cached_training_gives_the_same_classifier(log, tmp_path):
    first = logged(log, tmp_path).fit(X, Y)
    second = logged(log, tmp_path, threshold=0.3).fit(X, Y)
    assert count(log) == 1
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    assert first.history_ == second.history_


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": 2},
        {"random_state": 1},
        {"class_weight": {0: 1, 1: 2}},
        {"augmentation": (keras.layers.RandomFlip("horizontal", name="flip"),)},
        {"optimizer": keras.optimizers.Adam(1e-3)},
        {"callbacks": (keras.callbacks.LambdaCallback(lambda epoch, logs: None),)},
    ],
    ids=lambda change: without_addresses(str(change)),
)
@pytest.mark.usefixtures("untrained")
def test_whatever_changes_the_training_trains_again(log, tmp_path, change):
    logged(log, tmp_path).fit(X, Y)
    changed = logged(log, tmp_path).set_params(**change)
    changed.fit(X, Y)
    assert count(log) == 2
    changed.fit(X, Y)
    assert count(log) == 2


@pytest.mark.usefixtures("untrained")
def test_other_data_train_again(log, tmp_path):
    classifier = logged(log, tmp_path)
    classifier.fit(X, Y).fit(X, 1 - Y).fit(X[:-2], Y[:-2])
    classifier.fit(X, Y, sample_weight=np.arange(len(Y)))
    assert count(log) == 4
    # Patients change a training only if they decide who validates it.
    classifier.fit(X, Y, groups=PATIENTS)
    assert count(log) == 4
    classifier.set_params(early_stopping=True, validation_fraction=0.3)
    with pytest.warns(UserWarning, match="holds out single cells"):
        classifier.fit(X, Y)
    classifier.fit(X, Y, groups=PATIENTS)
    assert count(log) == 6


def closure(log, width):
    def network(input_shape, n_outputs):
        return logged_network(input_shape, n_outputs, log=log, width=width)

    return network


class Owner:
    def __init__(self, log, width):
        self.log, self.width = log, width

    def network(self, input_shape, n_outputs):
        return logged_network(input_shape, n_outputs, log=self.log, width=self.width)


@pytest.mark.parametrize(
    "make",
    [
        closure,
        lambda log, width: partial(logged_network, log=log, width=width),
        lambda log, width: Owner(log, width).network,
    ],
    ids=["closure", "partial", "method"],
)
@pytest.mark.usefixtures("untrained")
def test_functions_are_told_apart_by_what_they_hold(log, tmp_path, make):
    for width in (2, 4, 2):
        network = make(str(log), width)
        KerasImageClassifier(network, memory=tmp_path, **fast(epochs=1)).fit(X, Y)
    assert count(log) == 2


@pytest.mark.usefixtures("untrained")
def test_functions_are_told_apart_by_their_code(log, tmp_path):
    for width in (2, 4, 2):
        names = {"logged_network": logged_network, "__name__": "mine"}
        exec(
            "def network(shape, n):\n"
            f"    return logged_network(shape, n, log={str(log)!r}, width={width})",
            names,
        )
        KerasImageClassifier(names["network"], memory=tmp_path, **fast(epochs=1)).fit(
            X, Y
        )
    assert count(log) == 2


CONSTANTS = """
def direct(shape, n):
    return logged_network(shape, n, log=LOG, width=WIDTH)

def in_an_inner_function(shape, n):
    def build():
        return logged_network(shape, n, log=LOG, width=WIDTH)
    return build()

def in_a_comprehension(shape, n):
    return [logged_network(shape, n, log=LOG, width=WIDTH) for _ in "a"][0]

def from_a_list(shape, n):
    return logged_network(shape, n, log=LOG, width=WIDTHS[0])

def from_a_dict(shape, n):
    return logged_network(shape, n, log=LOG, width=SETTINGS["width"])

def by_another_function(shape, n):
    return direct(shape, n)
"""


@pytest.mark.parametrize(
    "name",
    [
        "direct",
        "in_an_inner_function",
        "in_a_comprehension",
        "from_a_list",
        "from_a_dict",
        "by_another_function",
    ],
)
@pytest.mark.usefixtures("untrained")
def test_constants_of_a_module_count_wherever_they_are_used(log, tmp_path, name):
    widths = []
    for width in (3, 7, 3):
        module = {
            "logged_network": logged_network,
            "LOG": str(log),
            "WIDTH": width,
            "WIDTHS": [width],
            "SETTINGS": {"width": width},
            "__name__": "mine",
        }
        exec(CONSTANTS, module)
        classifier = KerasImageClassifier(
            module[name], memory=tmp_path, **fast(epochs=1)
        )
        widths.append(classifier.fit(X, Y).model_.layers[1].units)
    assert widths == [3, 7, 3]
    assert count(log) == 2


IMPORTED = """
import settings
from support import logged_network

def network(shape, n):
    return logged_network(shape, n, log=settings.LOG, width=settings.WIDTH)
"""


@pytest.mark.usefixtures("untrained")
def test_modules_that_a_function_refers_to_count(log, tmp_path, monkeypatch):
    (tmp_path / "settings.py").write_text(f"LOG = {str(log)!r}\nWIDTH = 3\n")
    (tmp_path / "mine.py").write_text(IMPORTED)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    monkeypatch.delitem(sys.modules, "settings", raising=False)
    mine, settings = map(importlib.import_module, ("mine", "settings"))
    widths = []
    for width in (3, 7, 3):
        settings.WIDTH = width
        classifier = KerasImageClassifier(
            mine.network, memory=tmp_path / "cache", **fast(epochs=1)
        )
        widths.append(classifier.fit(X, Y).model_.layers[1].units)
    assert widths == [3, 7, 3]
    assert count(log) == 2


@pytest.mark.usefixtures("untrained")
def test_a_function_that_moved_in_its_file_is_the_same(log, tmp_path):
    for lines in ("", "\n\n\n"):
        module = {"logged_network": logged_network, "__name__": "mine"}
        exec(
            f"{lines}def network(shape, n):\n"
            f"    return logged_network(shape, n, log={str(log)!r})",
            module,
        )
        KerasImageClassifier(module["network"], memory=tmp_path, **fast(epochs=1)).fit(
            X, Y
        )
    assert count(log) == 1


TRAINS = """
import sys
sys.path.insert(0, sys.argv[1])

from support import dark_spots, fast, logged_network

from malariafuse import HSVConverter, KerasImageClassifier

WIDTHS = {"tiny": 2, "small": 3}
KINDS = frozenset({"tiny", "small", "large"})


class Named:
    def __init__(self, name):
        self.name = name

    def network(self, shape, n):
        # In its own order in each process.
        assert self.name in {"tiny", "small", "large"}
        return logged_network(shape, n, log=sys.argv[2], width=WIDTHS[self.name])


X, Y, _ = dark_spots()
KerasImageClassifier(
    Named("small").network, memory=sys.argv[3], **fast(epochs=1)
).fit(X, Y)
"""


@pytest.mark.slow
def test_another_process_finds_what_this_one_trained(log, tmp_path):
    for hash_seed in ("1", "2"):
        subprocess.run(
            [
                sys.executable,
                "-c",
                TRAINS,
                Path(__file__).parents[1],
                log,
                tmp_path / "cache",
            ],
            check=True,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
        )
    assert count(log) == 1


@pytest.mark.usefixtures("untrained")
def test_images_in_memory_and_on_disk_are_the_same(log, tmp_path):
    np.save(tmp_path / "images.npy", X)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    for images in (X, mapped):
        logged(log, tmp_path / "cache").fit(images, Y)
    assert count(log) == 1


def test_what_cannot_be_compared_is_refused_with_advice(tmp_path):
    opened = (tmp_path / "file").open("w")

    def network(input_shape, n_outputs):
        opened.write("built")
        return tiny_network(input_shape, n_outputs)

    classifier = KerasImageClassifier(network, memory=tmp_path, **fast(epochs=1))
    with (
        opened,
        pytest.raises(TypeError, match="memory and checkpoint compare everything"),
    ):
        classifier.fit(X, Y)


class Builder:
    __slots__ = ()

    @classmethod
    def of_class(cls, input_shape, n_outputs):
        return tiny_network(input_shape, n_outputs)

    def of_instance(self, input_shape, n_outputs):
        return tiny_network(input_shape, n_outputs)


@pytest.mark.parametrize("network", [Builder.of_class, Builder().of_instance])
def test_methods_without_attributes(tmp_path, network):
    classifier = KerasImageClassifier(network, memory=tmp_path, **fast(epochs=1))
    assert classifier.fit(X, Y).history_ == classifier.fit(X, Y).history_


def maps(input_shape):
    return keras.Sequential(
        [keras.Input(input_shape), keras.layers.Conv2D(2, 3, name="maps")]
    )


def test_a_changed_file_of_weights_trains_again(tmp_path):
    file = tmp_path / "some.weights.h5"
    histories = []
    for seed in (1, 5, 5):
        backbone = maps(X.shape[1:])
        generator = np.random.default_rng(seed)
        backbone.set_weights(
            [generator.random(w.shape) for w in backbone.get_weights()]
        )
        if len(histories) < 2:
            backbone.save_weights(file, overwrite=True)
        classifier = FeatureFusionClassifier(
            [("maps", PretrainedFeatureExtractor(maps, layer="maps", weights=file))],
            vector_head="dense",
            memory=tmp_path / "cache",
            **fast(epochs=1, batch_size=48),
        )
        histories.append(classifier.fit(X, Y).history_)
    assert histories[0] != histories[1]
    assert len(list((tmp_path / "cache").rglob("output.pkl"))) == 2


@pytest.mark.usefixtures("untrained")
def test_networks_as_parameters_are_told_apart_by_their_weights(tmp_path):
    backbone = tiny_network((16, 16, 3), 1)
    predictions = []
    for factor in (1, 0.5, 1):
        backbone.set_weights([weight * factor for weight in backbone.get_weights()])
        classifier = KerasImageClassifier(
            lambda input_shape, n_outputs, backbone: backbone,
            network_params={"backbone": backbone},
            memory=tmp_path,
            **fast(epochs=1),
        )
        predictions.append(classifier.fit(X, Y).predict_proba(X))
    assert (predictions[0] != predictions[1]).any()
    np.testing.assert_array_equal(predictions[1], predictions[2])


@pytest.mark.usefixtures("untrained")
def test_memory_is_a_path_or_a_joblib_memory(tmp_path):
    for memory in (str(tmp_path), tmp_path, joblib.Memory(tmp_path, verbose=0)):
        KerasImageClassifier(tiny_network, memory=memory, **fast(epochs=1)).fit(X, Y)
    with pytest.raises(TypeError, match="memory=3"):
        KerasImageClassifier(tiny_network, memory=3, **fast(epochs=1)).fit(X, Y)


@pytest.mark.parametrize("name", ["memory", "checkpoint"])
def test_a_place_that_is_no_folder_is_named_before_training(name, tmp_path):
    (tmp_path / "file").write_text("")
    place = tmp_path / "file" / "below"
    seen = []

    class Notes(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            seen.append(epoch)

    classifier = KerasImageClassifier(tiny_network, **fast(epochs=1, **{name: place}))
    with pytest.raises(OSError, match=f"{name}=.*below' is not a writable folder"):
        classifier.set_params(callbacks=[Notes]).fit(X, Y)
    assert not seen
