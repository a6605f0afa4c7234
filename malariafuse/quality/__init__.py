"""Whether an image is fit to be classified, and what its quality is."""

from malariafuse.quality._measures import cell_quality
from malariafuse.quality._outliers import CellOutlierDetector

__all__ = ["CellOutlierDetector", "cell_quality"]
