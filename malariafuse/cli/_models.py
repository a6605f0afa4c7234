"""Loading of models: a folder, a joblib file, or the model of the package."""

from pathlib import Path
from typing import Any

import click

from malariafuse.cli._command import InputError

READY = "ready"

MODEL = click.option(
    "--model",
    default=READY,
    show_default=True,
    metavar="FOLDER|FILE",
    help="Folder written by train, or joblib file with a fitted classifier or "
    'pipeline. "ready" is the model of the package.',
)
TRUST = click.option(
    "--trust",
    is_flag=True,
    help="Allow loading a joblib file, which executes code in the file.",
)


def model_folder(model: str) -> Path | None:
    """Return the folder of a model, or None for the model of the package."""
    return None if model == READY else Path(model)


def load_model(model: str, *, trust: bool) -> Any:
    """Return a fitted classifier from files or images to probabilities."""
    folder = model_folder(model)
    if folder is None or folder.is_dir():
        from malariafuse.pretrained import load_pretrained

        return load_pretrained(folder)
    if not folder.exists():
        raise InputError(f"Model {model} does not exist.")
    if not trust:
        raise InputError(
            f"{model} is a file, and loading it executes code in the file. Add --trust "
            "if you trust its source."
        )
    import joblib

    try:
        estimator = joblib.load(folder)
    except Exception as error:
        raise InputError(
            f"{model} cannot be loaded: {type(error).__name__}: "
            f"{' '.join(str(error).split()).rstrip('.')}. {_remark_on(error)}"
        ) from error
    if not hasattr(estimator, "predict_proba"):
        raise InputError(
            f"{model} contains a {type(estimator).__name__}: expected a fitted "
            "classifier with predict_proba."
        )
    return estimator


def _remark_on(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError) and str(error.name).startswith("numpy."):
        from numpy import __version__

        return (
            "It was written with another major version of NumPy than the installed "
            f"version, {__version__}."
        )
    if isinstance(error, ModuleNotFoundError | AttributeError):
        return (
            "Functions and classes are stored by name: expected modules that can be "
            "imported here. Add their folder to PYTHONPATH, or fit with a built "
            "network instead of a function."
        )
    return "Expected a file written by joblib.dump with the same versions as installed."


def load_card(model: str) -> dict[str, Any]:
    """Return the model card, which is empty for a joblib file."""
    from malariafuse.pretrained import model_card

    folder = model_folder(model)
    return {} if folder is not None and folder.is_file() else model_card(folder)
