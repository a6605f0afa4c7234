"""The sets of images of the yardsticks, built once and kept in a folder."""

from functools import cached_property, partial

import numpy as np
import pandas as pd
from _corruptions import KINDS, corrupted
from _masks import dilated, elliptic, eroded, natural
from _photographs import masked, read_crops
from joblib import Parallel, delayed

from malariafuse import SpotFeatureExtractor
from malariafuse._files._decode import decode_image
from malariafuse._files._resize import resize_image
from malariafuse.datasets._classes import check_classes
from malariafuse.datasets._sources import list_source

_PIXELS = (1, 2, 3)  # of a mask of 64 pixels across
_SEVERITIES = (1, 3)
_PATCH = 64

CLEAN = "folds/clean"
PHOTOGRAPHS = ("masked", "masked_small", "ellipse")


def _recut(images, random, function):
    """Mask one image anew and cut it along its mask, as the NIH crops are cut."""
    height, width = (side // 8 for side in images.shape[1:3])
    wider = np.pad(images, [(0, 0), (height, height), (width, width), (0, 0)])
    changed = function(wider, random=random)
    lit = changed[0].any(axis=-1)
    if not lit.any():
        return images
    rows, columns = (np.flatnonzero(lit.any(axis=axis)) for axis in (1, 0))
    return changed[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _masked_again(images, random):
    return np.array([masked(image) for image in natural(images, random)])


# Functions of an image in its original size, (1, height, width, 3), and `random`.
MASKS = {
    **{
        f"{function.__name__}_{n}": partial(
            _recut, function=partial(function, share=n / 64)
        )
        for function in (eroded, dilated)
        for n in _PIXELS
    },
    "ellipse": partial(_recut, function=elliptic),
    "natural": natural,
    "natural_masked": _masked_again,
}
CORRUPTIONS = {
    f"{kind}_{severity}": partial(corrupted, kind=kind, severity=severity)
    for kind in KINDS
    for severity in _SEVERITIES
}


def read_originals(path):
    """Return the images that `load_cell_images` resizes, in the same order."""
    listing = list_source(path, classes=check_classes(None), labels=True)
    with listing.reader() as read:
        return [decode_image(read(name)) for name in listing.names]


class ImageSets:
    """All cells of the folds and of the photographs, in every variant.

    Parameters
    ----------
    cells : Bunch
        The cells of the folds as `load_cell_images` gives them.
    originals : callable
        Returns the same cells in their original sizes.
    photographs : path or None
        Folder of photographs with ``annotations.json``.
    folder : Path
        Where the sets and the features of their images are kept.
    step : int
        Masks and corruptions are those of every `step`-th cell.
    n_jobs : int
        Number of processes.
    """

    def __init__(self, cells, originals, photographs, folder, *, step, n_jobs):
        self.cells, self.photographs = cells, photographs
        self.folder, self.step, self.n_jobs = folder, step, n_jobs
        self._read_originals = originals
        folder.mkdir(parents=True, exist_ok=True)

    def names(self, yardsticks):
        """Return the names of the sets of some yardsticks, such as "masks/natural"."""
        variants = {
            "folds": ("clean",),
            "photographs": PHOTOGRAPHS if self.photographs else (),
            "masks": MASKS,
            "corruptions": CORRUPTIONS,
        }
        return [f"{key}/{name}" for key in yardsticks for name in variants[key]]

    def positions(self, name, rows):
        """Return where the images of some cells are in a set, as far as they are."""
        if name.startswith("folds/"):
            return rows
        return rows[rows % self.step == 0] // self.step

    def images(self, name):
        """Return the images of a set, resized."""
        yardstick, variant = name.split("/")
        if yardstick == "folds":
            return self.cells.images
        file = self._file(name, "images")
        if not file.exists():
            if yardstick == "photographs":
                self._cut_photographs()
            else:
                self._vary(file, (MASKS | CORRUPTIONS)[variant])
        return np.load(file, mmap_mode="r")

    def features(self, name):
        """Return what SpotFeatureExtractor says of the images of a set."""
        file = self._file(name, "features")
        if not file.exists():
            extractor = SpotFeatureExtractor(n_jobs=self.n_jobs)
            _save(file, extractor.fit_transform(np.asarray(self.images(name))))
        return np.load(file)

    @cached_property
    def annotations(self):
        """Photograph, kind and target of each cell of the photographs."""
        self.images("photographs/masked")
        return pd.read_csv(self.folder / "photographs.csv")

    @cached_property
    def _originals(self):
        return self._read_originals()[:: self.step]

    def _file(self, name, what):
        return self.folder / f"{name.replace('/', '_')}_{what}.npy"

    def _vary(self, file, function):
        size = self.cells.images.shape[1:3]
        originals = self._originals
        starts = range(0, len(originals), _PATCH)
        blocks = Parallel(self.n_jobs)(
            delayed(_variants)(function, originals[start : start + _PATCH], start, size)
            for start in starts
        )
        _save(file, np.concatenate(blocks))

    def _cut_photographs(self):
        crops = read_crops(self.photographs, self.cells.images.shape[1:3])
        pd.DataFrame(
            {
                "photograph": crops.photographs,
                "kind": crops.kinds,
                "target": crops.target,
            }
        ).to_csv(self.folder / "photographs.csv", index=False)
        for name in PHOTOGRAPHS:
            images = np.array(getattr(crops, name))
            _save(self._file(f"photographs/{name}", "images"), images)


def _variants(function, originals, start, size):
    """Vary each image by numbers of its own, whatever is computed together."""
    return np.array(
        [
            resize_image(
                function(image[None], random=np.random.default_rng(start + i))[0],
                size,
                keep_aspect=False,
            )
            for i, image in enumerate(originals)
        ]
    )


def _save(file, array):
    # A killed process leaves no half of a file under its name.
    unfinished = file.with_suffix(".part")
    with unfinished.open("wb") as stream:
        np.save(stream, array)
    unfinished.replace(file)
