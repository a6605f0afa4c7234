"""Classification of image files to a table."""

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from copy import copy
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch
from sklearn.utils.validation import check_is_fitted

from malariafuse._labels import (
    decisions_and_probabilities,
    pos_label_of,
    positive_column,
)
from malariafuse._parameters import POS_LABEL, check_parameter
from malariafuse._shown import short_repr
from malariafuse._texts import text_column
from malariafuse.datasets import load_cell_images, patient_ids
from malariafuse.preprocessing import ImageLoader


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
    """Classify image files.

    Each file is decoded once. If a file cannot be read, its row contains the reason,
    and the other files are still classified. If an ensemble contains loaders, files are
    decoded again for each member.

    Parameters
    ----------
    estimator : estimator
        Fitted classifier of malariafuse, or a pipeline, search or ensemble that
        contains one. If it contains an :class:`~malariafuse.preprocessing.ImageLoader`,
        the loader determines how images are resized.
    path : str, path-like, DataFrame, sequence or mapping
        Source of the images, without labels: a folder, a zip file, a table or the path
        of a CSV file, a list of paths, or a pattern, as in
        :func:`malariafuse.datasets.load_cell_images`.
    pos_label : int, float, bool or str, default=None
        Positive class. None uses the parameter `pos_label` of the classifier, or the
        last class if classes are numbers.
    columns : mapping of str to str, default=None
        Names of the columns of a table with the keys "path" and "patient".
    root : str or path-like, default=None
        Base folder of relative paths.
    patient_of : {"auto", "folder"}, callable or None, default="auto"
        Source of the patients, as in :func:`malariafuse.datasets.load_cell_images`.
    n_jobs : int or None, default=-1
        Number of decoding threads, as in joblib. -1 means one thread for each core.
    verbose : bool, default=False
        Whether to show a progress bar.

    Returns
    -------
    pandas.DataFrame
        One row for each file, in the order of a list or table of paths, otherwise
        sorted by path. The columns are:

        path : str
            Name of the file, as in the attribute `filenames` of `load_cell_images`.
        patient : int or str
            Patient. None for a file that cannot be read, unless its name contains the
            patient. The column is missing if patients are unknown.
        probability : float
            Probability of the positive class, in [0, 1]. NaN for a file that cannot be
            read.
        decision : label
            Class predicted by ``estimator.predict``. None for a file that cannot be
            read.
        note : str
            Reason why a file cannot be read, name of a file with the same pixels, or a
            note that the image is nearly black. Otherwise empty.

    Raises
    ------
    ValueError
        If `estimator` is not a fitted classifier of two classes, the size of its images
        is unknown, or no file can be read.
    TypeError, FileNotFoundError
        As in :func:`malariafuse.datasets.load_cell_images`.

    See Also
    --------
    malariafuse.datasets.load_cell_images : Load the images.
    malariafuse.evaluation.PatientTest : Test whether a patient is infected.
    write_predictions : Write the table in parts, with constant memory.

    Notes
    -----
    The resized images of all files are in memory, 7 KB for each at 48 x 48 pixels.

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
    ([7, 7, 7, 7], [True, True, True, False])
    >>> table["note"].iloc[-1]
    'unreadable: not a BMP, JPEG, PNG, TIFF image'
    """
    classes = check_classifier(estimator)
    positive = positive_class(estimator, pos_label, classes)
    loader, rest = _split(estimator)
    with warnings.catch_warnings():
        # These become notes.
        for remark in (r"Skipped: ", r"\d+ image\(s\) occur"):
            warnings.filterwarnings("ignore", remark, UserWarning)
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
    X = cells.filenames if rest is None else cells.images
    decisions, probabilities = decisions_and_probabilities(
        estimator if rest is None else rest, X
    )
    read = {
        "path": text_column(cells.filenames),
        "probability": probabilities[:, positive].astype(np.float64),
        "decision": decisions,
        "note": text_column(_notes(cells)),
    }
    if cells.groups is not None:
        read["patient"] = text_column(cells.groups)
    table = pd.DataFrame(read)
    if cells.refused:
        table = _with_unreadable(table, cells)
    return _in_order(table, path, root)


def check_classifier(estimator: Any) -> NDArray[Any]:
    """Return the two classes of a fitted classifier, or raise."""
    if isinstance(estimator, type) or not hasattr(estimator, "predict_proba"):
        raise TypeError(
            f"estimator={short_repr(estimator)}: expected a fitted classifier with "
            "predict_proba, or a pipeline that ends in one."
        )
    check_is_fitted(estimator)
    classes = np.asarray(estimator.classes_)
    if len(classes) != 2:
        raise ValueError(
            f"estimator has the classes {classes.tolist()}: expected two, parasitized "
            "and uninfected."
        )
    return classes


def positive_class(estimator: Any, pos_label: Any, classes: NDArray[Any]) -> int:
    """Return the index of the positive class in `classes`."""
    check_parameter("pos_label", pos_label, POS_LABEL)
    if pos_label is None:
        pos_label = pos_label_of(estimator)
    positive = positive_column(pos_label, classes)
    if positive is None:
        raise ValueError(
            f"pos_label=None: expected one of the classes {classes.tolist()}, because "
            "the positive class of strings is unknown."
        )
    return positive


def _split(estimator: Any) -> tuple[ImageLoader, Any]:
    """Return the loader of the files, and the estimator for their images.

    The second is None if a loader in `estimator` cannot be separated.
    """
    loader, rest = _without_loader(estimator)
    if loader is not None:
        return loader, rest
    loader = _find(estimator, lambda part: isinstance(part, ImageLoader))
    if loader is not None:
        return loader, None
    trained = _find(estimator, lambda part: hasattr(part, "image_shape_"))
    if trained is None:
        raise ValueError(
            f"estimator={short_repr(estimator)} has no image size: expected a "
            "classifier of malariafuse, or a pipeline with ImageLoader as its first "
            "step."
        )
    height, width, *_ = trained.image_shape_
    return ImageLoader((height, width)), estimator


def _without_loader(estimator: Any) -> tuple[ImageLoader | None, Any]:
    """Return the first loader of `estimator`, and the remaining estimator."""
    if isinstance(estimator, Pipeline):
        name, first = estimator.steps[0]
        if isinstance(first, ImageLoader):
            return first, estimator[1:]
        loader, rest = _without_loader(first)
        return loader, Pipeline([(name, rest), *estimator.steps[1:]])
    for fitted in ("best_estimator_", "estimator_"):
        if hasattr(estimator, fitted):
            loader, rest = _without_loader(getattr(estimator, fitted))
            alone = copy(estimator)
            setattr(alone, fitted, rest)
            return loader, alone
    return None, estimator


def _find(part: Any, wanted: Callable[[Any], bool]) -> Any:
    """Return the first estimator in `part` that satisfies a condition, or None."""
    if isinstance(part, list | tuple):
        inside = list(part)
    elif wanted(part):
        return part
    elif isinstance(part, BaseEstimator) or hasattr(part, "predict_proba"):
        # What is fitted comes after the parameters that it is made of.
        inside = list(reversed(vars(part).values()))
    else:
        return None
    return next(
        (found for found in (_find(item, wanted) for item in inside) if found), None
    )


def _notes(cells: Bunch) -> list[str]:
    """Return a note about each image."""
    black = cells.images.max(axis=(1, 2, 3)) <= 1
    notes = ["all but black" if is_black else "" for is_black in black]
    for _, equals in cells.duplicates.groupby("duplicate_set"):
        first, second, *others = equals["position"].tolist()
        more = f" and {len(others)} more" if others else ""
        for position in (first, second, *others):
            other = cells.filenames[first if position != first else second]
            same = f"same image as {other}{more}"
            notes[position] = f"{notes[position]}, {same}".lstrip(", ")
    return notes


def _with_unreadable(table: pd.DataFrame, cells: Bunch) -> pd.DataFrame:
    unreadable = pd.DataFrame(
        {
            "path": list(cells.refused),
            "note": [f"unreadable: {reason}" for reason in cells.refused.values()],
        },
        dtype=object,
    )
    if cells.groups is not None and cells.groups.dtype.kind == "i":
        with suppress(ValueError):
            unreadable["patient"] = patient_ids(cells.refused).astype(object)
    # As objects, so that integers do not become floats next to None.
    both = pd.concat([table.astype(object), unreadable], ignore_index=True)
    return both.where(both.notna(), None).astype({"probability": np.float64})


def _in_order(
    table: pd.DataFrame, path: Any, root: str | os.PathLike[str] | None
) -> pd.DataFrame:
    """Return the rows in the order of the paths that were given."""
    order = ["path", "patient", "probability", "decision", "note"]
    table = table[[name for name in order if name in table]]
    if isinstance(path, pd.DataFrame):
        given = [path[name] for name in path if path[name].dtype.kind == "O"]
    elif isinstance(path, str | os.PathLike | Mapping):
        return table.sort_values("path", kind="stable", ignore_index=True)
    else:
        given = [path]
    places: dict[str, int] = {}
    for names in given:
        for place, name in enumerate(map(str, names)):
            places.setdefault(name, place)
            places.setdefault(os.path.join(root or "", name), place)
    rows = np.argsort(table["path"].map(places), kind="stable")
    return table.iloc[rows].reset_index(drop=True)
