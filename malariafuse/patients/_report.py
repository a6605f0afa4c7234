"""Report on a patient as a single HTML file."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import norm

from malariafuse._files._write import write_whole
from malariafuse._parameters import Instances, Integers, Paths, check_parameter
from malariafuse._reports import (
    between,
    card_parts,
    digest,
    environment,
    percent,
    style_sheet,
    value,
)
from malariafuse._version import __version__
from malariafuse.patients import _report_words as words
from malariafuse.patients._report_photos import draw_photos, shown_probability
from malariafuse.patients._result import ENOUGH_CELLS, PatientResult

_TEMPLATES = Path(__file__).with_name("templates")
_SCRIPTS = ("count.js", "csv.js", "viewer.js", "review.js")
_COLUMNS = {
    "photos": ("name", "height", "width"),
    "cells": ("photo", "x", "y", "width", "height", "flag", "probability", "counted"),
}


def write_report(
    result: PatientResult,
    file: str | os.PathLike[str],
    *,
    n_cells: int = 60,
    max_side: int = 2000,
) -> Path:
    """Write a report on a patient as a single HTML file.

    The file opens in any browser, without a server or network access. It shows the
    verdict, the parasitemia with its interval, the photographs with outlined cells, and
    the most suspicious cells. A reviewer can mark parasites by keyboard or pointer. The
    count is updated immediately, and the marks can be saved as CSV.

    Parameters
    ----------
    result : PatientResult
        Result of the patient, as returned by :meth:`SmearReader.read`. Its photographs
        are read again.
    file : str or path-like
        Path of the output file. An existing file is replaced.
    n_cells : int, default=60
        Number of cells to review. All counted cells are shown, even if there are more
        of them.
    max_side : int, default=2000
        Maximum side of a photograph in the report, in pixels. The cells to review are
        cropped from the photograph at full resolution.

    Returns
    -------
    Path
        Path of the output file.

    Raises
    ------
    ImageReadError
        If a photograph can no longer be read. No file is written.
    FileNotFoundError
        If the folder of `file` does not exist.
    ValueError
        If an argument is invalid, or the size of a photograph has changed since it was
        read.

    See Also
    --------
    SmearReader : Read the photographs of a patient.

    Notes
    -----
    The reviewed count is the number of cells that are marked as parasites, or are
    counted and not yet reviewed, among all red cells. Its interval is the Wilson
    interval [1]_ of a binomial proportion. It does not account for cells that the
    classifier missed. The estimate of `PatientResult` does, and is shown separately.

    The same result gives a byte-identical file. Paths are shown without folders. The
    report contains the name and the photographs of a patient: store it as confidential
    data.

    References
    ----------
    .. [1] E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical
       Inference", Journal of the American Statistical Association 22(158), 1927, pages
       209 to 212.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> import pandas as pd
    >>> from malariafuse.patients import PatientResult, write_report
    >>> photo = np.full((100, 120, 3), 230, dtype=np.uint8)
    >>> photo[30:60, 40:80] = (200, 120, 150)
    >>> cells = pd.DataFrame(
    ...     {"photo": [0], "x": [40], "y": [30], "width": [40], "height": [30],
    ...      "area": [1200], "flag": [""], "probability": [0.7], "counted": [False]}
    ... )
    >>> result = PatientResult(
    ...     "Ada", "cannot be judged", 1.0, n_cells=1, n_counted=0, needed=1,
    ...     threshold=0.9, fraction=0.0, low=0.0, high=0.97, confidence_level=0.95,
    ...     red_cells_per_microliter=5_000_000,
    ...     photos=pd.DataFrame({"name": ["a"], "height": [100], "width": [120]}),
    ...     cells=cells, masks=[np.ones((30, 40), dtype=bool)], sources=[photo],
    ... )
    >>> with TemporaryDirectory() as folder:
    ...     file = write_report(result, Path(folder) / "ada.html")
    ...     "Cannot be judged" in file.read_text(encoding="utf-8")
    True
    """
    check_parameter(
        "result",
        result,
        (Instances(PatientResult, "a PatientResult from SmearReader"),),
    )
    check_parameter("file", file, (Paths(),))
    check_parameter("n_cells", n_cells, (Integers(0),))
    check_parameter("max_side", max_side, (Integers(64, 10_000),))
    _check_tables(result)
    path = Path(file)
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"file={str(path)!r}: expected a path in a folder that exists."
        )
    html = (
        environment(_TEMPLATES)
        .get_template("report.html")
        .render(_context(result, n_cells, max_side))
    )
    # File systems allow names that are not valid Unicode. They are shown, not rejected.
    write_whole(path, html.encode("utf-8", errors="xmlcharrefreplace"))
    return path


def _check_tables(result: PatientResult) -> None:
    for name, columns in _COLUMNS.items():
        table = getattr(result, name)
        missing = [column for column in columns if column not in table]
        if missing and len(table):
            raise ValueError(
                f"result.{name} has no column {', '.join(missing)}: expected a result "
                "from SmearReader."
            )
    for some, others in (("sources", "photos"), ("masks", "cells")):
        n, expected = len(getattr(result, some)), len(getattr(result, others))
        if n != expected:
            raise ValueError(
                f"result has {n} {some} and {expected} rows of {others}: expected one "
                "for each row."
            )


def _context(result: PatientResult, n_cells: int, max_side: int) -> dict[str, Any]:
    paths = list(map(str, result.photos.get("name", [])))
    names = words.file_names(paths)
    listed = _listed(result, n_cells)
    photos = list(draw_photos(result, names, set(listed), max_side))
    crops = {row: crop for photo in photos for row, crop in photo.crops.items()}
    cells = [_cell(result, names, row) for row in listed]
    style = style_sheet(_TEMPLATES / "report.css")
    script = "\n".join(['"use strict";', *map(_text, _SCRIPTS)])
    headings, rows = words.photo_table(result.photos, names)
    main_card, more_card = card_parts(result.card)
    density = [words.density(each) for each in result.per_microliter]
    share = [percent(each) for each in (result.fraction, result.low, result.high)]
    return {
        "style": style,
        "script": script,
        "style_digest": digest(style),
        "script_digest": digest(script),
        "result": result,
        "patient": "not named" if result.patient is None else str(result.patient),
        "explanation": words.explain(result),
        "parasitemia": share[0] if np.isnan(result.fraction) else f"{share[0]} %",
        "interval": between(*share[1:]),
        "density": density[0],
        "density_interval": between(*density[1:]),
        "red_cells_per_microliter": f"{result.red_cells_per_microliter:,.0f}",
        "level": f"{100 * result.confidence_level:g} %",
        "who_class": words.who_words(result),
        "enough": f"{ENOUGH_CELLS:,}",
        "p_value": value(result.p_value),
        "warnings": [words.without_folders(text, paths) for text in result.warnings],
        "headings": headings,
        "rows": rows,
        "names": names,
        "photos": photos,
        "gallery": [
            (cell, crops[cell["row"]], shown_probability(cell["probability"]))
            for cell in cells
        ],
        "main_card": main_card,
        "more_card": more_card,
        "version": __version__,
        "data": _data(result, cells),
    }


def _listed(result: PatientResult, n_cells: int) -> list[int]:
    """Return the rows of the cells to review, most suspicious first."""
    if not len(result.cells):
        return []
    cells = result.cells.reset_index(drop=True)
    probability = cells["probability"].where(cells["flag"] == "").dropna()
    order = probability.sort_values(ascending=False, kind="stable").index.to_numpy()
    rank = np.arange(len(order))
    shown = (rank < n_cells) | cells["counted"].to_numpy(dtype=bool)[order]
    return [int(row) for row in order[shown]]


def _cell(result: PatientResult, names: list[str], row: int) -> dict[str, Any]:
    cell = result.cells.iloc[row]
    place = int(cell["photo"])
    return {
        "row": row,
        "place": place,
        "photo": names[place],
        **{name: int(cell[name]) for name in ("x", "y", "width", "height")},
        "probability": float(cell["probability"]),
        "counted": bool(cell["counted"]),
    }


def _data(result: PatientResult, cells: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the data for the scripts of the report."""
    data = {
        "patient": "" if result.patient is None else str(result.patient),
        "n_cells": int(result.n_cells),
        "density": float(result.red_cells_per_microliter),
        "level": f"{100 * result.confidence_level:g} %",
        "z": float(norm.isf((1 - result.confidence_level) / 2)),
        "cells": cells,
    }
    # Key of the marks of this report, because browsers store those of all reports
    # together.
    key = hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
    return {**data, "key": f"malariafuse-{key[:24]}"}


def _text(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")
