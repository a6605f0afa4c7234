r"""Measure what a CellOutlierDetector refuses, of cells and of everything else.

    python benchmarks/outliers.py cell_images.zip --photographs skimage/data \
        --blood blood --other-laboratory iml

Every fold fits a detector on some patients. Prints, over all folds,

1. the share refused of what is no single stained red cell: crops of photographs that
   scikit-learn ships and of those in ``--photographs``, noise, plain colors, gradients,
   checkerboards, white cells and groups of red cells of ``--blood`` (a folder with
   images and ``annotations.csv``: image, xmin, ymin, xmax, ymax in fractions of the
   side, label "rbc" or "wbc"), and cells of the other patients that are inverted, gray,
   of another hue, or blurred; each filling the crop, within an ellipse on black, and as
   ``BackgroundMasker(on_error="keep")`` leaves it, or within the outline of the cell;
   masked groups also apart, by whether one whole cell is left, which is about the
   ellipse in one of the two boxes;
2. the share refused of the real cells of the other patients;
3. that of the cells of another laboratory (``--other-laboratory``, a folder with
   photographs and ``annotations.json``), cut by their boxes and masked.

Without data, or with ``--tiny``, drawn cells show that everything runs; the numbers
mean nothing then.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from _photographs import annotated, cut, masked
from sklearn.datasets import load_sample_images
from sklearn.model_selection import GroupKFold

from malariafuse import CellOutlierDetector, SpotFeatureExtractor
from malariafuse.datasets import load_cell_images, make_cell_images

BLURS = (2, 3, 4, 6)  # standard deviations in pixels, at 48 pixels
MARGIN = 0.08  # around the boxes of cells
SAME = 0.75  # of the union of two areas, from which on they are of one cell


def resized(image, size):
    shrinks = min(image.shape[:2]) >= size
    return cv2.resize(
        np.ascontiguousarray(image),
        (size, size),
        interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR,
    )


def read(file):
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    return cv2.imread(str(file), flags)


def colors(n, random):
    return random.integers(0, 256, (n, 1, 1, 3)).astype(float)


def photographs(folder, n, size, random):
    """Cut squares of all sizes out of photographs."""
    images = list(load_sample_images().images)
    if folder is not None:
        files = sorted(f for f in folder.iterdir() if f.suffix in {".png", ".jpg"})
        images += [image for file in files if (image := read(file)) is not None]
    crops = []
    for _ in range(n):
        image = images[random.integers(len(images))]
        side = int(np.exp(random.uniform(np.log(24), np.log(300))))
        side = min(side, *image.shape[:2])
        top, left = (random.integers(length - side + 1) for length in image.shape[:2])
        crops.append(resized(image[top : top + side, left : left + side], size))
    return np.array(crops)


def noise(n, size, random):
    """Return noise of several grains, colored and gray."""
    crops = []
    for i, color in enumerate(colors(n, random)):
        pixels = random.normal(size=(size, size, 3 if i % 2 else 1))
        grain = (0, 0, 1, 2, 4)[i % 5]
        if grain:
            pixels = cv2.GaussianBlur(pixels, (0, 0), grain).reshape(pixels.shape)
        pixels = color + random.uniform(10, 80) * pixels / pixels.std()
        crops.append(np.clip(pixels, 0, 255))
    return np.array(crops).astype(np.uint8)


def plain(n, size, random):
    """Return plain colors, half of them as cells have."""
    any_color, pink = (
        colors(n, random),
        random.normal((200, 140, 150), 15, (n, 1, 1, 3)),
    )
    chosen = np.where(np.arange(n)[:, None, None, None] % 2, any_color, pink)
    return np.tile(np.clip(chosen, 0, 255), (1, size, size, 1)).astype(np.uint8)


def gradients(n, size, random):
    y, x = np.mgrid[:size, :size] / (size - 1)
    crops = []
    for i, (one, other) in enumerate(
        zip(colors(n, random), colors(n, random), strict=True)
    ):
        angle = random.uniform(0, 2 * np.pi)
        along = np.cos(angle) * x + np.sin(angle) * y
        slope = along if i % 2 else np.hypot(x - 0.5, y - 0.5)
        slope = (slope - slope.min()) / np.ptp(slope)
        crops.append(one + (other - one) * slope[..., None])
    return np.array(crops).astype(np.uint8)


def checkerboards(n, size, random):
    crops = []
    for one, other in zip(colors(n, random), colors(n, random), strict=True):
        field = np.arange(size) // random.integers(1, size // 4 + 1)
        crops.append(np.where((field[:, None] + field)[..., None] % 2, one, other))
    return np.array(crops).astype(np.uint8)


def blood(folder, n, size, random):
    """Return white cells, pairs of red cells whose boxes touch, and these boxes.

    Boxes are ymin, xmin, ymax, xmax in pixels of the crop, shape (n_pairs, 2, 4).
    """
    white, groups, boxes_of = [], [], []
    for name, boxes in pd.read_csv(folder / "annotations.csv").groupby("image"):
        image = read(folder / name)
        sides = np.array(image.shape[:2])

        def cut_out(low, high, image=image, sides=sides):
            margin = MARGIN * (high - low)
            first = np.maximum((low - margin) * sides, 0).astype(int)
            last = ((high + margin) * sides).astype(int) + 1
            crop = image[first[0] : last[0], first[1] : last[1]]
            return resized(crop, size), first, size / np.array(crop.shape[:2])

        lows = boxes[["ymin", "xmin"]].to_numpy()
        highs = boxes[["ymax", "xmax"]].to_numpy()
        is_red = boxes["label"].to_numpy() == "rbc"
        white += [
            cut_out(low, high)[0]
            for low, high in zip(lows[~is_red], highs[~is_red], strict=True)
        ]
        red = np.flatnonzero(is_red)
        for i in red:
            for j in red[red > i]:
                overlap = np.minimum(highs[i], highs[j]) - np.maximum(lows[i], lows[j])
                smaller = min(np.prod(highs[k] - lows[k]) for k in (i, j))
                if (overlap > 0.01).all() and np.prod(overlap) < 0.3 * smaller:
                    low = np.minimum(lows[i], lows[j])
                    crop, first, zoom = cut_out(low, np.maximum(highs[i], highs[j]))
                    groups.append(crop)
                    corners = np.stack([lows[[i, j]], highs[[i, j]]], axis=1)
                    boxes_of.append(((corners * sides - first) * zoom).reshape(2, 4))
    chosen = random.permutation(len(groups))[:n]
    return np.array(white), np.array(groups)[chosen], np.array(boxes_of)[chosen]


def shows_one_cell(cell, boxes):
    """Whether what is left on black is about the ellipse in one of the boxes."""
    left = cell.max(axis=-1) > 10
    y, x = np.mgrid[: cell.shape[0], : cell.shape[1]] + 0.5
    for top, left_side, bottom, right in boxes:
        down = (2 * y - top - bottom) / (bottom - top)
        across = (2 * x - left_side - right) / (right - left_side)
        ellipse = down**2 + across**2 <= 1
        if (left & ellipse).sum() >= SAME * (left | ellipse).sum():
            return True
    return False


def other_laboratory(folder, n, size, random):
    """Return masked cells of photographs, none of those marked as difficult."""
    crops = []
    for file, boxed in annotated(folder):
        image = read(file)
        crops += [cut(image, box, MARGIN)[0] for _, box in boxed]
    crops = [crop for crop in crops if min(crop.shape[:2]) >= 10]
    cells = []
    for i in random.permutation(len(crops))[:n]:
        cell = masked(crops[i])
        rows, columns = np.nonzero(cell.max(axis=-1))
        cell = cell[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        cells.append(resized(cell, size))
    return np.array(cells)


def within_ellipse(crops, random):
    results = []
    for crop in crops:
        half = crop.shape[0] // 2
        axes = random.integers(3 * half // 4, half + 1, 2).tolist()
        mask = np.zeros(crop.shape[:2], dtype=np.uint8)
        cv2.ellipse(mask, (half, half), axes, 0, 0, 360, 1, cv2.FILLED)
        results.append(crop * mask[..., None])
    return np.array(results)


def hue_turned(cells, degrees):
    turned = []
    for cell in cells:
        hsv = cv2.cvtColor(cell, cv2.COLOR_RGB2HSV)
        hsv[..., 0] = (hsv[..., 0].astype(int) + degrees // 2) % 180
        turned.append(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB))
    return np.array(turned)


def gray(cells):
    return np.array(
        [
            cv2.cvtColor(cv2.cvtColor(cell, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
            for cell in cells
        ]
    )


def blurred(cells, sigma, *, outside):
    """Blur cells, with the black around them or without it."""
    sigma, results = sigma * cells.shape[1] / 48, []
    for cell in cells:
        weight = (cell.max(axis=-1) > 10).astype(np.float32)[..., None]
        pixels = cell.astype(np.float32)
        blur = cv2.GaussianBlur(pixels, (0, 0), sigma)
        if not outside:
            around = cv2.GaussianBlur(weight, (0, 0), sigma)[..., None]
            blur = blur / (around + 1e-3) * weight
        results.append(np.clip(blur, 0, 255).astype(np.uint8))
    return np.array(results)


def no_cells(arguments, size, random):
    """Return what looks the same for all folds."""
    n = arguments.per_kind
    kinds = {
        "photographs": photographs(arguments.photographs, n, size, random),
        "noise": noise(n, size, random),
        "plain colors": plain(n, size, random),
        "gradients": gradients(n, size, random),
        "checkerboards": checkerboards(n, size, random),
    }
    if arguments.blood is not None:
        white, groups, boxes = blood(arguments.blood, n, size, random)
        kinds |= {"white cells": white, "groups of red cells": groups}
    found = {key: crops for kind in kinds for key, crops in forms(kind, kinds, random)}
    if arguments.blood is not None:
        # The masker often leaves one whole cell of a group, which is none to refuse.
        left = found["groups of red cells", "masked"]
        is_one = np.array(
            [shows_one_cell(*pair) for pair in zip(left, boxes, strict=True)]
        )
        for what, chosen in (("one cell", is_one), ("more or less", ~is_one)):
            if chosen.any():
                found["groups of red cells", f"masked, {what} left"] = left[chosen]
    return found


def forms(kind, kinds, random):
    yield (kind, "whole crop"), kinds[kind]
    yield (kind, "ellipse"), within_ellipse(kinds[kind], random)
    yield (kind, "masked"), np.array([masked(crop) for crop in kinds[kind]])


def altered(cells, random):
    """Return cells that are not as they should be."""
    outlines = cells.max(axis=-1, keepdims=True) > 10
    inverted = {"inverted": 255 - cells}
    results = dict(forms("inverted", inverted, random))
    results["inverted", "outline"] = inverted["inverted"] * outlines
    changed = {
        "gray": gray(cells),
        "red and blue swapped": np.ascontiguousarray(cells[..., ::-1]),
        "hue +90 degrees": hue_turned(cells, 90),
        "hue -90 degrees": hue_turned(cells, 270),
        "hue 180 degrees": hue_turned(cells, 180),
    }
    for kind, crops in changed.items():
        results[kind, "outline"] = crops
        results[kind, "ellipse"] = within_ellipse(crops, random)
    for sigma in BLURS:
        kind = f"blur of {sigma} of 48 pixels"
        inside = blurred(cells, sigma, outside=False)
        results[kind, "whole crop"] = blurred(cells, sigma, outside=True)
        results[kind, "outline"] = inside
        results[kind, "ellipse"] = within_ellipse(inside, random)
    return results


def measured(arguments):
    """Return a row for each fold, kind and form."""
    random = np.random.default_rng(arguments.seed)
    size = arguments.image_size
    if arguments.data is None or arguments.tiny:
        cells = make_cell_images(400, 10, image_size=(size, size), random_state=0)
    else:
        cells = load_cell_images(arguments.data, image_size=(size, size))
    fixed = no_cells(arguments, size, random)
    if arguments.other_laboratory is not None:
        key = ("cells of another laboratory", "masked")
        fixed[key] = other_laboratory(
            arguments.other_laboratory, arguments.train, size, random
        )
    images, groups = np.asarray(cells.images), np.asarray(cells.groups)
    rows = []
    splitter = GroupKFold(arguments.folds, shuffle=True, random_state=arguments.seed)
    for fold, (train, test) in enumerate(splitter.split(images, groups=groups)):
        detector = CellOutlierDetector(
            contamination=arguments.contamination,
            features=SpotFeatureExtractor(n_jobs=arguments.jobs),
        ).fit(images[random.permutation(train)[: arguments.train]])
        test = random.permutation(test)[: arguments.train]
        of_fold = {
            **fixed,
            **altered(images[test[: arguments.per_kind]], random),
            ("cells of other patients", "as they are"): images[test],
        }
        for (kind, form), crops in of_fold.items():
            distances = detector.distances(crops)
            refused = distances.max(axis=1) > -detector.offset_
            rows.append(
                {
                    "fold": fold,
                    "kind": kind,
                    "form": form,
                    "n": len(crops),
                    "refused": refused.mean(),
                    "mainly for": distances[refused].idxmax(axis=1).mode().iloc[0]
                    if refused.any()
                    else "",
                }
            )
        print(f"fold {fold}: offset_ {detector.offset_:.3f}", flush=True)
    return pd.DataFrame(rows)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, nargs="?", help="the NIH cell images")
    parser.add_argument("--photographs", type=Path, help="folder of PNG and JPEG files")
    parser.add_argument("--blood", type=Path, help="folder with annotations.csv")
    parser.add_argument("--other-laboratory", type=Path)
    parser.add_argument("--contamination", type=float, default=0.01)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--train", type=int, help="cells at most, to fit and to test")
    parser.add_argument("--per-kind", type=int, default=200)
    parser.add_argument("--image-size", type=int, default=48)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tiny", action="store_true", help="see that everything runs")
    arguments = parser.parse_args()
    if arguments.tiny:
        arguments.folds, arguments.per_kind = 2, 8

    table = measured(arguments)
    table = table.groupby(["kind", "form"], sort=False).agg(
        n=("n", "mean"),
        refused=("refused", "mean"),
        least=("refused", "min"),
        most=("refused", "max"),
        mainly_for=("mainly for", "first"),
    )
    print("\nshares refused, mean and range over the folds")
    print(table.round({"n": 0, "refused": 4, "least": 4, "most": 4}).to_string())
    real = table.index.get_level_values("kind").str.startswith("cells of")
    part = table.index.get_level_values("form").str.startswith("masked, ")
    refused = table.loc[~real & ~part, "refused"]
    print("\nmean of what is no cell:", round(refused.mean(), 4))


if __name__ == "__main__":
    main()
