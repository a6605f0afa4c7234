"""Segmentation of cells in photographs of thin blood smears."""

from malariafuse.smears._field import find_field
from malariafuse.smears._load import load_smear_photos
from malariafuse.smears._matching import detection_scores, match_boxes
from malariafuse.smears._photo import read_photo
from malariafuse.smears._photo_quality import photo_quality
from malariafuse.smears._segmenter import CellSegmenter
from malariafuse.smears._table import tabulate_cells

__all__ = [
    "CellSegmenter",
    "detection_scores",
    "find_field",
    "load_smear_photos",
    "match_boxes",
    "photo_quality",
    "read_photo",
    "tabulate_cells",
]
