"""Application of fitted classifiers: to files, in reports, and without TensorFlow."""

from malariafuse.deploy._evaluation_report import write_evaluation_report
from malariafuse.deploy._export import export_onnx
from malariafuse.deploy._onnx import OnnxClassifier
from malariafuse.deploy._parquet import write_predictions
from malariafuse.deploy._predict import predict_files

__all__ = [
    "OnnxClassifier",
    "export_onnx",
    "predict_files",
    "write_evaluation_report",
    "write_predictions",
]
