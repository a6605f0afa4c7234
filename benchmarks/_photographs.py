"""Crops of photographs in which all cells are boxed."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from malariafuse import BackgroundMasker
from malariafuse._files._decode import decode_image
from malariafuse._files._resize import resize_image

# Of the side of the box, beyond each of its sides: BackgroundMasker has to see plasma.
MARGIN = 0.1
UNINFECTED = "red blood cell"
LEFT_OUT = ("difficult",)


@dataclass
class Crops:
    """Cells of photographs, cut and masked in several ways.

    Attributes
    ----------
    masked : list of ndarray
        By `BackgroundMasker`, then resized.
    masked_small : list of ndarray
        Resized, then masked by `BackgroundMasker`, as a pipeline from files does it.
    ellipse : list of ndarray
        By the ellipse inscribed in the box, then resized.
    target : list of int
        1 for any kind of parasite.
    photographs, kinds : list of str
        Name of the photograph and annotation of each cell.
    """

    masked: list = field(default_factory=list)
    masked_small: list = field(default_factory=list)
    ellipse: list = field(default_factory=list)
    target: list = field(default_factory=list)
    photographs: list = field(default_factory=list)
    kinds: list = field(default_factory=list)


def read_crops(folder, size):
    """Cut all cells of ``annotations.json`` and resize them as the loader does.

    The file lists photographs, each with its ``image_name`` and ``objects`` of a
    ``type`` and a ``bbox`` with ``x``, ``y``, ``w`` and ``h``.
    """
    crops = Crops()
    for file, cells in annotated(folder):
        photograph = decode_image(file.read_bytes())
        for kind, box in cells:
            crop, inside = cut(photograph, box)
            crops.masked.append(resize_image(masked(crop), size, keep_aspect=False))
            resized = resize_image(crop, size, keep_aspect=False)
            crops.masked_small.append(masked(resized))
            on_black = crop * inside[..., None]
            crops.ellipse.append(resize_image(on_black, size, keep_aspect=False))
            crops.target.append(int(kind != UNINFECTED))
            crops.photographs.append(file.name)
            crops.kinds.append(kind)
    return crops


def annotated(folder):
    """Yield the path of each photograph, and the kind and the box of its cells."""
    for entry in json.loads(Path(folder, "annotations.json").read_text()):
        yield (
            Path(folder, entry["image_name"]),
            [
                (cell["type"], [int(cell["bbox"][side]) for side in "xywh"])
                for cell in entry["objects"]
                if cell["type"] not in LEFT_OUT
            ],
        )


def cut(photograph, box, margin=MARGIN):
    """Cut a box with its margin, and the ellipse that fits into the box alone.

    Returns
    -------
    crop : ndarray of shape (height, width, 3)
        Less than the margin shows where the photograph ends.
    inside : ndarray of shape (height, width), bool
        The ellipse.
    """
    x, y, width, height = box
    left, top = x - round(margin * width), y - round(margin * height)
    right, bottom = 2 * x + width - left, 2 * y + height - top
    columns = slice(max(left, 0), min(right, photograph.shape[1]))
    rows = slice(max(top, 0), min(bottom, photograph.shape[0]))
    across = (np.arange(columns.start, columns.stop) - x + 0.5) / width * 2 - 1
    down = (np.arange(rows.start, rows.stop) - y + 0.5) / height * 2 - 1
    inside = across**2 + down[:, None] ** 2 <= 1
    return photograph[rows, columns], inside


def masked(crop):
    return BackgroundMasker(on_error="keep").fit_transform(crop[None])[0]


def write_drawn(cells, folder):
    """Write a photograph of drawn cells with natural background, and their boxes."""
    height, width = cells.images.shape[1:3]
    columns = int(np.ceil(np.sqrt(len(cells.images))))
    photograph = np.zeros((height * columns, width * columns, 3), dtype=np.uint8)
    objects = []
    for i, (image, target) in enumerate(zip(cells.images, cells.target, strict=True)):
        x, y = i % columns * width, i // columns * height
        photograph[y : y + height, x : x + width] = image
        box = {"x": x, "y": y, "w": width, "h": height}
        objects.append({"type": "ring" if target else UNINFECTED, "bbox": box})
    photograph[photograph.max(axis=-1) < 10] = 230
    cv2.imwrite(str(Path(folder, "drawn.png")), photograph[..., ::-1])
    Path(folder, "annotations.json").write_text(
        json.dumps([{"image_name": "drawn.png", "objects": objects}])
    )
