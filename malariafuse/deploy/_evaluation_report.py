"""Report on the evaluation of a classifier as a single HTML file."""

import os
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from malariafuse._arrays import check_length
from malariafuse._cells import Cells, check_cells
from malariafuse._extras import needed_for
from malariafuse._files._write import write_whole
from malariafuse._images import check_images
from malariafuse._parameters import (
    RANDOM_STATE,
    Instances,
    Integers,
    Nothing,
    Paths,
    Reals,
    check_parameter,
)
from malariafuse._reports import (
    NOT_KNOWN,
    card_parts,
    digest,
    environment,
    heading,
    style_sheet,
)
from malariafuse._version import __version__
from malariafuse.evaluation import patient_table, summarize
from malariafuse.plotting import (
    ImageGridDisplay,
    PatientRecallDisplay,
    ThresholdCurveDisplay,
)

_TEMPLATES = Path(__file__).with_name("templates")
_COUNTS = ("cells", "parasitized", "found", "uninfected", "false_alarms")
_RATES = ("recall", "specificity", "mean_probability")
_COLUMNS = 6  # width of a grid of images
_CELLS = {"misses": (1, "missed parasites"), "false_alarms": (0, "false alarms")}


@dataclass(frozen=True)
class _Picture:
    """A picture of the report.

    Attributes
    ----------
    title, words : str
        Heading and alternative text.
    data : str
        Picture as a data URI, empty if there is nothing to show.
    """

    title: str
    words: str
    data: str


def write_evaluation_report(
    file: str | os.PathLike[str],
    y_true: ArrayLike,
    y_prob: ArrayLike,
    groups: ArrayLike,
    *,
    images: ArrayLike | None = None,
    threshold: float = 0.5,
    pos_label: Any = None,
    name: str = "",
    data: str = "",
    card: Mapping[str, Any] | None = None,
    n_images: int = 18,
    random_state: int | np.random.RandomState | None = 0,
) -> Path:
    """Write a report on the evaluation of a classifier as a single HTML file.

    The file opens in any browser, without a server or network access. It shows the
    metrics with confidence intervals, the confusion matrix at the threshold, recall and
    specificity at all thresholds, the results by patient, the worst misses and false
    alarms, and the model card. It needs matplotlib, of the extra ``plots``.

    Parameters
    ----------
    file : str or path-like
        Path of the output file. An existing file is replaced.
    y_true : array-like of shape (n_cells,)
        True labels: 1 for a parasitized cell, 0 for an uninfected cell. Other labels
        require `pos_label`.
    y_prob : array-like of shape (n_cells,)
        Probability of the positive class, in [0, 1]. The classifier must not be fitted
        on the patients of these cells.
    groups : array-like of shape (n_cells,)
        Patient of each cell. At least two patients are required.
    images : array-like of shape (n_cells, height, width, channels), default=None
        Images of the cells, uint8 in [0, 255] or floating in [0, 1], used to show the
        worst errors. None shows no images.
    threshold : float, default=0.5
        Decision threshold, in [0, 1]. A cell is called parasitized if its probability
        is at least the threshold.
    pos_label : int, float, bool or str, default=None
        Label of the positive (parasitized) class. None requires the labels 0 and 1, or
        booleans.
    name : str, default=""
        Name of the classifier.
    data : str, default=""
        Name of the data set.
    card : mapping, default=None
        Model card, as returned by :func:`malariafuse.pretrained.model_card`.
    n_images : int, default=18
        Maximum number of misses and of false alarms to show.
    random_state : int, RandomState instance or None, default=0
        Random seed or generator of the bootstrap.

    Returns
    -------
    Path
        Path of the output file.

    Raises
    ------
    FileNotFoundError
        If the folder of `file` does not exist.
    ImportError
        If matplotlib is not installed.
    ValueError, TypeError
        If an argument is invalid, or `y_true` has only one class.

    Warns
    -----
    UserWarning
        If `y_prob` has only two distinct values, or the ROC AUC is below 0.5.

    See Also
    --------
    malariafuse.evaluation.summarize : Compute the metrics.
    malariafuse.evaluation.patient_table : Tabulate cells and decisions by patient.
    malariafuse.patients.write_report : Write a report on a patient.

    Notes
    -----
    The report contains images of cells and the names of patients: store it as
    confidential data.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> from malariafuse.deploy import write_evaluation_report
    >>> rng = np.random.default_rng(0)
    >>> patient = np.repeat(np.arange(20), 20)
    >>> y_true = rng.integers(0, 2, 400)
    >>> y_prob = np.clip(0.2 + 0.6 * y_true + rng.normal(0, 0.3, 400), 0, 1)
    >>> with TemporaryDirectory() as folder:
    ...     file = write_evaluation_report(
    ...         Path(folder, "report.html"), y_true, y_prob, patient, threshold=0.4
    ...     )
    ...     "400 cells of 20 patients" in file.read_text(encoding="utf-8")
    True
    """
    check_parameter("file", file, (Paths(),))
    check_parameter("threshold", threshold, (Reals(0, 1),))
    check_parameter("n_images", n_images, (Integers(1),))
    check_parameter("card", card, (Nothing(), Instances(Mapping, "a model card")))
    check_parameter("random_state", random_state, RANDOM_STATE)
    path = Path(file)
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"file={str(path)!r}: expected a path in a folder that exists."
        )
    cells = check_cells(y_true, y_prob, groups, pos_label=pos_label)
    shown = None if images is None else check_images(images)
    if shown is not None:
        check_length(shown, len(cells.target), name="images")
    context = _context(cells, float(threshold), random_state)
    context["pictures"] = [
        *_curves(cells, float(threshold), random_state),
        *_errors(cells, shown, float(threshold), n_images),
    ]
    main_card, more_card = card_parts(card or {})
    style = style_sheet(_TEMPLATES / "evaluation.css")
    html = (
        environment(_TEMPLATES)
        .get_template("evaluation.html")
        .render(
            **context,
            name=name,
            data=data,
            main_card=main_card,
            more_card=more_card,
            style=style,
            style_digest=digest(style),
            version=__version__,
        )
    )
    write_whole(path, html.encode("utf-8", errors="xmlcharrefreplace"))
    return path


def _context(cells: Cells, threshold: float, random_state: Any) -> dict[str, Any]:
    target, probability = cells.target, cells.probability
    patients = cells.names[cells.cluster]
    measures = summarize(
        target, probability, patients, threshold=threshold, random_state=random_state
    )
    table = patient_table(target, probability, patients, threshold=threshold)
    called = probability >= threshold
    return {
        "n_cells": f"{len(target):,}",
        "n_parasitized": f"{(target == 1).sum():,}",
        "n_uninfected": f"{(target == 0).sum():,}",
        "n_patients": f"{len(table):,}",
        "n_infected": f"{(table['parasitized'] > 0).sum():,}",
        "threshold": f"{threshold:.4g}",
        "measures": [
            (heading(name), *(_number(each) for each in row))
            for name, row in zip(
                measures.index,
                measures[["value", "low", "high"]].to_numpy(),
                strict=True,
            )
        ],
        # Rows are true classes, columns are predicted classes.
        "confusion": [
            (
                label,
                *(
                    f"{((target == code) & (called == is_called)).sum():,}"
                    for is_called in (True, False)
                ),
            )
            for label, code in (("parasitized", 1), ("uninfected", 0))
        ],
        "patients": [
            (
                str(patient),
                *(f"{row[column]:,.0f}" for column in _COUNTS),
                *(_number(row[column]) for column in _RATES),
            )
            for patient, row in table.iterrows()
        ],
        "patient_headings": ["Patient", *map(heading, (*_COUNTS, *_RATES))],
    }


def _number(value: float) -> str:
    return NOT_KNOWN if np.isnan(value) else f"{value:.3f}"


def _curves(cells: Cells, threshold: float, random_state: Any) -> Iterator[_Picture]:
    target, probability = cells.target, cells.probability
    patients = cells.names[cells.cluster]
    figure, ax = _figure((7, 4.5))
    curve = ThresholdCurveDisplay.from_predictions(
        target,
        probability,
        patients,
        marked_threshold=threshold,
        random_state=random_state,
        ax=ax,
    )
    marks = ", ".join(
        f"at {mark:g} {row['recall']:.3f} and {row['specificity']:.3f}"
        for mark, row in curve.table.iloc[[10, 30, 50, 70, 90]].iterrows()
    )
    yield _Picture(
        "Recall and specificity by threshold",
        "Two curves with bands of confidence intervals over patients. Recall and "
        f"specificity are {marks}.",
        _svg(figure),
    )
    figure, ax = _figure((7, 4.5))
    recall = PatientRecallDisplay.from_predictions(
        target, probability, patients, threshold=threshold, ax=ax
    )
    infected = recall.table
    yield _Picture(
        "Recall of each patient",
        f"A point for each of {len(infected)} infected patients, by the number of "
        f"parasitized cells. The lowest recall is {infected['recall'].min():.3f}, the "
        f"median {infected['recall'].median():.3f}.",
        _svg(figure),
    )


def _errors(
    cells: Cells, images: NDArray[Any] | None, threshold: float, n_images: int
) -> Iterator[_Picture]:
    called = cells.probability >= threshold
    patients = cells.names[cells.cluster]
    for kind, (label, what) in _CELLS.items():
        n_wrong = int(((cells.target == label) & (called != (label == 1))).sum())
        title = f"Worst {what}"
        n_shown = min(n_wrong, n_images)
        if not n_wrong or images is None:
            words = f"There are {n_wrong:,} {what}." if n_wrong else f"No {what}."
            yield _Picture(title, words, "")
            continue
        n_rows = -(-n_shown // _COLUMNS)
        figure, ax = _figure((8, 1.7 * n_rows + 0.8))
        ImageGridDisplay.from_predictions(
            images,
            cells.target,
            cells.probability,
            groups=patients,
            kind=kind,  # type: ignore[arg-type]
            threshold=threshold,
            n_images=n_images,
            ax=ax,
        )
        yield _Picture(
            title,
            f"{n_shown} of {n_wrong:,} {what}, the worst first, each with its "
            "probability and its patient.",
            _png(figure),
        )


def _figure(size: tuple[float, float]) -> tuple[Any, Any]:
    """Return a figure without a window, and its axes."""
    with needed_for("Reports about classifiers"):
        from matplotlib.figure import Figure
    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots()


def _svg(figure: Any) -> str:
    from matplotlib import rc_context

    stream = BytesIO()
    # Without a date and random names, so that the same evaluation gives a
    # byte-identical file.
    with rc_context({"svg.hashsalt": "malariafuse"}):
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return _data_uri("image/svg+xml", stream)


def _png(figure: Any) -> str:
    stream = BytesIO()
    figure.savefig(stream, format="png", dpi=130)
    return _data_uri("image/png", stream)


def _data_uri(kind: str, stream: BytesIO) -> str:
    return f"data:{kind};base64,{b64encode(stream.getvalue()).decode()}"
