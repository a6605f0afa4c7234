"""Fitted classifiers at work on files, and reports about them."""

from malariafuse.deploy._evaluation_report import write_evaluation_report
from malariafuse.deploy._predict import predict_files

__all__ = ["predict_files", "write_evaluation_report"]
