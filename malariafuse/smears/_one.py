"""One photograph to its cells, now or from a cache."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from filelock import FileLock
from joblib import Memory

from malariafuse._images import image_digest
from malariafuse._version import __version__
from malariafuse.smears._cells import PhotoCells, cut_cells
from malariafuse.smears._find import Segmenter, find_cells, is_plain
from malariafuse.smears._photo import check_photo, read_content, read_photo
from malariafuse.smears._views import Views


@dataclass(frozen=True)
class Settings:
    """Parameters of `load_smear_photos` that the cells of a photograph depend on."""

    segmenter: Segmenter
    image_size: tuple[int, int]
    keep_aspect: bool
    keep_flagged: bool
    upright: bool
    despite_problems: bool

    def key(self) -> str | None:
        """Return what tells settings apart, None if nothing does."""
        if not is_plain(self.segmenter):
            return None
        values = {**vars(self), "segmenter": self.segmenter.get_params()}
        return repr((sorted(values.items()), __version__, cv2.__version__))


class CellCache:
    """The cells of photographs in a `joblib.Memory`."""

    def __init__(self, memory: Memory) -> None:
        self._kept = memory.cache(_kept, ignore=["find"])
        self._lock = None
        if memory.location is not None:
            folder = Path(memory.location) / "malariafuse-locks"
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = folder / "smears.lock"

    def through(self, key: str, find: Callable[[], PhotoCells]) -> PhotoCells:
        """Return the cells that are kept under a key, or find and keep them."""
        if self._lock is None:
            return find()
        # joblib writes one file for all of its entries, and threads find in parallel.
        with FileLock(self._lock):
            if self._kept.check_call_in_cache(key, find):
                return self._kept(key, find)
        found = find()
        with FileLock(self._lock):
            return self._kept(key, lambda: found)


def find_photo_cells(item: Any, settings: Settings, cache: CellCache) -> PhotoCells:
    """Return the cells of a photograph that is an array or what `read_photo` takes."""
    if isinstance(item, np.ndarray):
        photo = check_photo(item)
        content = f"{photo.shape}".encode() + image_digest(photo)
    else:
        data = read_content(item)
        content = data

    def find() -> PhotoCells:
        if isinstance(item, np.ndarray):
            return _find(photo, settings)
        return _find(read_photo(data, upright=settings.upright), settings)

    key = settings.key()
    if key is None:
        return find()
    return cache.through(hashlib.sha256(content + key.encode()).hexdigest(), find)


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


def _kept(key: str, find: Callable[[], PhotoCells]) -> PhotoCells:
    return find()
