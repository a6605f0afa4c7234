"""Command that exports a model to ONNX."""

from pathlib import Path

import click

from malariafuse.cli._command import Command
from malariafuse.cli._models import READY, TRUST, load_card, load_model
from malariafuse.cli._output import OUTPUT, check_output


@click.command(cls=Command)
@click.argument("model", default=READY, metavar="[MODEL]")
@click.option("--output", type=OUTPUT, required=True, help="Output folder.")
@TRUST
def export(model: str, output: Path, trust: bool) -> None:
    """Export a model to ONNX, for use without TensorFlow.

    MODEL is a folder written by train, or a joblib file. Without it, the model of the
    package is exported. The output folder contains the graph, a manifest with inputs
    and outputs, and golden cells. The export is compared with the model before the
    folder is created. An existing folder is not replaced.

    In Python, malariafuse.deploy.OnnxClassifier runs the folder. This command requires
    the extra onnx-export, and OnnxClassifier requires the extra onnx.

    \b
    Examples:
      malariafuse export --output exported
      malariafuse export our_model --output exported
    """
    check_output(output, force=False, folder=True)
    estimator = load_model(model, trust=trust)
    from malariafuse.deploy import export_onnx

    folder = export_onnx(estimator, output, card=load_card(model))
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            size = file.stat().st_size
            click.echo(f"{size:>10,}  {file.relative_to(folder)}")
