"""Transformers that turn images of cells into vectors."""

from malariafuse.features._pretrained import PretrainedFeatureExtractor
from malariafuse.features._spots import SpotFeatureExtractor

__all__ = ["PretrainedFeatureExtractor", "SpotFeatureExtractor"]
