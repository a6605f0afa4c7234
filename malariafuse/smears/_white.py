"""Detection of white blood cells by their nuclei."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from malariafuse.smears._foreground import disk
from malariafuse.smears._regions import Labels
from malariafuse.smears._stain import Stain

# Lengths are in diameters of a red cell, areas in areas of a disk of that diameter.
_DARK = 2.0  # minimum ratio to the stain of a typical red cell, summed over R, G and B
_THINNEST = 0.15
_LOBES = 0.2  # half of the distance between lobes of one nucleus
_SMALLEST = 0.45
_CYTOPLASM = 0.25  # width of the zone around the nucleus
_SHARE = 0.5  # minimum fraction of a region inside the zone of a white cell


def find_white_cells(stain: Stain, cells: NDArray[np.bool_], diameter: float) -> Labels:
    """Label the zones around nuclei of white cells, starting at 1."""
    nothing = np.zeros(cells.shape, dtype=np.int32)
    if not cells.any():
        return nothing
    density = stain.density.sum(axis=2)
    dark = (density > _DARK * float(np.median(density[cells]))) & (stain.field > 0)
    nuclei = cv2.morphologyEx(
        dark.astype(np.uint8), cv2.MORPH_OPEN, disk(_THINNEST * diameter)
    )
    if not nuclei.any():
        return nothing
    around = cv2.dilate(nuclei, disk(2 * _LOBES * diameter))
    _, labels = cv2.connectedComponents(around)
    areas = np.bincount(labels.ravel(), nuclei.ravel())
    areas[0] = 0
    kept = areas >= _SMALLEST * np.pi / 4 * diameter**2
    nuclei = np.where(kept[labels], nuclei, 0)
    _, zones = cv2.connectedComponents(
        cv2.dilate(nuclei, disk(2 * _CYTOPLASM * diameter))
    )
    return zones.astype(np.int32)


def zone_of(labels: NDArray[Any], zones: Labels) -> NDArray[np.int64]:
    """Return the white cell that contains most of each label, or 0."""
    number, n_zones = int(labels.max()) + 1, int(zones.max()) + 1
    shared = np.bincount(
        (labels.astype(np.int64) * n_zones + zones).ravel(),
        minlength=number * n_zones,
    ).reshape(number, n_zones)
    areas = shared.sum(axis=1)
    shared[:, 0] = 0
    zone = shared.argmax(axis=1)
    zone[shared.max(axis=1) < _SHARE * areas] = 0
    zone[0] = 0
    return zone


def join_white_cells(labels: Labels, zones: Labels) -> Labels:
    """Merge the regions of each white cell into one label."""
    if not zones.any():
        return labels
    zone = zone_of(labels, zones)
    new = np.arange(len(zone))
    for white in np.unique(zone[zone > 0]):
        new[zone == white] = np.flatnonzero(zone == white)[0]
    return new.astype(np.int32)[labels]
