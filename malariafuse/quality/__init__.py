"""Outlier detection and quality measures for images of cells."""

from malariafuse.quality._guard import CellGuard
from malariafuse.quality._measures import cell_quality
from malariafuse.quality._outliers import CellOutlierDetector

__all__ = ["CellGuard", "CellOutlierDetector", "cell_quality"]
