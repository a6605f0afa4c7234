"""Command that reads photographs of smears by patient."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from malariafuse.cli._command import (
    Command,
    InputError,
    about,
    describe,
    left_out,
    say,
    shows_progress,
)
from malariafuse.cli._models import READY, model_folder
from malariafuse.cli._output import (
    FORCE,
    JSON,
    OUTPUT,
    as_text,
    check_output,
    echo_json,
    write_csv,
)

if TYPE_CHECKING:
    import pandas as pd

    from malariafuse.patients import PatientResult, SmearReader

_SKIPPED = "Skipped: "


@dataclass
class Answer:
    """Result of one patient.

    Attributes
    ----------
    patient : str
    result : PatientResult or None
        None if the photographs could not be read.
    report : str
        File name of the report, or empty.
    note : str
        Photographs that were left out, with reasons.
    """

    patient: str
    result: "PatientResult | None" = None
    report: str = ""
    note: str = ""

    def row(self) -> dict[str, Any]:
        """Return the result as a row of a table."""
        numbers = {} if self.result is None else self.result.summary().to_dict()
        row = {"patient": self.patient, **numbers}
        return {**row, "report": self.report or None, "note": self.note or None}


@click.command(cls=Command)
@click.argument(
    "photos",
    nargs=-1,
    metavar="[PHOTO...]",
    type=click.Path(exists=True, path_type=Path),
)
@click.option("--patient", metavar="NAME", help="Patient of all photographs.")
@click.option(
    "--folders",
    is_flag=True,
    help="Treat each folder in PHOTO as a patient.",
)
@click.option(
    "--table",
    "table_file",
    metavar="CSV",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help='CSV file with the columns "path" and "patient". Paths are relative to its '
    "folder.",
)
@click.option(
    "-o",
    "--output",
    type=OUTPUT,
    help="HTML file of the report. With --folders or --table, an output folder, "
    "created if it does not exist.",
)
@click.option(
    "--red-cells-per-microliter",
    type=click.FloatRange(min=0, min_open=True),
    default=5_000_000,
    show_default=True,
    help="Measured number of red cells per microliter of blood.",
)
@click.option(
    "--model",
    default=READY,
    show_default=True,
    metavar="FOLDER",
    help='Folder written by train. "ready" is the model of the package.',
)
@FORCE
@JSON
def smear(
    photos: Sequence[Path],
    patient: str | None,
    folders: bool,
    table_file: Path | None,
    output: Path | None,
    red_cells_per_microliter: float,
    model: str,
    force: bool,
    as_json: bool,
) -> None:
    """Detect malaria in photographs of smears, by patient.

    PHOTO is a photograph of a Giemsa-stained thin smear, or a folder of photographs.
    The result is a verdict and the parasitemia with an interval. With --output, a
    report is written in which the cells can be reviewed in a browser.

    With --folders or --table, there may be several patients. --output is then a folder
    with a report for each patient, "patients.csv" with the results, and "cells.csv"
    with all cells. If the photographs of a patient cannot be read, the reason is in the
    note, and the other patients are still processed. The exit code is 3 if a patient or
    a photograph was left out.

    --json prints one line for each patient.

    \b
    Examples:
      malariafuse smear ada_1.jpg ada_2.jpg --patient Ada --output ada.html
      malariafuse smear photographs --folders --output reports
      malariafuse smear --table photographs.csv --output reports --json
    """
    several = folders or table_file is not None
    if output is not None:
        check_output(output, force=force, folder=several)
    patients = _patients(photos, patient, folders=folders, table_file=table_file)
    from malariafuse.pretrained import load_smear_reader

    reader = load_smear_reader(
        model_folder(model),
        red_cells_per_microliter=red_cells_per_microliter,
        verbose=shows_progress(),
    )
    if several:
        rows = _read_all(reader, patients, output, as_json=as_json)
    else:
        ((name, of_patient),) = patients.items()
        answer = _read(reader, name, of_patient, output)
        rows = [answer.row()]
        if as_json:
            echo_json(rows[0])
        else:
            click.echo(_in_words(answer))
    if any(row["note"] for row in rows):
        left_out()


def _patients(
    photos: Sequence[Path],
    patient: str | None,
    *,
    folders: bool,
    table_file: Path | None,
) -> dict[str, Any]:
    """Return the photographs of each patient: a folder, or a list of paths."""
    ways = (patient is not None, folders, table_file is not None)
    if sum(ways) != 1:
        raise InputError(
            "Pass one of --patient, --folders and --table to define the patients."
        )
    if table_file is not None:
        if photos:
            raise InputError("Pass photographs or --table, not both.")
        return _of_table(table_file)
    if not photos:
        raise InputError("Pass photographs or a folder of photographs.")
    if patient is not None:
        if len(photos) == 1 and photos[0].is_dir():
            return {patient: str(photos[0])}
        within = [str(path) for path in photos if path.is_dir()]
        if within:
            raise InputError(
                f"{within[0]} is a folder: pass one folder, or photographs, or "
                "--folders with a folder for each patient."
            )
        return {patient: [str(path) for path in photos]}
    found: dict[str, Any] = {}
    for parent in photos:
        inside = sorted(
            path
            for path in (parent.iterdir() if parent.is_dir() else ())
            if path.is_dir() and not path.name.startswith(".")
        )
        if not inside:
            raise InputError(
                f"{parent} has no folders: --folders expects one folder for each "
                "patient."
            )
        for path in inside:
            if path.name in found:
                raise InputError(f"There are two folders for the patient {path.name}.")
            found[path.name] = str(path)
    return found


def _of_table(file: Path) -> dict[str, Any]:
    import pandas as pd

    try:
        table = pd.read_csv(file, dtype=str, keep_default_na=False)
    except (ValueError, UnicodeError) as error:
        raise InputError(f"{file} is not a CSV file: {error}") from error
    if not {"path", "patient"} <= set(table.columns) or table.empty:
        raise InputError(
            f"{file} has {len(table)} rows and the columns {list(table.columns)}: "
            'expected "path" and "patient".'
        )
    for column in ("path", "patient"):
        if not table[column].str.strip().all():
            raise InputError(f'{file} has rows without a "{column}".')
    return {
        str(name): [str(file.parent / path) for path in of_patient["path"]]
        for name, of_patient in table.groupby("patient", sort=False)
    }


def _read(reader: "SmearReader", name: str, photos: Any, report: Path | None) -> Answer:
    from malariafuse.patients import write_report

    result = reader.read(photos, name)[name]
    if report is not None:
        write_report(result, report)
    notes = [text for text in result.warnings if text.startswith(_SKIPPED)]
    bad = result.photos[result.photos["problem"] != ""]
    if len(bad):
        named = bad["name"] + " (" + bad["problem"] + ")"
        notes.append(f"Left out: {', '.join(named)}.")
    return Answer(
        name,
        result,
        report="" if report is None else report.name,
        note=" ".join(" ".join(notes).split()),
    )


def _read_all(
    reader: "SmearReader",
    patients: dict[str, Any],
    folder: Path | None,
    *,
    as_json: bool,
) -> list[dict[str, Any]]:
    """Read the patients one by one, and keep only rows of tables in memory."""
    import pandas as pd

    if folder is not None:
        folder.mkdir(exist_ok=True)
    files = _file_names(list(patients))
    rows, cells = [], []
    for place, (name, photos) in enumerate(patients.items(), start=1):
        if shows_progress():
            say(f"Patient {place:,} of {len(patients):,}: {name}")
        try:
            report = None if folder is None else folder / files[name]
            with about(f"patient {name}"):
                answer = _read(reader, name, photos, report)
        except Exception as error:
            # An error of one patient does not affect the others.
            answer = Answer(name, note=describe(error))
            click.echo(f"Error: patient {name}: {answer.note}", err=True)
        if answer.result is not None and folder is not None:
            cells.append(_cells(name, answer.result))
        rows.append(answer.row())
        if as_json:
            echo_json(rows[-1])
    # As objects, so that counts stay integers if some are missing.
    table = pd.DataFrame(rows, dtype=object)
    if folder is not None:
        write_csv(folder / "patients.csv", table)
        if cells:
            write_csv(folder / "cells.csv", pd.concat(cells, ignore_index=True))
    if not as_json:
        click.echo(_in_table(table))
    return rows


def _cells(name: str, result: "PatientResult") -> "pd.DataFrame":
    cells = result.cells.copy()
    cells["photo"] = result.photos["name"].to_numpy()[cells["photo"]]
    cells.insert(0, "patient", name)
    return cells


def _file_names(patients: list[str]) -> dict[str, str]:
    """Return a file name for the report of each patient, valid on any file system."""
    names: dict[str, str] = {}
    taken = set()
    for patient in patients:
        stem = re.sub(r"[^\w-]+", "_", patient).strip("_")[:80] or "patient"
        name, number = stem, 1
        while name.casefold() in taken:
            number += 1
            name = f"{stem}_{number}"
        taken.add(name.casefold())
        names[patient] = f"{name}.html"
    return names


def _in_table(table: "pd.DataFrame") -> str:
    """Return the most important columns as text."""
    import pandas as pd

    from malariafuse._reports import between, percent

    def column(name: str) -> "pd.Series[Any]":
        return table.get(name, pd.Series(float("nan"), table.index))

    def whole(name: str) -> list[str]:
        return ["" if pd.isna(each) else f"{each:,.0f}" for each in column(name)]

    shown = {
        "patient": table["patient"],
        "verdict": column("verdict").fillna("not read"),
        "red cells": whole("n_cells"),
        "suspicious": whole("n_counted"),
        "parasitemia %": [percent(each) for each in column("fraction")],
        "95 % interval": [
            between(percent(low), percent(high))
            for low, high in zip(column("low"), column("high"), strict=True)
        ],
    }
    return as_text(pd.DataFrame(shown), left=["patient", "verdict"])


def _in_words(answer: Answer) -> str:
    """Return the result of one patient as text."""
    from malariafuse._reports import between, percent

    result = answer.result
    assert result is not None
    photos = result.photos
    low, high = percent(result.low), percent(result.high)
    # Three significant digits, as in the report.
    density = [f"{float(f'{each:.3g}'):,.0f}" for each in result.per_microliter]
    entries = {
        "patient": answer.patient,
        "verdict": result.verdict,
        "red cells": f"{result.n_cells:,} in {len(photos):,} photograph(s)",
        "suspicious cells": (
            f"{result.n_counted:,} ({result.needed:,} or more mean infected)"
        ),
    }
    if words := between(low, high):
        level = f"{100 * result.confidence_level:g} %"
        entries["parasitemia"] = (
            f"{percent(result.fraction)} % ({level} interval {words} %)"
        )
        entries["parasites per \N{MICRO SIGN}l"] = (
            f"{density[0]} ({density[1]} to {density[2]})"
        )
        entries["WHO class"] = result.who_class
    if not result.enough_cells:
        entries["cells"] = "fewer than the 5,000 that the WHO asks for"
    if answer.report:
        entries["report"] = answer.report
    return "\n".join(f"{name + ':':<18}{text}" for name, text in entries.items())
