"""Packages that an installation may lack, and the commands that install them."""

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
    """Import what an extra installs, or say which.

    Parameters
    ----------
    what : str
        What needs the import, as the subject of a sentence in the plural.

    Raises
    ------
    ImportError
        If a package that belongs to an extra is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _EXTRAS:
            raise
        raise ImportError(not_installed(what, package), name=error.name) from error


def not_installed(what: str, package: str) -> str:
    """Return the message that `package` is missing, with the way out."""
    names, extra = _EXTRAS[package]
    return (
        f"{what} need {names}, not installed here. In a checkout of malariafuse: "
        f'python -m pip install ".[{extra}]"'
    )
