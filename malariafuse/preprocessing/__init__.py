"""Transformers that load and preprocess images."""

from malariafuse.preprocessing._background import BackgroundMasker
from malariafuse.preprocessing._concavity import ConcavityMarker
from malariafuse.preprocessing._hsv import HSVConverter
from malariafuse.preprocessing._loader import ImageLoader
from malariafuse.preprocessing._smooth import GaussianSmoother

__all__ = [
    "BackgroundMasker",
    "ConcavityMarker",
    "GaussianSmoother",
    "HSVConverter",
    "ImageLoader",
]
