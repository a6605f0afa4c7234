"""Predictions for many files in a folder of Parquet files."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd
from numpy.typing import ArrayLike

from malariafuse._content import content_digest
from malariafuse._extras import needed_for
from malariafuse._files._write import write_whole
from malariafuse._parameters import Booleans, Integers, Paths, check_parameter
from malariafuse._progress import Progress
from malariafuse._shown import short_repr
from malariafuse._texts import is_unicode
from malariafuse._version import __version__
from malariafuse.datasets import ImageReadError, image_paths
from malariafuse.deploy._predict import check_classifier, positive_class, predict_files

# Key of the metadata in each part.
_RECORD = b"malariafuse"
_COLUMNS = ["path", "patient", "probability", "decision", "note"]


def write_predictions(
    folder: str | os.PathLike[str],
    estimator: Any,
    paths: "str | os.PathLike[str] | Iterable[str | os.PathLike[str]]",
    *,
    pos_label: Any = None,
    patient_of: str | Callable[[Sequence[str]], ArrayLike] | None = "auto",
    part_size: int = 5000,
    n_jobs: int | None = -1,
    verbose: bool = False,
) -> Path:
    """Classify any number of image files, and write the results in parts.

    The files are classified in parts. Each part is written as a Parquet file in
    `folder`, so memory does not grow with the number of files. If a call is
    interrupted, the same call resumes after the last complete part. It requires the
    package pyarrow.

    Read more in the :ref:`User Guide <scale>`.

    Parameters
    ----------
    folder : str or path-like
        Output folder, created if it does not exist. ``pandas.read_parquet`` and Dask
        read it as one table.
    estimator : estimator
        Fitted classifier, as in :func:`predict_files`.
    paths : str, path-like or iterable of str or path-like
        Folder of image files, or their paths, which may come from a generator.
    pos_label : int, float, bool or str, default=None
        Positive class, as in :func:`predict_files`.
    patient_of : {"auto", "folder"}, callable or None, default="auto"
        Source of the patients, as in :func:`predict_files`. It is applied to each part
        separately.
    part_size : int, default=5000
        Number of files in a part.
    n_jobs : int or None, default=-1
        Number of decoding threads, as in joblib. -1 means one thread for each core.
    verbose : bool, default=False
        Whether to show a progress bar.

    Returns
    -------
    Path
        Path of the output folder. Its table has the columns of :func:`predict_files`,
        with patients as strings. Duplicate images are noted only within a part.

    Raises
    ------
    ImportError
        If pyarrow is not installed.
    ValueError
        If `folder` has parts of another classifier, other settings or other files, or
        an argument is invalid.
    TypeError, FileNotFoundError
        As in :func:`predict_files`.

    See Also
    --------
    predict_files : Classify image files and return a table.
    malariafuse.datasets.image_paths : List the image files of a folder.

    Notes
    -----
    Each part contains the version of malariafuse, the settings, and digests of the
    classifier and of the paths. Existing parts are compared with these and are not
    computed again. Functions in the classifier are compared by name.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import pytest
    >>> _ = pytest.importorskip("pyarrow")
    >>> import pandas as pd
    >>> from PIL import Image
    >>> from malariafuse import ConvNetClassifier
    >>> from malariafuse.datasets import make_cell_images
    >>> from malariafuse.deploy import write_predictions
    >>> cells = make_cell_images(40, 4, image_size=(16, 16), random_state=0)
    >>> classifier = ConvNetClassifier(filters=2, epochs=1, random_state=0)
    >>> _ = classifier.fit(cells.images, cells.target)
    >>> with TemporaryDirectory() as place:
    ...     Path(place, "cells").mkdir()
    ...     for number in range(3):
    ...         path = Path(place, "cells", f"C7_cell_{number}.png")
    ...         Image.fromarray(cells.images[number]).save(path)
    ...     folder = write_predictions(
    ...         f"{place}/cells.parquet", classifier, f"{place}/cells", part_size=2
    ...     )
    ...     table = pd.read_parquet(folder)
    ...     sorted(part.name for part in folder.iterdir())
    ['part-000000.parquet', 'part-000001.parquet']
    >>> table["patient"].tolist()
    ['7', '7', '7']
    """
    check_parameter("folder", folder, (Paths(),))
    check_parameter("part_size", part_size, (Integers(1),))
    check_parameter("verbose", verbose, (Booleans(),))
    with needed_for("Parquet files"):
        import pyarrow  # noqa: F401
    classes = check_classifier(estimator)
    positive = classes.tolist()[positive_class(estimator, pos_label, classes)]
    if isinstance(paths, str | os.PathLike):
        paths = image_paths(paths)
    elif not isinstance(paths, Iterable) or isinstance(paths, bytes | Mapping):
        raise TypeError(f"paths={short_repr(paths)}: expected a folder or file paths.")
    place = Path(folder)
    run = {
        "classifier": content_digest(estimator),
        "pos_label": positive,
        "patient_of": patient_of
        if patient_of is None or isinstance(patient_of, str)
        else content_digest(patient_of),
        "part_size": int(part_size),
        "malariafuse": __version__,
    }
    total = len(paths) if isinstance(paths, Sized) else None
    number = 0
    with Progress(total=total, unit="file", disable=not verbose) as progress:
        for number, names in enumerate(_parts(paths, int(part_size)), start=1):
            # Only now, because the names of the first part are accepted.
            place.mkdir(parents=True, exist_ok=True)
            file = place / f"part-{number - 1:06}.parquet"
            record = {**run, "paths": _digest(names)}
            if file.exists():
                _check_same(file, record)
            else:
                table = _predicted(
                    estimator, names, positive, patient_of=patient_of, n_jobs=n_jobs
                )
                write_whole(file, _as_parquet(table, classes.dtype, record))
            progress.update(len(names))
    if number == 0:
        raise ValueError("paths is empty: expected at least one image file.")
    beyond = place / f"part-{number:06}.parquet"
    if beyond.exists():
        raise ValueError(
            f"folder={str(place)!r} has more parts than these paths, from "
            f"{beyond.name}: expected the same paths as in the first run. Choose "
            "another folder, or delete these parts."
        )
    return place


def _parts(paths: Iterable[Any], size: int) -> Iterator[list[str]]:
    left = iter(paths)
    while names := [_as_text(path) for path in islice(left, size)]:
        yield names


def _as_text(path: Any) -> str:
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"paths has {short_repr(path)}: expected file paths.")
    name = os.fsdecode(path)
    if not is_unicode(name):
        raise ValueError(
            f"paths has {name!r}, which is not Unicode: expected names that Parquet "
            "can store. Rename the file, or use predict_files."
        )
    return name


def _digest(names: Sequence[str]) -> str:
    text = "\0".join(names)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _check_same(file: Path, record: Mapping[str, Any]) -> None:
    """Raise if a part belongs to another run."""
    from pyarrow import ArrowException
    from pyarrow.parquet import read_schema

    try:
        found = json.loads((read_schema(file).metadata or {})[_RECORD])
    except (ArrowException, OSError, KeyError, ValueError) as error:
        raise ValueError(
            f"{file} was not written by write_predictions, or is damaged: {error}. "
            "Choose another folder, or delete the file, so that it is computed again."
        ) from error
    for name, value in record.items():
        given = found.get(name)
        if given == value:
            continue
        about = {
            "classifier": "by another classifier",
            "paths": "of other files, or of files in another order",
        }.get(name, f"with {name}={given!r}, but this call has {value!r}")
        raise ValueError(
            f"{file} was written {about}: expected the same arguments as in the first "
            "run. Choose another folder, or delete this folder to restart."
        )


def _predicted(
    estimator: Any, names: list[str], positive: Any, **options: Any
) -> pd.DataFrame:
    """Return the table of a part, possibly without any readable file."""
    try:
        return predict_files(estimator, names, pos_label=positive, **options)
    except ImageReadError as error:
        return pd.DataFrame(
            {
                "path": names,
                "probability": float("nan"),
                "decision": None,
                "note": [f"unreadable: {error.refused[name]}" for name in names],
            }
        )


def _as_parquet(table: pd.DataFrame, dtype: Any, record: Mapping[str, Any]) -> bytes:
    """Return a part as the contents of a file. All parts have the same schema."""
    import pyarrow
    from pyarrow.parquet import write_table

    kinds = {"i": pyarrow.int64(), "u": pyarrow.int64(), "b": pyarrow.bool_()}
    kinds |= {"f": pyarrow.float64()}
    schema = pyarrow.schema(
        {
            "path": pyarrow.string(),
            "patient": pyarrow.string(),
            "probability": pyarrow.float64(),
            "decision": kinds.get(dtype.kind, pyarrow.string()),
            "note": pyarrow.string(),
        }
    )
    table = table.reindex(columns=_COLUMNS).astype({"patient": object})
    table["patient"] = [
        None if pd.isna(patient) else str(patient) for patient in table["patient"]
    ]
    table["decision"] = [
        None if pd.isna(decided) else decided for decided in table["decision"]
    ]
    data = pyarrow.Table.from_pandas(table, schema=schema, preserve_index=False)
    metadata = {**(data.schema.metadata or {}), _RECORD: json.dumps(record)}
    sink = pyarrow.BufferOutputStream()
    write_table(data.replace_schema_metadata(metadata), sink)
    content: bytes = sink.getvalue().to_pybytes()
    return content
