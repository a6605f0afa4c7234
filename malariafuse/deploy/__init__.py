"""Fitted classifiers at work on files."""

from malariafuse.deploy._predict import predict_files

__all__ = ["predict_files"]
