"""Work in the processes of joblib, and how many threads it takes there."""

from pathlib import Path

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from malariafuse._rows import rows_of
from malariafuse._which_training import in_fold, which_training
from malariafuse._workers import worker_threads
from malariafuse.datasets import make_smear_photos
from malariafuse.evaluation import cross_validate_patients
from malariafuse.model_selection import PatientKFold
from malariafuse.smears import load_smear_photos

# Without Keras, which the workers would import, too.
Y, PATIENTS = np.arange(48) % 2, np.arange(48) // 2 % 6
IMAGES = np.random.default_rng(0).integers(90, 256, (48, 4, 4, 3), dtype=np.uint8)
IMAGES[Y == 1] //= 2
X = IMAGES.mean(axis=(1, 2)) / 255


class Titled(LogisticRegression):
    """Keeps what the title of its bar would say."""

    def fit(self, X, y):
        self.title_ = which_training()
        return super().fit(X, y)


def title(fitted, X, y):
    return float("".join(filter(str.isdigit, fitted.title_)))


class TestTitles:
    def test_candidate_and_fold_of_a_search(self):
        search = GridSearchCV(
            Titled(),
            {"C": [0.5, 1.0]},
            scoring=title,
            cv=PatientKFold(3),
            error_score="raise",
        ).fit(X, Y, groups=PATIENTS)
        # "candidate 1 of 2, fold 3 of 3" has the digits 1 2 3 3.
        for fold in range(3):
            assert search.cv_results_[f"split{fold}_test_score"].tolist() == [
                1203 + 10 * (fold + 1),
                2203 + 10 * (fold + 1),
            ]
        assert search.best_estimator_.title_ == "best candidate"

    def test_fold_of_patients(self, monkeypatch):
        titles = []
        fit = Titled.fit
        monkeypatch.setattr(
            Titled,
            "fit",
            lambda self, X, y: titles.append(which_training()) or fit(self, X, y),
        )
        cross_validate_patients(Titled(), X, Y, PATIENTS, cv=3)
        assert titles == ["fold 1 of 3", "fold 2 of 3", "fold 3 of 3"]

    def test_the_bar_of_a_classifier_has_it(self):
        # Not in workers, which import this module.
        from malariafuse import ConvNetClassifier

        classifier = ConvNetClassifier(verbose=1)
        with in_fold(2, 5):
            assert classifier._watch().progress == "ConvNetClassifier, fold 2 of 5"
        assert classifier._watch().progress == "ConvNetClassifier"

    def test_a_training_by_itself(self):
        assert Titled().fit(X, Y).title_ == ""


def test_folds_in_processes_are_those_of_this_one():
    options = {"cv": 3, "random_state": 0}
    here = cross_validate_patients(Titled(), X, Y, PATIENTS, **options)
    there = cross_validate_patients(Titled(), X, Y, PATIENTS, n_jobs=2, **options)
    assert_array_equal(there.y_prob, here.y_prob)
    assert_array_equal(there.decisions, here.decisions)
    assert there.table.equals(here.table)


def test_wrong_numbers_of_processes():
    with pytest.raises(ValueError, match="n_jobs=0: expected"):
        cross_validate_patients(Titled(), X, Y, PATIENTS, n_jobs=0)


def test_cells_of_photographs_in_processes_are_those_of_threads():
    photos = make_smear_photos(2, 6, photo_size=(200, 260), random_state=0).photos
    here = load_smear_photos(list(photos), n_jobs=1)
    with joblib.parallel_config("loky", n_jobs=2):
        there = load_smear_photos(list(photos), n_jobs=2)
    assert_array_equal(there.images, here.images)
    assert there.photos.equals(here.photos)


class TestThreads:
    def test_none_are_set_for_the_process_of_the_user(self, monkeypatch):
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        assert worker_threads() is None

    def test_a_worker_goes_by_its_share(self, monkeypatch):
        monkeypatch.setenv("OMP_NUM_THREADS", "3")
        (given,) = joblib.Parallel(2)(joblib.delayed(worker_threads)() for _ in "a")
        assert given == 3


class TestRows:
    def test_of_a_memory_map_are_another_one(self, tmp_path):
        np.save(tmp_path / "images.npy", IMAGES)
        images, rows = (
            np.load(tmp_path / "images.npy", mmap_mode="r"),
            np.arange(40, 3, -3),
        )
        with rows_of(images, rows) as chosen:
            assert isinstance(chosen, np.memmap)
            assert_array_equal(chosen, IMAGES[rows])
            file = Path(chosen.filename)
        assert not file.parent.exists()

    def test_in_memory_stay_there(self):
        with rows_of(IMAGES, np.array([2, 1])) as chosen:
            assert not isinstance(chosen, np.memmap)
            assert_array_equal(chosen, IMAGES[[2, 1]])

    def test_folds_of_a_memory_map_are_those_of_memory(self, tmp_path):
        np.save(tmp_path / "x.npy", X)
        mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
        options = {"cv": 3, "random_state": 0}
        assert_array_equal(
            cross_validate_patients(Titled(), mapped, Y, PATIENTS, **options).y_prob,
            cross_validate_patients(Titled(), X, Y, PATIENTS, **options).y_prob,
        )
