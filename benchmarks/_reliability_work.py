"""The work that processes are disturbed in; each returns a digest of its result.

A work gets the folder of its inputs, which is the same for all runs, and its place, the
folder that it may write to.
"""

import hashlib
import json
import os
import pickle
import signal
import tempfile
import warnings
from pathlib import Path

import numpy as np

SIZE = (24, 24)


def prepare(data, tiny):
    """Write all inputs."""
    import joblib
    from PIL import Image
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.pipeline import Pipeline

    from malariafuse import ImageLoader, SpotFeatureExtractor
    from malariafuse.datasets import make_cell_images, make_smear_photos

    cells = make_cell_images(60 if tiny else 240, 6, image_size=SIZE, random_state=0)
    for image, name, target in zip(
        cells.images, cells.filenames, cells.target, strict=True
    ):
        of_class = data / "cells" / ("Parasitized" if target else "Uninfected")
        of_class.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(of_class / name)
    smear = make_smear_photos(
        1 if tiny else 2, 12, photo_size=(240, 320), diameter=40, random_state=0
    )
    for number, photo in enumerate(smear.photos):
        Image.fromarray(photo).save(data / f"field_{number}.png")
    few = cells.images[:60], cells.target[:60]
    spots = SpotFeatureExtractor().fit(few[0])
    features = spots.transform(few[0])
    for name, trees in {
        "forest": RandomForestClassifier(10 if tiny else 200, random_state=0),
        "boosting": HistGradientBoostingClassifier(
            max_iter=5 if tiny else 100, min_samples_leaf=2, random_state=0
        ),
    }.items():
        steps = [
            ("load", ImageLoader(SIZE)),
            ("spots", spots),
            ("classify", trees.fit(features, few[1])),
        ]
        joblib.dump(Pipeline(steps), data / f"{name}.joblib")
    cells = (few[0], few[1], cells.groups[:60])
    (data / "few.pickle").write_bytes(pickle.dumps(cells))
    (data / "result.pickle").write_bytes(pickle.dumps(patient_result(data)))


def patient_result(data):
    """Return an answer about a patient as no classifier gave it."""
    import pandas as pd

    from malariafuse.patients import PatientResult
    from malariafuse.smears import load_smear_photos

    found = load_smear_photos(sorted(data.glob("field_*.png")), n_jobs=1)
    boxes = dict(zip(("x", "y", "width", "height"), found.boxes.T, strict=True))
    cells = pd.DataFrame(
        {"photo": found.photo, **boxes, "area": found.areas, "flag": found.flags}
    )
    cells["probability"] = np.linspace(0, 1, len(cells))
    cells["counted"] = cells["probability"] > 0.9
    n = len(cells)
    return PatientResult(
        *("Ada", "infected", 0.001),
        **{"n_cells": n, "n_counted": n // 10, "needed": 2, "threshold": 0.9},
        **{"fraction": 0.02, "low": 0.01, "high": 0.03, "confidence_level": 0.95},
        red_cells_per_microliter=5_000_000,
        photos=found.photos,
        cells=cells,
        masks=list(found.masks),
        sources=found.sources,
    )


def digest(*values):
    """Return what tells results apart."""
    return hashlib.sha256(
        pickle.dumps([np.asarray(v).tolist() for v in values])
    ).hexdigest()


def few_cells(data):
    return pickle.loads((data / "few.pickle").read_bytes())


def fit(data, place):
    """Train with a checkpoint and a memory."""
    import keras

    from malariafuse import KerasImageClassifier

    def network(input_shape, n_outputs):
        return keras.Sequential(
            [
                keras.Input(input_shape),
                keras.layers.Conv2D(4, 3, strides=2),
                keras.layers.GlobalAveragePooling2D(),
                keras.layers.Dense(n_outputs, activation="sigmoid"),
            ]
        )

    images, target, groups = few_cells(data)
    classifier = KerasImageClassifier(
        network,
        epochs=12,
        batch_size=8,
        engine="keras",
        compute_dtype="float32",
        memory=place / "memory",
        checkpoint=place / "checkpoint",
        random_state=0,
    ).fit(images, target, groups=groups)
    return digest(*classifier.model_.get_weights())


def load(data, place):
    """Load cells through a cache."""
    from malariafuse.datasets import load_cell_images

    cells = load_cell_images(
        data / "cells", image_size=SIZE, cache=place / "cache", n_jobs=1, verbose=False
    )
    return digest(cells.images, cells.filenames, cells.target)


def photographs(data, place):
    """Find the cells of photographs, with a memory."""
    from malariafuse.smears import load_smear_photos

    cells = load_smear_photos(
        sorted(data.glob("field_*.png")), memory=place / "memory", n_jobs=1
    )
    return digest(cells.images, cells.boxes, cells.areas)


def dump(data, place):
    """Write a classifier by joblib under another name, and then give it its own."""
    import joblib

    new, file = place / "new.joblib", place / "model.joblib"
    joblib.dump(joblib.load(data / "forest.joblib"), new, compress=1)
    new.replace(file)
    images = few_cells(data)[0][:4]
    return digest(joblib.load(file).predict_proba(list(images)))


def save(data, place):
    """Write a classifier by `save_pretrained`."""
    import joblib

    from malariafuse.pretrained import load_pretrained, save_pretrained

    save_pretrained(place / "model", joblib.load(data / "boosting.joblib"))
    images = few_cells(data)[0][:4]
    return digest(load_pretrained(place / "model").predict_proba(list(images)))


def export(data, place):
    """Write a classifier by `export_onnx`, unless it is there."""
    from malariafuse import ConvNetClassifier
    from malariafuse.deploy import OnnxClassifier, export_onnx

    images, target, _ = few_cells(data)
    folder = place / "exported"
    if not folder.exists():
        trained = ConvNetClassifier(
            filters=2, epochs=1, compute_dtype="float32", random_state=0
        ).fit(images, target)
        export_onnx(trained, folder)
    return digest(OnnxClassifier(folder).predict_proba(images))


def fetch(data, place):
    """Download an archive, which stands for that of the NIH, from this machine."""
    import pooch

    from malariafuse.datasets import _fetch, fetch_malaria_cells

    served = json.loads((data / "served.json").read_text())
    _fetch._SIZE, _fetch._SHA256 = served["size"], served["sha256"]
    pooch.core.time.sleep = lambda seconds: None
    os.environ["NO_PROXY"] = "127.0.0.1"
    os.environ["MALARIAFUSE_DATA"] = str(place / "home")
    cells = fetch_malaria_cells(
        image_size=SIZE, n_jobs=1, url=served["url"], verbose=False
    )
    return digest(cells.images, cells.groups)


def report(data, place):
    """Write the report about a patient."""
    from malariafuse.patients import write_report

    result = pickle.loads((data / "result.pickle").read_bytes())
    return digest(write_report(result, place / "ada.html").read_text())


def evaluation(data, place):
    """Write the report about a classifier."""
    from malariafuse.deploy import write_evaluation_report

    images, target, groups = few_cells(data)
    probability = np.clip(0.3 + 0.4 * target + 0.3 * np.sin(np.arange(60)), 0, 1)
    file = write_evaluation_report(
        place / "report.html", target, probability, groups, images=images
    )
    return digest(file.read_text())


WORKS = {
    work.__name__: work
    for work in (
        *(fit, load, photographs, dump, save, export, fetch, report, evaluation),
    )
}
NETWORKS = ("fit", "export")
MODULES = [
    *("malariafuse.patients", "malariafuse.deploy", "malariafuse.pretrained"),
    *("malariafuse.smears", "matplotlib.figure", "sklearn.ensemble"),
]


def disturbed(name, data, place, connection, limit=None):
    """Do a work in this process, and send first that it begins, then how it ends."""
    warnings.simplefilter("ignore")
    # Programs in the background of a shell ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Where a process is in its work when it ends is of no interest.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    folder = place / "tmp"
    folder.mkdir(exist_ok=True)
    os.environ["TMPDIR"] = os.environ["JOBLIB_TEMP_FOLDER"] = str(folder)
    tempfile.tempdir = None
    if limit is not None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    connection.send(("begins", None))
    try:
        ends = "right", WORKS[name](Path(data), place)
    except Exception as error:
        ends = "error", f"{type(error).__name__}: {error}"
    connection.send(ends)
