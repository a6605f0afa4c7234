"""A model for machines without Keras and TensorFlow."""

from pathlib import Path

import click

from malariafuse.cli._command import Command
from malariafuse.cli._models import READY, TRUST, load_card, load_model
from malariafuse.cli._output import OUTPUT, check_output


@click.command(cls=Command)
@click.argument("model", default=READY, metavar="[MODEL]")
@click.option("--output", type=OUTPUT, required=True, help="Folder to write.")
@TRUST
def export(model: str, output: Path, trust: bool) -> None:
    """Write a model as ONNX, for machines without TensorFlow.

    MODEL is a folder that train wrote, or a joblib file. Without it, the model that
    comes with malariafuse is exported. The folder holds the graph, a manifest that says
    what goes in and what comes out, and golden cells. It is compared with the model
    before it appears.

    In Python, malariafuse.deploy.OnnxClassifier runs the folder. This command needs the
    extra onnx-export, and OnnxClassifier the extra onnx.

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
