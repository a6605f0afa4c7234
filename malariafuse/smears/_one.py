"""Segmentation of one photograph, with a cache."""

import hashlib
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from malariafuse._files._kept import KeptResults
from malariafuse._images import image_digest
from malariafuse._version import __version__
from malariafuse.smears._cells import PhotoCells, cut_cells
from malariafuse.smears._find import Segmenter, find_cells, is_plain
from malariafuse.smears._photo import check_photo, read_content, read_photo
from malariafuse.smears._views import Views

# Part of every key. Increase it if the same photograph gives different cells.
_CACHE_FORMAT = 1


@dataclass(frozen=True)
class Settings:
    """Parameters of `load_smear_photos` on which the cells of a photograph depend."""

    segmenter: Segmenter
    image_size: tuple[int, int]
    keep_aspect: bool
    keep_flagged: bool
    upright: bool
    despite_problems: bool

    def key(self) -> str | None:
        """Return the cache key of the settings, or None if they cannot be compared."""
        if not is_plain(self.segmenter):
            return None
        values = {**vars(self), "segmenter": self.segmenter.get_params()}
        versions = _CACHE_FORMAT, __version__, cv2.__version__
        return repr((sorted(values.items()), versions))


def find_photo_cells(
    item: Any, name: str, settings: Settings, kept: KeptResults
) -> PhotoCells:
    """Return the cells of a photograph, an array or an argument of `read_photo`."""
    is_array = isinstance(item, np.ndarray)
    given: Any = check_photo(item, name) if is_array else read_content(item)

    def find() -> PhotoCells:
        photo = given if is_array else read_photo(given, upright=settings.upright)
        return _find(photo, settings)

    key = settings.key()
    if key is None or not kept.keeps:
        return find()
    digest = hashlib.sha256(f"{key}{given.shape if is_array else ''}".encode())
    digest.update(given.data if is_array else given)
    return kept.find_or_make(digest.hexdigest(), find)


def _find(photo: Any, settings: Settings) -> PhotoCells:
    found = find_cells(
        Views(photo), settings.segmenter, despite_problems=settings.despite_problems
    )
    regions, table = found.regions, found.table
    n_flagged = int((table["flag"] != "").sum())
    if not settings.keep_flagged:
        kept = table["flag"] == ""
        table, regions = table[kept], [regions[row] for row in np.flatnonzero(kept)]
    images, masks = cut_cells(
        photo,
        regions,
        image_size=settings.image_size,
        keep_aspect=settings.keep_aspect,
    )
    return PhotoCells(
        images,
        table,
        masks,
        photo.shape[:2],
        n_flagged,
        found.quality,
        image_digest(photo),
    )
