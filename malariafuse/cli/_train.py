"""Command that trains a model on labeled cells."""

from pathlib import Path
from typing import Any

import click

from malariafuse._files._write import whole_folder
from malariafuse.cli._command import Command, say, shows_progress
from malariafuse.cli._output import (
    FORCE,
    JSON,
    OUTPUT,
    check_output,
    check_replaceable,
    echo_json,
)

_CLASSIFIERS = ("fusion", "resnet18", "convnet", "boosting")


@click.command(cls=Command)
@click.argument("data", type=click.Path(exists=True, path_type=Path))
@click.option(
    "-o",
    "--output",
    type=OUTPUT,
    required=True,
    help="Output folder of the model.",
)
@click.option(
    "--classifier",
    type=click.Choice(_CLASSIFIERS),
    default="fusion",
    show_default=True,
    help="fusion: a network and gradient boosting on handcrafted features, as in the "
    "model of the package. resnet18, convnet: a network only. boosting: gradient "
    "boosting only, which trains in a fraction of the time.",
)
@click.option(
    "--epochs",
    type=click.IntRange(1),
    help="Number of training epochs of a network. Default: epochs of the classifier.",
)
@click.option(
    "--folds",
    type=click.IntRange(2),
    default=3,
    show_default=True,
    help="Number of cross-validation folds. The classifier is trained once more on "
    "all patients.",
)
@click.option(
    "--min-specificity",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.96,
    show_default=True,
    help="Minimum specificity of the decision threshold.",
)
@click.option(
    "--cell-specificity",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.9975,
    show_default=True,
    help="Specificity of the stricter threshold for the test of patients. Decrease it "
    "if there are fewer than 400 uninfected cells.",
)
@click.option(
    "--image-size",
    type=click.IntRange(16, 512),
    default=48,
    show_default=True,
    help="Height and width in pixels to which cells are resized.",
)
@click.option(
    "--patients",
    type=click.Choice(["auto", "folder"]),
    default="auto",
    show_default=True,
    help="Source of the patient of a cell: the file name, such as "
    "C39P4thinF_cell_26.png, or the folder inside the class folder.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    help="Random seed.",
)
@FORCE
@JSON
def train(
    data: Path,
    output: Path,
    classifier: str,
    epochs: int | None,
    folds: int,
    min_specificity: float,
    cell_specificity: float,
    image_size: int,
    patients: str,
    seed: int,
    force: bool,
    as_json: bool,
) -> None:
    """Train a model on labeled cells.

    DATA is a folder or a zip file with the folders Parasitized and Uninfected, or a CSV
    file with the columns "path", "label" and "patient". Patients are required: the
    threshold and the test of patients are fitted to out-of-fold predictions by patient.

    The model is a folder without code, which is accepted by predict, smear, evaluate
    and card. Its card has out-of-fold metrics on the same data set. Evaluate the model
    on other patients before you rely on it.

    \b
    Examples:
      malariafuse train our_cells --output our_model
      malariafuse train our_cells.csv --output our_model --classifier boosting
    """
    check_output(output, force=force, folder=True)
    if epochs is not None and classifier == "boosting":
        raise click.UsageError(
            "--epochs is not valid for boosting, which has no network."
        )
    from malariafuse.datasets import load_cell_images
    from malariafuse.evaluation import PatientTest
    from malariafuse.pretrained import save_pretrained, train_pretrained

    check_replaceable(output, _is_model)
    with whole_folder(output) as folder:
        cells = load_cell_images(
            data,
            image_size=(image_size, image_size),
            patient_of=patients,
            cache=False,
            verbose=shows_progress(),
        )
        say(
            f"{len(cells.target):,} cells of {len(set(cells.groups)):,} patients, "
            f"{folds + 1} trainings."
        )
        model = train_pretrained(
            _classifier(classifier, epochs, seed),
            cells.images,
            cells.target,
            cells.groups,
            min_specificity=min_specificity,
            cv=folds,
            patient_test=PatientTest(cell_specificity=cell_specificity),
            card={
                "name": output.name,
                "limits": [
                    "Evaluated only on patients of the same data set: other "
                    "laboratories, stains and cameras may differ.",
                ],
            },
            random_state=seed,
        )
        model.card["training_data"]["name"] = data.name
        chosen = {
            "threshold": True,
            "slide adapter": model.slide_adapter is not None,
            "test of patients": model.patient_test is not None,
        }
        model.card["protocol"] = (
            f"{classifier} on crops of {image_size} x {image_size} pixels, random seed "
            f"{seed}. Model on all patients. By {folds} folds of patients: "
            f"{', '.join(name for name, made in chosen.items() if made)}."
        )
        save_pretrained(
            folder,
            model.pipeline,
            slide_adapter=model.slide_adapter,
            patient_test=model.patient_test,
            card=model.card,
        )
    if as_json:
        echo_json(model.card, indent=1)
        return
    measures = model.card["out_of_fold"]["measures"]
    click.echo(f"{output}, out-of-fold metrics by patient:")
    for name in ("recall", "specificity", "roc_auc", "patient_averaged_recall"):
        value, low, high = measures[name]
        label = name.replace("_", " ").replace("roc auc", "ROC AUC")
        click.echo(f"  {label:<24} {value:.3f} ({low:.3f} to {high:.3f})")
    click.echo(f"  {'threshold':<24} {model.card['threshold']['value']:.3f}")


def _classifier(name: str, epochs: int | None, seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline

    from malariafuse.features import SpotFeatureExtractor

    if name == "boosting":
        return make_pipeline(
            SpotFeatureExtractor(n_jobs=-1),
            HistGradientBoostingClassifier(random_state=seed),
        )
    from malariafuse.classifiers import (
        ConvNetClassifier,
        FeatureFusionClassifier,
        ResNet18Classifier,
    )

    kinds = {
        "fusion": FeatureFusionClassifier,
        "resnet18": ResNet18Classifier,
        "convnet": ConvNetClassifier,
    }
    settings = {} if epochs is None else {"epochs": epochs}
    return kinds[name](
        random_state=seed, verbose=1 if shows_progress() else 0, **settings
    )


def _is_model(folder: Path) -> bool:
    return (folder / "model_card.json").is_file()
