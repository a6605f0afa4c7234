import os
import signal
import subprocess
import sys
from copy import copy

import joblib
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from malariafuse.deploy import _parquet, predict_files, write_predictions
from malariafuse.preprocessing import ImageLoader

pytest.importorskip("pyarrow")


def colors(images):
    return images.mean(axis=(1, 2)) / 255


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cells")
    generator = np.random.default_rng(0)
    paths = []
    for number in range(10):
        shape = (8, 8, 3)
        image = generator.integers(60, 120 + 100 * (number % 2), shape, dtype=np.uint8)
        paths.append(str(folder / f"C{number % 3}P1_{number}.png"))
        Image.fromarray(image).save(paths[-1])
    return paths


@pytest.fixture(scope="module")
def classifier(paths):
    return make_pipeline(
        ImageLoader((8, 8)), FunctionTransformer(colors), LogisticRegression()
    ).fit(paths, np.arange(10) % 2)


@pytest.fixture
def counted(monkeypatch):
    """How many files each part has that is computed."""
    computed = []
    predict = _parquet.predict_files
    monkeypatch.setattr(
        _parquet,
        "predict_files",
        lambda estimator, names, **options: (
            computed.append(len(names)) or predict(estimator, names, **options)
        ),
    )
    return computed


def test_the_table_is_that_of_predict_files(classifier, paths, tmp_path):
    folder = write_predictions(tmp_path / "out", classifier, paths, part_size=4)
    table = pd.read_parquet(folder)
    expected = predict_files(classifier, paths)
    expected["patient"] = expected["patient"].astype(str)
    pd.testing.assert_frame_equal(table, expected, check_dtype=False, check_exact=True)
    assert sorted(os.listdir(folder)) == [f"part-00000{i}.parquet" for i in range(3)]


def test_a_folder_and_a_generator_of_paths(classifier, paths, tmp_path):
    folder = os.path.dirname(paths[0])
    for number, given in enumerate((folder, iter(sorted(paths)))):
        out = write_predictions(tmp_path / str(number), classifier, given)
        assert pd.read_parquet(out)["path"].tolist() == sorted(paths)


def test_files_that_cannot_be_read_have_rows(classifier, paths, tmp_path):
    bad = str(tmp_path / "cut.png")
    (tmp_path / "cut.png").write_bytes(b"cut off")
    out = write_predictions(
        tmp_path / "out", classifier, [bad, bad, *paths], part_size=2
    )
    table = pd.read_parquet(out)
    assert table["path"].tolist() == [bad, bad, *paths]
    reason = "unreadable: not a BMP, JPEG, PNG, TIFF image"
    assert table["note"].tolist() == [reason] * 2 + [""] * 10
    assert table["decision"].isna().tolist() == [True] * 2 + [False] * 10


class TestResuming:
    def test_parts_that_are_there_are_not_computed_again(
        self, classifier, paths, tmp_path, counted
    ):
        write_predictions(tmp_path, classifier, paths, part_size=4)
        (tmp_path / "part-000001.parquet").unlink()
        loaded = tmp_path / "model.joblib"
        joblib.dump(classifier, loaded)
        counted.clear()
        again = joblib.load(loaded)
        loaded.unlink()
        write_predictions(tmp_path, again, paths, part_size=4)
        assert counted == [4]
        assert pd.read_parquet(tmp_path)["path"].tolist() == paths

    def test_a_killed_run_goes_on(self, classifier, paths, tmp_path, counted):
        out, model = tmp_path / "out", tmp_path / "model.joblib"
        joblib.dump((classifier, paths), model)
        program = """
import os, signal, sys
sys.path.insert(0, sys.argv[3])
import joblib
from malariafuse.deploy import _parquet

write = _parquet.write_whole

def write_once(file, content):
    if file.name.endswith("1.parquet"):
        os.kill(os.getpid(), signal.SIGKILL)
    write(file, content)

_parquet.write_whole = write_once
_parquet.write_predictions(sys.argv[2], *joblib.load(sys.argv[1]), part_size=4)
"""
        here = os.path.dirname(__file__)
        killed = subprocess.run(
            [sys.executable, "-c", program, str(model), str(out), here], check=False
        )
        assert killed.returncode == -signal.SIGKILL
        assert os.listdir(out) == ["part-000000.parquet"]
        write_predictions(out, classifier, paths, part_size=4)
        assert counted == [4, 2]
        assert pd.read_parquet(out)["path"].tolist() == paths

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"estimator": "other"}, "written by another classifier"),
            ({"part_size": 3}, "with part_size=4, but this call has 3"),
            ({"pos_label": 0}, "with pos_label=1, but this call has 0"),
            ({"paths": "reversed"}, "of other files, or of files in another order"),
            ({"paths": "fewer"}, "has more parts than these paths, from part-000002"),
        ],
    )
    def test_another_run_is_refused(self, classifier, paths, tmp_path, change, message):
        first = {"estimator": classifier, "paths": paths, "part_size": 4}
        write_predictions(tmp_path, **first)
        before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
        other = copy(classifier)
        other.steps = [*classifier.steps[:-1], ("last", copy(classifier[-1]))]
        other[-1].coef_ = classifier[-1].coef_ + 1e-9
        changed = {"other": other, "reversed": paths[::-1], "fewer": paths[:8]}
        change = {
            name: changed.get(value, value) if isinstance(value, str) else value
            for name, value in change.items()
        }
        with pytest.raises(ValueError, match=message):
            write_predictions(tmp_path, **{**first, **change})
        assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before

    @pytest.mark.parametrize("content", [b"", b"PAR1"])
    def test_a_damaged_part_is_named(self, classifier, paths, tmp_path, content):
        (tmp_path / "part-000000.parquet").write_bytes(content)
        with pytest.raises(ValueError, match=r"part-000000\.parquet was not written"):
            write_predictions(tmp_path, classifier, paths)


def test_wrong_paths(classifier, tmp_path):
    place = tmp_path / "cells.parquet"
    with pytest.raises(ValueError, match="paths is empty"):
        write_predictions(place, classifier, [])
    with pytest.raises(TypeError, match=r"paths has 3: expected file paths"):
        write_predictions(place, classifier, [3])
    with pytest.raises(TypeError, match=r"paths=3: expected a folder"):
        write_predictions(place, classifier, 3)
    with pytest.raises(FileNotFoundError, match="is not a folder"):
        write_predictions(place, classifier, tmp_path / "none")
    assert not place.exists()
