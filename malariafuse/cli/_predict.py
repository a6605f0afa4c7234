"""Command that classifies single cells."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from malariafuse.cli._command import (
    Command,
    InputError,
    left_out,
    say,
    shows_progress,
)
from malariafuse.cli._models import MODEL, TRUST, load_model
from malariafuse.cli._output import (
    FORCE,
    JSON,
    OUTPUT,
    as_text,
    check_output,
    echo_json,
    remove_folder,
    write_csv,
)

if TYPE_CHECKING:
    import pandas as pd

PATIENTS = click.option(
    "--patients",
    type=click.Choice(["auto", "folder", "none"]),
    default="auto",
    show_default=True,
    help="Where the patient of a cell comes from: the file name, as in "
    "C39P4thinF_cell_26.png, or the folder.",
)


@click.command(cls=Command)
@click.argument(
    "paths",
    nargs=-1,
    required=True,
    metavar="PATH...",
    type=click.Path(exists=True, path_type=Path),
)
@click.option(
    "-o",
    "--output",
    type=OUTPUT,
    help="Output CSV file, or folder of Parquet files if its name ends in .parquet.",
)
@PATIENTS
@MODEL
@TRUST
@FORCE
@JSON
def predict(
    paths: Sequence[Path],
    output: Path | None,
    patients: str,
    model: str,
    trust: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Classify image files of single red blood cells.

    PATH is an image of a cell, a folder or a zip file of images, or a CSV file with a
    column "path". Several paths are allowed.

    The result has one row for each file: the path, the patient if known, the
    probability that the cell is parasitized, the decision at the threshold of the
    model, and a note. If a file cannot be read, the reason is in the note, and the exit
    code is 3.

    Without --output and --json, a table is printed. --json prints one line for each
    file.

    Use an output such as predictions.parquet for any number of files. It is a folder to
    which results are written in parts, with constant memory. An interrupted command is
    resumed by the same command. Decisions in it are 1 for parasitized and 0 for
    uninfected.

    \b
    Examples:
      malariafuse predict cells --output predictions.csv
      malariafuse predict C39P4thinF_cell_26.png C39P4thinF_cell_27.png
      malariafuse predict cells.zip --json | jq 'select(.probability > 0.9).path'
      malariafuse predict cells --model our_model --output predictions.csv --force
      malariafuse predict a_million_cells --output predictions.parquet
    """
    if output is not None and output.suffix.lower() == ".parquet":
        if as_json:
            raise InputError(
                f"--json is not valid with --output {output}: expected one of them."
            )
        _write_parts(output, paths, patients, load_model(model, trust=trust), force)
        return
    if output is not None:
        check_output(output, force=force)
    table = _predicted(load_model(model, trust=trust), paths, patients)
    if output is not None:
        write_csv(output, table)
    if as_json:
        for row in table.to_dict("records"):
            echo_json(row)
    elif output is None:
        click.echo(as_text(table, left=["path", "decision", "note"]))
    _sum_up(table)


def _sum_up(table: "pd.DataFrame") -> None:
    """Print the numbers of files, and exit with a code."""
    refused = int(table["probability"].isna().sum())
    counts = table["decision"].value_counts()
    say(
        f"{len(table):,} files: "
        + ", ".join(f"{number:,} {name}" for name, number in counts.items())
        + (f", {refused:,} that cannot be read." if refused else ".")
    )
    if refused:
        left_out()


def _write_parts(
    output: Path, paths: Sequence[Path], patients: str, estimator: Any, force: bool
) -> None:
    import pandas as pd

    from malariafuse.datasets import image_paths
    from malariafuse.deploy import write_predictions

    check_output(output, force=True, folder=True)
    if force and output.exists():
        remove_folder(output, _is_of_parts)
    names: list[str] = []
    for path in paths:
        if path.is_dir():
            names += image_paths(path)
        elif path.suffix.lower() in (".csv", ".zip"):
            raise InputError(
                f"{path}: expected folders and image files for an output such as "
                f"{output}. For zip files and tables, use a CSV file as output."
            )
        else:
            names.append(str(path))
    write_predictions(
        output,
        estimator,
        names,
        patient_of=None if patients == "none" else patients,
        verbose=shows_progress(),
    )
    table = pd.read_parquet(output, columns=["probability", "decision"])
    _sum_up(_in_words(table, estimator))


def _is_of_parts(folder: Path) -> bool:
    return all(
        re.fullmatch(r"part-\d+\.parquet", each.name) for each in folder.iterdir()
    )


def _in_words(table: "pd.DataFrame", estimator: Any) -> "pd.DataFrame":
    if set(estimator.classes_) == {0, 1}:
        words = {0: "uninfected", 1: "parasitized"}
        table["decision"] = table["decision"].map(words)
    return table


def _predicted(estimator: Any, paths: Sequence[Path], patients: str) -> "pd.DataFrame":
    import pandas as pd

    from malariafuse.datasets import ImageReadError
    from malariafuse.deploy import predict_files

    tables, read = [], False
    refused: dict[str, str] = {}
    for source in _sources(paths):
        try:
            table = predict_files(
                estimator,
                source,
                patient_of=None if patients == "none" else patients,
                verbose=shows_progress(),
            )
            read = True
        except ImageReadError as error:
            # No file of this source could be read, but those of others may be.
            refused |= error.refused
            table = pd.DataFrame(
                {
                    "path": list(error.refused),
                    "probability": float("nan"),
                    "decision": None,
                    "note": [f"unreadable: {why}" for why in error.refused.values()],
                },
                dtype=object,
            )
        tables.append(table)
    if not read:
        raise ImageReadError(refused)
    # As objects, so that patients that are numbers stay so next to unknown ones.
    together = pd.concat([table.astype(object) for table in tables], ignore_index=True)
    columns = ["path", "patient", "probability", "decision", "note"]
    together = together[[name for name in columns if name in together]]
    return _in_words(together, estimator).astype({"probability": float})


def _sources(paths: Sequence[Path]) -> Iterator[str | list[str]]:
    """Yield sources to read together: consecutive files, or a folder."""
    files: list[str] = []
    for path in paths:
        if path.is_file() and path.suffix.lower() not in (".csv", ".zip"):
            files.append(str(path))
            continue
        if files:
            yield files
        files = []
        yield str(path)
    if files:
        yield files
