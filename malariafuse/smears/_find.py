"""Segmentation of one photograph, unless it has a quality problem."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeGuard

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from malariafuse._parameters import Functions, Instances, Nothing, Rule
from malariafuse.smears._field import DarkPhotoError
from malariafuse.smears._outlines import Region, regions_of
from malariafuse.smears._quality import Row, examine, judge_regions
from malariafuse.smears._segmenter import CellSegmenter, find_regions, split_regions
from malariafuse.smears._table import check_labels, table_of
from malariafuse.smears._views import Views

Segmenter = CellSegmenter | Callable[[NDArray[np.uint8]], ArrayLike]
SEGMENTER: Sequence[Rule] = (
    Nothing(),
    Instances(CellSegmenter, "a CellSegmenter"),
    Functions("a function from a photograph to a label image"),
)


@dataclass(frozen=True)
class Found:
    """Result of the segmentation of a photograph.

    Attributes
    ----------
    regions : list of Region
    table : pandas.DataFrame
        As returned by `tabulate_cells`, one row for each region.
    quality : dict
        As returned by `photo_quality`, without the number of cells.
    """

    regions: list[Region]
    table: pd.DataFrame
    quality: Row


def is_plain(segmenter: Segmenter) -> TypeGuard[CellSegmenter]:
    """Return whether a segmenter is a CellSegmenter and not of a subclass."""
    return type(segmenter) is CellSegmenter


def find_cells(views: Views, segmenter: Segmenter, *, despite_problems: bool) -> Found:
    """Find the cells of a photograph.

    Parameters
    ----------
    views : Views
        Photograph.
    segmenter : CellSegmenter or callable
        Segmenter, or a function from a photograph to a label image.
    despite_problems : bool
        Whether to segment a photograph that has a quality problem.
    """
    own = segmenter if is_plain(segmenter) else None
    quality, sight = examine(views, own or CellSegmenter())
    if quality["problem"] and not despite_problems:
        return _nothing(views, quality)
    try:
        if own is None:
            segment = getattr(segmenter, "segment", segmenter)
            regions = regions_of(check_labels(segment(views.photo), views.shape))
        elif sight is not None:
            regions = split_regions(views, sight)
        else:
            regions = find_regions(views, own)
        table = table_of(views, regions)
    except DarkPhotoError:
        return _nothing(views, quality)
    flags = table["flag"].to_numpy()
    if own and not quality["problem"]:
        quality = judge_regions(quality, regions, flags)
    if not quality["problem"] and not (flags == "").any():
        quality["problem"] = "no cells"
    if quality["problem"] and not despite_problems:
        return _nothing(views, quality)
    return Found(regions, table, quality)


def _nothing(views: Views, quality: Row) -> Found:
    return Found([], table_of(views, []), quality)
