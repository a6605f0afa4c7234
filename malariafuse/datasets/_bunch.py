"""Result of `load_cell_images`."""

import numpy as np
from numpy.typing import NDArray

from malariafuse._bunch import Bunch
from malariafuse._files._read import CellIndex, describe_refused
from malariafuse.datasets._classes import Classes
from malariafuse.datasets._duplicates import describe_duplicates, duplicate_table
from malariafuse.datasets._groups import (
    PatientOf,
    describe_patients_on_both_sides,
    find_groups,
)
from malariafuse.datasets._listing import Listing


def make_bunch(
    images: NDArray[np.uint8],
    index: CellIndex,
    listing: Listing,
    classes: Classes,
    patient_of: PatientOf,
) -> tuple[Bunch, list[str]]:
    """Return the result of `load_cell_images`, and its warnings."""
    listing = listing.without(index.refused)
    remarks = list(listing.remarks)
    if index.refused:
        remarks.append(f"Skipped: {describe_refused(index.refused)}")
    target = (
        None if listing.target is None else np.array(listing.target, dtype=np.int64)
    )
    split = None if listing.split is None else np.array(listing.split)
    groups = find_groups(listing, patient_of, classes, remarks)
    filenames = np.array(listing.names)
    if groups is not None and split is not None:
        remarks += describe_patients_on_both_sides(groups, split)
    duplicates = duplicate_table(
        index.same_pixels,
        path=filenames,
        label=target,
        patient=groups,
        split=split,
    )
    twice = [position for found in index.same_file for position in found]
    duplicates.insert(3, "same_file", duplicates["position"].isin(twice))
    remarks += describe_duplicates(duplicates)
    cells = Bunch(
        images=images,
        target=target,
        groups=groups,
        split=split,
        filenames=filenames,
        target_names=None if target is None else list(classes.names),
        refused=index.refused,
        duplicates=duplicates,
        DESCR=_describe(images, target, classes),
    )
    return cells, remarks


def _describe(
    images: NDArray[np.uint8], target: NDArray[np.int64] | None, classes: Classes
) -> str:
    text = (
        f"{len(images)} images of single red blood cells from Giemsa-stained thin "
        f"smears, {images.shape[1]} x {images.shape[2]} pixels, RGB; "
    )
    if target is None:
        return f"{text}without labels.\n"
    counts = [
        f"{(target == i).sum()} {name} (target {i})"
        for i, name in reversed(list(enumerate(classes.names)))
    ]
    return f"{text}{', '.join(counts)}.\n"
