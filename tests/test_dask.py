"""The same work on the processes of Dask."""

import warnings

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from numpy.testing import assert_array_equal
from PIL import Image
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from support import dark_spots, fast, linear_network

from malariafuse import ConvNetClassifier, KerasImageClassifier, SpotFeatureExtractor
from malariafuse.datasets import make_cell_images, make_smear_photos
from malariafuse.deploy import predict_files, write_predictions
from malariafuse.evaluation import PatientTest, cross_validate_patients
from malariafuse.model_selection import PatientKFold
from malariafuse.patients import SmearReader
from malariafuse.smears import load_smear_photos

distributed = pytest.importorskip("distributed")
dask_bag = pytest.importorskip("dask.bag")

X, Y, PATIENTS = dark_spots()
# Probabilities of a worker with fewer threads may differ in their last digits.
CLOSE = {"rtol": 0, "atol": 1e-5}


@pytest.fixture(scope="module")
def cluster():
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as environment:
        # What the user sets comes first.
        for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
            environment.delenv(name, raising=False)
        # Of Dask and of what it needs.
        warnings.simplefilter("ignore")
        with (
            distributed.LocalCluster(
                n_workers=2, threads_per_worker=1, dashboard_address=None
            ) as cluster,
            distributed.Client(cluster) as client,
        ):
            yield client


@pytest.fixture(autouse=True)
def on_dask(cluster):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        warnings.filterwarnings("ignore", "Sending large graph")
        with parallel_config("dask"):
            yield cluster


def network():
    return KerasImageClassifier(linear_network, **fast(epochs=2), engine="keras")


def test_workers_limit_the_threads_of_tensorflow_and_opencv(on_dask):
    def limits():
        import cv2
        from tensorflow.config import threading

        import malariafuse.classifiers  # noqa: F401
        from malariafuse._workers import limit_opencv

        limit_opencv()
        return (
            threading.get_intra_op_parallelism_threads(),
            threading.get_inter_op_parallelism_threads(),
            cv2.getNumThreads(),
        )

    assert on_dask.submit(limits).result() == (1, 1, 1)


@pytest.mark.parametrize(
    ("classifier", "tolerance"),
    [
        (ConvNetClassifier(filters=2, dense_units=(4,), **fast(epochs=1)), CLOSE),
        (
            make_pipeline(
                SpotFeatureExtractor(),
                HistGradientBoostingClassifier(max_iter=3, random_state=0),
            ),
            {"rtol": 0, "atol": 0},
        ),
    ],
    ids=["network", "trees"],
)
def test_folds_are_those_of_this_process(classifier, tolerance):
    options = {"cv": 2, "random_state": 0}
    cells = make_cell_images(60, 6, image_size=(24, 24), random_state=0)
    data = cells.images, cells.target, cells.groups
    with warnings.catch_warnings():
        # So little was learned.
        warnings.simplefilter("ignore", UserWarning)
        there = cross_validate_patients(classifier, *data, n_jobs=-1, **options)
        with parallel_config("sequential"):
            here = cross_validate_patients(classifier, *data, **options)
    np.testing.assert_allclose(there.y_prob, here.y_prob, **tolerance)
    assert_array_equal(there.fold, here.fold)


def test_a_grid_and_folds_of_scikit_learn():
    options = {"cv": PatientKFold(2), "scoring": "roc_auc", "error_score": "raise"}
    search = GridSearchCV(network(), {"batch_size": [8, 16]}, **options)
    there = search.fit(X, Y, groups=PATIENTS)
    scores = cross_validate(network(), X, Y, groups=PATIENTS, **options)
    with parallel_config("sequential"):
        here = GridSearchCV(network(), {"batch_size": [8, 16]}, **options)
        here.fit(X, Y, groups=PATIENTS)
    for fold in range(2):
        name = f"split{fold}_test_score"
        assert_array_equal(there.cv_results_[name], here.cv_results_[name])
        assert scores["test_score"][fold] == here.cv_results_[name][0]
    np.testing.assert_allclose(there.predict_proba(X), here.predict_proba(X), **CLOSE)


def test_photographs():
    photos = list(make_smear_photos(2, 6, photo_size=(200, 260), random_state=0).photos)
    there = load_smear_photos(photos)
    with parallel_config("sequential"):
        here = load_smear_photos(photos, n_jobs=1)
    assert_array_equal(there.images, here.images)
    assert there.photos.equals(here.photos)


def test_a_reader_is_fitted_and_travels(on_dask):
    cells = make_cell_images(200, 10, image_size=(24, 24), random_state=0)
    trees = HistGradientBoostingClassifier(max_iter=20, random_state=0)
    classifier = make_pipeline(SpotFeatureExtractor(), trees)
    options = {
        "patient_test": PatientTest(cell_specificity=0.97),
        "image_size": (24, 24),
        "cv": 2,
        "random_state": 0,
    }
    there = SmearReader(classifier, **options)
    there.fit(cells.images, cells.target, cells.groups)
    with parallel_config("sequential"):
        here = SmearReader(classifier, **options, n_jobs=1)
        here.fit(cells.images, cells.target, cells.groups)
    assert there.patient_test_.cell_threshold_ == here.patient_test_.cell_threshold_
    photos = list(make_smear_photos(1, 6, photo_size=(200, 260), random_state=0).photos)
    far = on_dask.submit(here.read, photos, "Ada").result()["Ada"]
    near = here.read(photos, "Ada")["Ada"]
    assert (far.verdict, far.p_value) == (near.verdict, near.p_value)
    assert far.cells.equals(near.cells)


def test_partitions_of_a_bag_of_paths(tmp_path):
    import dask

    classifier = network().fit(X, Y)
    paths = [str(tmp_path / f"C{number % 6}P1_{number}.png") for number in range(10)]
    for path, image in zip(paths, X, strict=False):
        Image.fromarray(image).save(path)
    folder = tmp_path / "cells.parquet"
    written = []
    for _ in range(2):
        bag = dask_bag.from_sequence(paths, partition_size=5)
        parts = [
            dask.delayed(write_predictions)(folder / f"{number:04}", classifier, part)
            for number, part in enumerate(bag.to_delayed())
        ]
        dask.compute(*parts)
        written.append([file.stat().st_mtime_ns for file in folder.glob("*/*")])
    assert len(written[0]) == 2
    assert written[0] == written[1]
    table = pd.read_parquet(folder)
    assert table["path"].tolist() == paths
    expected = predict_files(classifier, paths)
    np.testing.assert_allclose(table["probability"], expected["probability"], **CLOSE)
