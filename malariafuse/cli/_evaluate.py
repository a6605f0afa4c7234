"""Command that evaluates a model on labeled cells of other patients."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from malariafuse.cli._command import Command, InputError, left_out, shows_progress
from malariafuse.cli._models import READY, TRUST, load_card, load_model
from malariafuse.cli._output import (
    FORCE,
    JSON,
    OUTPUT,
    as_text,
    check_output,
    echo_json,
)

if TYPE_CHECKING:
    import pandas as pd

_SEED = 0


@click.command(cls=Command)
@click.argument("model")
@click.argument("data", type=click.Path(exists=True, path_type=Path))
@click.option("-o", "--output", type=OUTPUT, help="HTML file of the report.")
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    help="Decision threshold on the probability. Default: threshold of the model.",
)
@click.option(
    "--patients",
    type=click.Choice(["auto", "folder"]),
    default="auto",
    show_default=True,
    help="Source of the patient of a cell: the file name, such as "
    "C39P4thinF_cell_26.png, or the folder inside the class folder.",
)
@TRUST
@FORCE
@JSON
def evaluate(
    model: str,
    data: Path,
    output: Path | None,
    threshold: float | None,
    patients: str,
    trust: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Evaluate a model on labeled cells of other patients.

    MODEL is a folder written by train, "ready" for the model of the package, or a
    joblib file. DATA is a folder or a zip file with the folders Parasitized and
    Uninfected, or a CSV file with the columns "path", "label" and "patient".

    The metrics are valid only if the model was not trained on any of these patients.
    Each metric has a 95 % confidence interval over patients. With --output, a report is
    written with plots, the worst misses and false alarms, and the results by patient.
    Files that cannot be read are left out, and the exit code is 3.

    \b
    Examples:
      malariafuse evaluate ready our_cells --output report.html
      malariafuse evaluate our_model other_patients.csv --json
    """
    if output is not None:
        check_output(output, force=force)
    estimator = load_model(model, trust=trust)
    if set(estimator.classes_) != {0, 1}:
        raise InputError(
            f"{model} has the classes {list(estimator.classes_)}: expected 0 and 1, "
            "uninfected and parasitized."
        )
    if threshold is None:
        threshold = _threshold(estimator, model)
    from malariafuse.datasets import load_cell_images
    from malariafuse.evaluation import summarize

    loader = _loader(estimator, model)
    cells = load_cell_images(
        data,
        image_size=loader.image_size,
        keep_aspect=loader.keep_aspect,
        patient_of=patients,
        cache=False,
        on_error="skip",
        verbose=shows_progress(),
    )
    probability = estimator.predict_proba(list(cells.images))[:, 1]
    judged = (cells.target, probability, cells.groups)
    if output is not None:
        from malariafuse.deploy import write_evaluation_report

        write_evaluation_report(
            output,
            *judged,
            images=cells.images,
            threshold=threshold,
            name=model if model == READY else Path(model).name,
            data=data.name,
            card=load_card(model),
            random_state=_SEED,
        )
    measures = summarize(*judged, threshold=threshold, random_state=_SEED)
    if as_json:
        echo_json(_numbers(cells, probability, threshold, measures), indent=1)
    else:
        click.echo(
            f"{len(cells.target):,} cells of {len(set(cells.groups)):,} patients, "
            f"threshold {threshold:.4g}\n"
        )
        table = measures[["value", "low", "high"]].rename_axis("metric").reset_index()
        click.echo(as_text(table, left=["metric"]))
    if cells.refused:
        left_out()


def _loader(estimator: Any, model: str) -> Any:
    """Return the loader of the model, also inside searches and fixed thresholds."""
    from sklearn.pipeline import Pipeline

    from malariafuse.preprocessing import ImageLoader

    inside = estimator
    while not isinstance(inside, ImageLoader):
        if isinstance(inside, Pipeline):
            inside = inside[0]
            continue
        wrapped = ("best_estimator_", "estimator_", "estimator")
        name = next((name for name in wrapped if hasattr(inside, name)), None)
        if name is None:
            raise InputError(
                f"{model} does not begin with ImageLoader: expected a pipeline that "
                "loads files, as written by train."
            )
        inside = getattr(inside, name)
    return inside


def _threshold(estimator: Any, model: str) -> float:
    """Return the decision threshold of the model."""
    last = estimator[-1] if hasattr(estimator, "steps") else estimator
    for name in ("decision_threshold", "threshold"):
        found = getattr(last, name, None)
        if isinstance(found, float):
            return found
    raise InputError(f"{model} has no threshold: set it by --threshold.")


def _numbers(
    cells: Any, probability: Any, threshold: float, measures: "pd.DataFrame"
) -> dict[str, Any]:
    from malariafuse.evaluation import patient_table

    called, parasitized = probability >= threshold, cells.target == 1
    patients = patient_table(
        cells.target, probability, cells.groups, threshold=threshold
    )
    return {
        "cells": len(called),
        "patients": len(patients),
        "threshold": threshold,
        "confusion": {
            "found": int((parasitized & called).sum()),
            "missed": int((parasitized & ~called).sum()),
            "false_alarms": int((~parasitized & called).sum()),
            "uninfected": int((~parasitized & ~called).sum()),
        },
        "measures": measures.to_dict("index"),
        "by_patient": patients.to_dict("index"),
        "unreadable": cells.refused,
    }
