"""Files of cells to a table of probabilities and decisions."""

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch
from sklearn.utils.validation import check_is_fitted

from malariafuse._labels import (
    decisions_and_probabilities,
    pos_label_of,
    positive_column,
)
from malariafuse._shown import short_repr
from malariafuse.datasets import load_cell_images
from malariafuse.preprocessing import ImageLoader

# Where searches and their like keep what they have fitted.
_FITTED = ("best_estimator_", "estimator_")


def predict_files(
    estimator: Any,
    path: Any,
    *,
    pos_label: Any = None,
    columns: Mapping[str, Any] | None = None,
    root: str | os.PathLike[str] | None = None,
    patient_of: str | Callable[[Sequence[str]], ArrayLike] | None = "auto",
    n_jobs: int | None = -1,
    verbose: bool = False,
) -> pd.DataFrame:
    """Classify image files and list what was found in each.

    Each file is decoded once. A file that cannot be read costs no other file its
    prediction: it has a row that says why.

    Parameters
    ----------
    estimator : estimator
        A fitted classifier with `predict_proba` that takes images of one size, as all
        of malariafuse do, or a pipeline or search that ends in one. If it begins with
        :class:`~malariafuse.preprocessing.ImageLoader`, that step says the size.
    path : str, path-like, DataFrame, sequence or mapping
        The source of the images, without labels: a folder, a zip file, a table or the
        path of a CSV file, a list of paths, or a pattern, as in
        :func:`malariafuse.datasets.load_cell_images`.
    pos_label : int, float, bool or str, default=None
        The class whose probability is listed. None takes the parameter `pos_label` of
        the classifier, or else the last class if classes are numbers.
    columns : mapping of str to str, default=None
        The columns of a table that are "path" and "patient".
    root : str or path-like, default=None
        The folder that relative paths start from.
    patient_of : {"auto", "folder"}, callable or None, default="auto"
        The source of the patients, as in
        :func:`malariafuse.datasets.load_cell_images`.
    n_jobs : int or None, default=-1
        The number of threads that decode, as in joblib; -1 is one for each core.
    verbose : bool, default=False
        Whether to show a progress bar while files are read.

    Returns
    -------
    pandas.DataFrame
        One row for each file, those that cannot be read last. With the columns

        path : str
            The file, as `load_cell_images` names it in `filenames`.
        patient : int or str
            The patient, None for a file that cannot be read. The column is missing
            where nothing tells the patients.
        probability : float
            The probability of the positive class, 0 to 1. NaN for a file that cannot
            be read.
        decision : label
            The class that ``estimator.predict`` decides for, at its own threshold.
            None for a file that cannot be read.
        flags : str
            Remark on the file: the reason why it cannot be read, or the file that has
            the same pixels. Empty otherwise.

    Raises
    ------
    ValueError
        If `estimator` is not fitted or no classifier of two classes, it does not say
        the size of its images, or no file can be read.
    TypeError, FileNotFoundError
        As in :func:`malariafuse.datasets.load_cell_images`.

    See Also
    --------
    malariafuse.datasets.load_cell_images : The images themselves.
    malariafuse.evaluation.PatientTest : Decides about patients.

    Notes
    -----
    The resized images of all files are held in memory, 7 KB for each at 48 x 48
    pixels.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from PIL import Image
    >>> from malariafuse import ConvNetClassifier
    >>> from malariafuse.datasets import make_cell_images
    >>> from malariafuse.deploy import predict_files
    >>> cells = make_cell_images(40, 4, image_size=(16, 16), random_state=0)
    >>> classifier = ConvNetClassifier(filters=2, epochs=1, random_state=0)
    >>> _ = classifier.fit(cells.images, cells.target)
    >>> with TemporaryDirectory() as folder:
    ...     for number in range(3):
    ...         path = Path(folder, f"C7_cell_{number}.png")
    ...         Image.fromarray(cells.images[number]).save(path)
    ...     _ = Path(folder, "C7_cell_9.png").write_bytes(b"cut off")
    ...     table = predict_files(classifier, folder)
    >>> table["patient"].tolist(), table["probability"].notna().tolist()
    ([7, 7, 7, None], [True, True, True, False])
    >>> table["flags"].iloc[-1]
    'unreadable: not a BMP, JPEG, PNG, TIFF image'
    """
    classes = _check_estimator(estimator)
    loader, rest = _split(estimator)
    with warnings.catch_warnings():
        # These become flags.
        for of_flags in (r"Skipped: ", r"\d+ image\(s\) are there"):
            warnings.filterwarnings("ignore", of_flags, UserWarning)
        cells = load_cell_images(
            path,
            labels=False,
            columns=columns,
            root=root,
            image_size=loader.image_size,
            keep_aspect=loader.keep_aspect,
            patient_of=patient_of,
            cache=False,
            on_error="skip",
            n_jobs=n_jobs,
            verbose=verbose,
        )
    if pos_label is None:
        pos_label = pos_label_of(estimator)
    positive = positive_column(pos_label, classes)
    if positive is None:
        raise ValueError(
            f"pos_label=None: expected one of the classes {classes.tolist()}, since "
            "texts do not say which of them is the positive one."
        )
    decisions, probabilities = decisions_and_probabilities(rest, cells.images)
    read: dict[str, Any] = {"path": cells.filenames}
    if cells.groups is not None:
        read["patient"] = cells.groups
    read["probability"] = probabilities[:, positive].astype(np.float64)
    read["decision"] = decisions
    read["flags"] = _flags_of_duplicates(cells)
    table = pd.DataFrame(read)
    if not cells.refused:
        return table
    unreadable = {
        "path": list(cells.refused),
        "probability": np.nan,
        "flags": [f"unreadable: {reason}" for reason in cells.refused.values()],
    }
    # As objects, so that integers do not become floats next to None.
    both = pd.concat(
        [table.astype(object), pd.DataFrame(unreadable, dtype=object)],
        ignore_index=True,
    ).astype({"probability": np.float64})
    return both.where(both.notna() | (both.columns == "probability"), None)


def _check_estimator(estimator: Any) -> NDArray[Any]:
    """Return the two classes of a fitted classifier, or raise."""
    if not hasattr(estimator, "predict_proba"):
        raise TypeError(
            f"estimator={short_repr(estimator)}: expected a fitted classifier with "
            "predict_proba, or a pipeline that ends in one."
        )
    check_is_fitted(estimator)
    classes = np.asarray(estimator.classes_)
    if len(classes) != 2:
        raise ValueError(
            f"estimator has the classes {classes.tolist()}: expected two, parasitized "
            "and not."
        )
    return classes


def _split(estimator: Any) -> tuple[ImageLoader, Any]:
    """Return how to read the files, and what takes their images."""
    loader, rest = _without_loader(estimator)
    if loader is not None:
        return loader, rest
    shape = _image_shape(estimator)
    if shape is None:
        raise ValueError(
            f"estimator={short_repr(estimator)} does not say the size of its images: "
            "expected a classifier of malariafuse, or a pipeline with ImageLoader as "
            "its first step."
        )
    height, width, *_ = shape
    return ImageLoader((height, width)), estimator


def _without_loader(estimator: Any) -> tuple[ImageLoader | None, Any]:
    """Return the loader that `estimator` begins with, and what comes after it."""
    if isinstance(estimator, Pipeline):
        name, first = estimator.steps[0]
        if isinstance(first, ImageLoader):
            return first, estimator[1:]
        loader, rest = _without_loader(first)
        return loader, Pipeline([(name, rest), *estimator.steps[1:]])
    for fitted in _FITTED:
        if hasattr(estimator, fitted):
            loader, rest = _without_loader(getattr(estimator, fitted))
            alone = copy(estimator)
            setattr(alone, fitted, rest)
            return loader, alone
    return None, estimator


def _image_shape(estimator: Any) -> tuple[int, ...] | None:
    """Return the shape of the images that `estimator` was fitted on, if it knows."""
    if hasattr(estimator, "image_shape_"):
        return tuple(estimator.image_shape_)
    parts = [getattr(estimator, fitted, None) for fitted in _FITTED]
    if isinstance(estimator, Pipeline):
        parts = [step for _, step in estimator.steps]
    shapes = map(_image_shape, filter(None, parts))
    return next((shape for shape in shapes if shape is not None), None)


def _flags_of_duplicates(cells: Bunch) -> list[str]:
    """Return which other file has the same pixels, or nothing, for each image."""
    flags = [""] * len(cells.images)
    for _, equals in cells.duplicates.groupby("duplicate_set"):
        first, second, *others = equals["position"].tolist()
        more = f" and {len(others)} more" if others else ""
        for position in (first, second, *others):
            other = cells.filenames[first if position != first else second]
            flags[position] = f"same image as {other}{more}"
    return flags
