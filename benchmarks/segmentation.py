"""Measure how well the cells of photographs are found.

    python benchmarks/segmentation.py --iml FOLDER --blood FOLDER \
        --nih FOLDER --crops cell_images.zip --counts nih_photo_counts.csv

Any of the three sets may be left out.

iml
    photographs with all cells boxed, in a folder with ``annotations.json`` (see
    ``_photographs.py``): F1 at an intersection over union of .5 against all boxes,
    the mean absolute count error of a photograph, and the share of boxes with any kind
    of parasite that were found;
blood
    small images with boxes in fractions of the side, in a folder with
    ``annotations.csv``: F1 of the boxes of red cells, once without the cells that the
    border cuts, once with them, since these images have boxes for those;
nih
    original photographs of the NIH cells with ``crops.json``, which says where
    published crops lie: how many are found, the median intersection over union of the
    masks of cells with what is not black in the crops of the zip file, the median
    difference of the ready classifier's probabilities for our crop of a cell and the
    published one, the numbers of cells against those of the table of counts, and the
    seconds from the file to its cells.
"""

import argparse
import json
import time
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from _photographs import UNINFECTED, annotated

from malariafuse import load_pretrained
from malariafuse.smears import (
    CellSegmenter,
    detection_scores,
    match_boxes,
    read_photo,
    tabulate_cells,
)

BOX = ["x", "y", "width", "height"]
NOT_BLACK = 10  # of 255


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--iml", type=Path)
    parser.add_argument("--blood", type=Path)
    parser.add_argument("--nih", type=Path)
    parser.add_argument("--crops", type=Path)
    parser.add_argument("--counts", type=Path)
    arguments = parser.parse_args()
    if arguments.iml:
        show("iml", measure_iml(arguments.iml))
    if arguments.blood:
        show("blood", measure_blood(arguments.blood))
    if arguments.nih:
        show("nih", measure_nih(arguments.nih, arguments.crops, arguments.counts))


def show(name, measures):
    for measure, value in measures.items():
        value = f"{value:.3f}" if isinstance(value, float) else value
        print(f"{name:6} {measure:32} {value}", flush=True)


def find_cells(photo, flags=("",)):
    """Return the label image and the table of the cells with one of some flags."""
    labels = CellSegmenter().segment(photo)
    table = tabulate_cells(photo, labels)
    return labels, table[table["flag"].isin(flags)]


def measure_iml(folder):
    true, pred, parasitized = [], [], []
    for file, cells in annotated(folder):
        boxes = pd.DataFrame([box for _, box in cells], columns=BOX)
        found = find_cells(read_photo(file))[1][BOX]
        hit = np.isin(np.arange(len(boxes)), match_boxes(boxes, found)["true"])
        parasitized += hit[[kind != UNINFECTED for kind, _ in cells]].tolist()
        true.append(boxes.assign(photo=file.name))
        pred.append(found.assign(photo=file.name))
    return score(true, pred) | {
        "parasitized boxes found": f"{sum(parasitized)} of {len(parasitized)}"
    }


def measure_blood(folder):
    table = pd.read_csv(folder / "annotations.csv")
    table = table[table["label"] == "rbc"]
    measures = {}
    for name, flags in (("", ("",)), (", with cut cells", ("", "cut"))):
        true, pred = [], []
        for image, boxes in table.groupby("image"):
            photo = read_photo(folder / image)
            height, width = photo.shape[:2]
            x, y = boxes["xmin"] * width, boxes["ymin"] * height
            sides = boxes["xmax"] * width - x, boxes["ymax"] * height - y
            true.append(pd.DataFrame(dict(zip(BOX, (x, y, *sides), strict=True))))
            pred.append(find_cells(photo, flags)[1][BOX])
            true[-1]["photo"] = pred[-1]["photo"] = image
        measures |= {key + name: value for key, value in score(true, pred).items()}
    return measures


def score(true, pred):
    true, pred = pd.concat(true), pd.concat(pred)
    pooled = detection_scores(
        true[BOX], pred[BOX], photo_true=true["photo"], photo_pred=pred["photo"]
    ).pooled
    names = ["f1", "precision", "recall", "count_error", "mean_absolute_count_error"]
    return {name: float(pooled[name]) for name in names}


def measure_nih(folder, crops, counts):
    places = json.loads((folder / "crops.json").read_text())
    known = pd.read_csv(counts).set_index("photo")["cells"] if counts else {}
    archive = zipfile.ZipFile(crops)
    members = {Path(name).name: name for name in archive.namelist()}
    rows, published, ours, measures = [], [], [], {}
    for name, cells in places.items():
        start = time.perf_counter()
        photo = read_photo(folder / f"{name}.jpg")
        labels, table = find_cells(photo)
        seconds = time.perf_counter() - start
        expected = [n for photo_name, n in known.items() if photo_name.endswith(name)]
        measures[name] = f"{len(table)} cells for {expected}, {seconds:.2f} s"
        boxes = [[cell[side] for side in BOX] for cell in cells]
        matches = match_boxes(boxes, table[BOX])
        found = dict(zip(matches["true"], matches["pred"], strict=True))
        for place, cell in enumerate(cells):
            data = np.frombuffer(archive.read(members[cell["file"]]), np.uint8)
            crop = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)
            iou = mask_iou(labels, crop.max(axis=2) > NOT_BLACK, cell)
            rows.append((cell["label"], place in found, iou))
            if place in found:
                published.append(crop)
                ours.append(cut(photo, labels, table.iloc[found[place]]))
    rows = pd.DataFrame(rows, columns=["label", "found", "iou"])
    pipeline = load_pretrained()
    first, second = (pipeline.predict_proba(crops)[:, 1] for crops in (published, ours))
    rows.loc[rows["found"], "difference"] = abs(first - second)
    for label, group in [*rows.groupby("label"), ("all", rows)]:
        measures[f"{label} crops found"] = f"{group['found'].sum()} of {len(group)}"
        measures[f"{label} median mask iou"] = float(group["iou"].median())
        difference = float(group["difference"].median())
        measures[f"{label} median difference"] = difference
    return measures


def cut(photo, labels, cell):
    """Cut a cell out of a photograph, black outside its outline."""
    x, y, width, height = cell[BOX].to_numpy(dtype=int)
    window = np.s_[y : y + height, x : x + width]
    return photo[window] * (labels[window] == cell["label"])[..., None]


def mask_iou(labels, mask, cell):
    """Return the overlap of a published mask with the region that covers most of it."""
    y, x = cell["y"], cell["x"]
    window = labels[y : y + cell["height"], x : x + cell["width"]]
    shared = np.bincount(window[mask], minlength=2)
    shared[0] = 0
    label = shared.argmax()
    if shared[label] == 0:
        return 0.0
    union = mask.sum() + np.count_nonzero(labels == label) - shared[label]
    return float(shared[label] / union)


if __name__ == "__main__":
    main()
