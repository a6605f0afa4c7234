"""Photographs of three laboratories, which lie next to the zip file of NIH cells."""

import json
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from malariafuse.smears import (
    CellSegmenter,
    detection_scores,
    load_smear_photos,
    match_boxes,
    photo_quality,
    read_photo,
    tabulate_cells,
)

pytestmark = pytest.mark.real_data

BOX = ["x", "y", "width", "height"]


@pytest.fixture(scope="module")
def fields(real_cells_zip):
    folder = Path(real_cells_zip).parent / "fields"
    if not folder.is_dir():
        pytest.skip(f"{folder} is missing")
    return folder


def find(photo):
    table = tabulate_cells(photo, CellSegmenter().segment(photo))
    return table.loc[table["flag"] == "", BOX]


def test_cells_of_another_laboratory_are_found(fields):
    entries = json.loads((fields / "iml" / "annotations.json").read_text())
    true, pred, photo_true, photo_pred = [], [], [], []
    for entry in entries[::12]:
        name = entry["image_name"]
        boxes = [
            [int(cell["bbox"][side]) for side in "xywh"] for cell in entry["objects"]
        ]
        found = find(read_photo(fields / "iml" / name)).to_numpy().tolist()
        true += boxes
        pred += found
        photo_true += [name] * len(boxes)
        photo_pred += [name] * len(found)
    scores = detection_scores(true, pred, photo_true=photo_true, photo_pred=photo_pred)
    assert len(scores.by_photo) == 10
    assert scores.pooled["f1"] >= 0.87


def test_published_crops_lie_where_cells_are_found(fields, real_cells_zip):
    places = json.loads((fields / "nih" / "crops.json").read_text())
    name, cells = next(iter(places.items()))
    photo = read_photo(fields / "nih" / f"{name}.jpg")
    labels = CellSegmenter().segment(photo)
    boxes = [[cell[side] for side in BOX] for cell in cells]
    assert len(match_boxes(boxes, find(photo))) >= 0.95 * len(boxes)
    with zipfile.ZipFile(real_cells_zip) as archive:
        members = {Path(member).name: member for member in archive.namelist()}
        overlaps = []
        for cell, (x, y, width, height) in zip(cells, boxes, strict=True):
            data = np.frombuffer(archive.read(members[cell["file"]]), np.uint8)
            published = cv2.imdecode(data, cv2.IMREAD_COLOR).max(axis=2) > 10
            window = labels[y : y + height, x : x + width]
            label = np.bincount(window[published]).argmax()
            both = np.count_nonzero(published & (window == label))
            whole = np.count_nonzero(labels == label)
            overlaps.append(both / (published.sum() + whole - both))
    assert np.median(overlaps) > 0.75


def test_real_photographs_can_be_judged_and_blurred_ones_not(fields):
    files = [
        *sorted((fields / "iml").glob("*.JPG"))[::23],
        next((fields / "nih").glob("*.jpg")),
        *sorted((fields / "blood").glob("*.png"))[::17],
    ]
    cells = load_smear_photos(files, n_jobs=1)
    assert (cells.photos["problem"] == "").all()
    assert (cells.photos["sharpness"] > 7).all()
    photo = read_photo(files[0])
    blurred = cv2.GaussianBlur(photo, (0, 0), 0.12 * cells.photos["diameter"][0])
    assert photo_quality(blurred)["problem"] == "out of focus"
