"""Crops of photographs with boxes."""

import json

import numpy as np
from _photographs import cut, read_crops
from PIL import Image

CELL, PLASMA = (180, 110, 140), (235, 225, 215)


def photograph():
    """Draw two cells of radius 20 around (40, 40) and (40, 100)."""
    rows, columns = np.indices((80, 140))
    inside = (np.hypot(rows - 40, columns - 40) <= 20) | (
        np.hypot(rows - 40, columns - 100) <= 20
    )
    return np.where(inside[..., None], CELL, PLASMA).astype(np.uint8)


def test_a_box_is_cut_with_a_tenth_of_its_sides_around_it():
    crop, inside = cut(photograph(), [20, 20, 40, 40])
    assert crop.shape == (48, 48, 3)
    assert (crop == photograph()[16:64, 16:64]).all()
    # The ellipse touches the box, which begins at 4 in the crop.
    rows, columns = np.nonzero(inside)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (4, 43, 4, 43)


def test_the_margin_ends_where_the_photograph_ends():
    crop, inside = cut(photograph(), [0, 60, 20, 20])
    assert crop.shape == (22, 22, 3)
    assert inside.shape == (22, 22)
    assert inside[:, 0].any()


def test_crops_are_masked_resized_and_labeled(tmp_path):
    Image.fromarray(photograph()).save(tmp_path / "a.png")
    objects = [
        {"type": kind, "bbox": {"x": str(x), "y": "20", "w": "40", "h": "40"}}
        for kind, x in (("red blood cell", 20), ("difficult", 20), ("ring", 80))
    ]
    annotations = [{"image_name": "a.png", "objects": objects}]
    (tmp_path / "annotations.json").write_text(json.dumps(annotations))
    crops = read_crops(tmp_path, (24, 24))
    assert crops.target == [0, 1]
    assert crops.kinds == ["red blood cell", "ring"]
    assert crops.photographs == ["a.png", "a.png"]
    # Cells of 40 pixels in crops of 48, halved: disks of radius 10.
    for images in (crops.masked, crops.masked_small, crops.ellipse):
        for image in images:
            assert image.shape == (24, 24, 3)
            lit = image.max(axis=-1) > 90
            assert abs(lit.sum() - np.pi * 10**2) < 25
            assert (image[12, 12] == CELL).all()
