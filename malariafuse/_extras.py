"""Optional packages, and the commands that install them."""

from collections.abc import Iterator
from contextlib import contextmanager

_EXTRAS = {
    "keras": ("Keras and TensorFlow", "keras"),
    "tensorflow": ("Keras and TensorFlow", "keras"),
    "matplotlib": ("matplotlib", "plots"),
    "onnx": ("onnx and tf2onnx", "onnx-export"),
    "onnxruntime": ("ONNX Runtime", "onnx"),
    "openvino": ("OpenVINO", "openvino"),
    "pyarrow": ("pyarrow", "parquet"),
    "tf2onnx": ("onnx and tf2onnx", "onnx-export"),
}


@contextmanager
def needed_for(what: str) -> Iterator[None]:
    """Import optional packages in this block, or raise with instructions.

    Parameters
    ----------
    what : str
        Feature that needs the import, as the plural subject of a sentence.

    Raises
    ------
    ImportError
        If an optional package is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _EXTRAS:
            raise
        raise ImportError(not_installed(what, package), name=error.name) from error


def not_installed(what: str, package: str) -> str:
    """Return the message for a missing package, with instructions."""
    names, extra = _EXTRAS[package]
    return (
        f'{what} require {names}. Install the extra "{extra}", in a checkout of '
        f'malariafuse: python -m pip install ".[{extra}]"'
    )
