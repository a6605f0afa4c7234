"""Names that are not UTF-8, which pandas may keep in Arrow."""

import os

import numpy as np
import pandas as pd
import pytest
from drawn_smears import draw_photo, on_grid
from PIL import Image
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import make_pipeline

from malariafuse import ImageLoader
from malariafuse._texts import text_column
from malariafuse.deploy import predict_files, write_predictions
from malariafuse.evaluation import patient_table
from malariafuse.smears import detection_scores, load_smear_photos

NAMES = ["C3_1.png", "C3_\udcff.png"]
posix = pytest.mark.skipif(os.name == "nt", reason="names are always Unicode")


@pytest.fixture
def pipeline(tmp_path):
    steps = make_pipeline(ImageLoader((16, 16)), DummyClassifier(strategy="prior"))
    for name in NAMES:
        Image.new("RGB", (16, 16), (200, 150, 150)).save(tmp_path / name)
    return steps.fit([tmp_path / name for name in NAMES], [0, 1])


def test_text_stays_as_it_is():
    names = ["a", "ä"]
    assert text_column(names) is names


def test_names_are_kept():
    assert pd.DataFrame({"path": text_column(NAMES)})["path"].tolist() == NAMES


@posix
def test_files_of_cells(pipeline, tmp_path):
    table = predict_files(pipeline, tmp_path)
    assert table["path"].tolist() == [str(tmp_path / name) for name in NAMES]
    assert table["note"].iloc[0] == f"same image as {tmp_path / NAMES[1]}"


@posix
def test_parquet_has_no_such_names(pipeline, tmp_path):
    pytest.importorskip("pyarrow")
    with pytest.raises(ValueError, match=r"udcff\.png', which is not Unicode"):
        write_predictions(tmp_path / "cells.parquet", pipeline, tmp_path)


@posix
def test_photographs(tmp_path):
    for name in NAMES:
        Image.fromarray(draw_photo(on_grid(rows=1))).save(tmp_path / name)
    with pytest.warns(UserWarning, match="the same"):
        photos = load_smear_photos(tmp_path).photos
    assert [os.path.basename(name) for name in photos["name"]] == NAMES


def test_patients():
    table = patient_table(np.array([1, 1]), np.array([0.9, 0.8]), NAMES)
    assert sorted(table.index) == NAMES


def test_photographs_of_boxes():
    box = [[0, 0, 4, 4]]
    scores = detection_scores(box, box, photo_true=NAMES[1:], photo_pred=NAMES[1:])
    assert scores.by_photo.index.tolist() == NAMES[1:]
