"""Photographs of thin smears: reading them and finding their cells."""

from malariafuse.smears._field import find_field
from malariafuse.smears._photo import read_photo
from malariafuse.smears._segmenter import CellSegmenter
from malariafuse.smears._table import tabulate_cells

__all__ = ["CellSegmenter", "find_field", "read_photo", "tabulate_cells"]
