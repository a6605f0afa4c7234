"""Reading and preprocessing, against the loops that a notebook would have."""

import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from _timing import Row, in_turn, seconds
from _training import images_of
from PIL import Image

from malariafuse import GaussianSmoother, HSVConverter
from malariafuse.datasets import load_cell_images


def rows(settings):
    yield from reading(settings)
    yield from preprocessing(settings)


def reading(settings):
    with TemporaryDirectory() as folder:
        unpacked = Path(folder, "cells")
        if settings.data is None:
            cells = settings.cells(40)
            for image, target, name in zip(
                cells.images, cells.target, cells.filenames, strict=True
            ):
                file = unpacked / ("Uninfected", "Parasitized")[target] / name
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(image).save(file)
        else:
            with zipfile.ZipFile(settings.data) as archive:
                archive.extractall(unpacked)
        files = sorted(unpacked.rglob("*.png"))
        path = files[0].parents[1]

        def read():
            load_cell_images(path, image_size=(64, 64), cache=False)

        def loop():
            images = []
            for file in files:
                with Image.open(file) as image:
                    images.append(np.array(image.convert("RGB").resize((64, 64))))
            return np.array(images)

        ratio, details = in_turn(read, loop, settings.repeats)
        what = f"read {len(files)} {settings.kind_of_cells} cells, 64 px"
        yield Row(what, "a loop with Pillow", ratio, 2.9, details=details)

        def from_cache():
            cells = load_cell_images(
                path, image_size=(64, 64), cache=Path(folder, "cache")
            )
            # The map alone reads nothing.
            np.array(cells.images)

        seconds(from_cache)
        ratio, details = in_turn(from_cache, loop, settings.repeats)
        yield Row(f"{what}, again", "a loop with Pillow", ratio, 30, details=details)


def preprocessing(settings):
    n_samples = settings.pick(27558, 64)
    images, _ = images_of(n_samples, 64)
    tall = images.reshape(-1, 64, 3)
    converter, smoother = HSVConverter().fit(images), GaussianSmoother().fit(images)

    def hsv_loop():
        return np.array([cv2.cvtColor(image, cv2.COLOR_RGB2HSV) for image in images])

    def smoothing_loop():
        return np.array([cv2.GaussianBlur(image, (5, 5), 0) for image in images])

    of = f"{n_samples} images, 64 px"
    for work, ours, alternative, theirs, wanted in (
        (
            "HSV",
            lambda: converter.transform(images),
            "one bare OpenCV call",
            lambda: cv2.cvtColor(tall, cv2.COLOR_RGB2HSV_FULL),
            1 / 1.2,
        ),
        ("HSV", lambda: converter.transform(images), "a loop", hsv_loop, 2),
        (
            "Gaussian 5 x 5",
            lambda: smoother.transform(images),
            "a loop",
            smoothing_loop,
            1 / 0.75,
        ),
    ):
        ratio, details = in_turn(ours, theirs, settings.repeats)
        yield Row(f"{work}, {of}", alternative, ratio, wanted, details=details)
