"""Whether an image is fit to be classified, and what its quality is."""

from malariafuse.quality._guard import CellGuard
from malariafuse.quality._measures import cell_quality
from malariafuse.quality._outliers import CellOutlierDetector

__all__ = ["CellGuard", "CellOutlierDetector", "cell_quality"]
