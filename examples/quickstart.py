"""Train, choose a threshold, judge on patients not trained on, save and reload.

    python examples/quickstart.py               draws its images: a minute or so
    python examples/quickstart.py --data PATH   a folder or zip laid out as the NIH set
    python examples/quickstart.py --data nih    downloads the NIH set first (353 MB)

Results on drawn images show that the program works and say nothing about diagnosis.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

# TensorFlow reads it when it is imported and then keeps most of its messages to itself.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Without it, TensorFlow takes its faster kernels on some CPUs only.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import joblib
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    accuracy_score,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)
from sklearn.pipeline import Pipeline

from malariafuse import BackgroundMasker, ImageLoader, ResNet18Classifier
from malariafuse.datasets import (
    fetch_malaria_cells,
    load_cell_images,
    make_cell_images,
)
from malariafuse.metrics import specificity_score
from malariafuse.model_selection import choose_threshold, split_patients

IMAGE_SIZE = (48, 48)
MIN_SPECIFICITY = 0.95

# What a program that only predicts has to do.
PREDICT = """
import sys
import joblib
import numpy as np

saved, images, file, output = sys.argv[1:]
pipeline = joblib.load(saved)
np.savez(
    output,
    of_images=pipeline[1:].predict_proba(np.load(images)),
    of_file=pipeline.predict_proba([file]),
)
"""


def parse_arguments():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder or zip file, or 'nih' to download")
    parser.add_argument(
        "--output", type=Path, default=Path("quickstart_output"), help="folder to fill"
    )
    parser.add_argument(
        "--samples", type=int, default=2500, help="images to draw without --data"
    )
    parser.add_argument("--epochs", type=int, help="passes over the training images")
    return parser.parse_args()


def load_cells(arguments):
    """Draw, read or download the images."""
    if arguments.data is None:
        return make_cell_images(
            arguments.samples, 50, image_size=IMAGE_SIZE, random_state=0
        )
    if arguments.data == "nih":
        return fetch_malaria_cells(image_size=IMAGE_SIZE, verbose=True)
    return load_cell_images(arguments.data, image_size=IMAGE_SIZE, verbose=True)


def print_table(target, probability, thresholds):
    """Print what each threshold would give on the test patients."""
    scores = {
        "recall": recall_score,
        "specificity": specificity_score,
        "precision": precision_score,
        "F1": f1_score,
        "accuracy": accuracy_score,
    }
    print(f"\n{'':12}" + "".join(f"{f'at {t:.2f}':>9}" for t in thresholds))
    for name, score in scores.items():
        values = [score(target, (probability >= t).astype(int)) for t in thresholds]
        print(f"{name:12}" + "".join(f"{value:9.3f}" for value in values))
    print(
        f"{'AUC':12}" + f"{roc_auc_score(target, probability):9.3f}" * len(thresholds)
    )


def draw_figure(validation, test, images, threshold, file):
    """Draw the choice of the threshold, and right and wrong decisions with it."""
    figure = plt.figure(figsize=(12, 7), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=[3, 1])
    curve, table = upper.subplots(1, 2, width_ratios=[3, 2])

    target, probability = validation
    thresholds = np.linspace(0, 1, 101)
    for name, score, color in (
        ("recall", recall_score, "tab:red"),
        ("specificity", specificity_score, "tab:blue"),
    ):
        values = [score(target, (probability >= t).astype(int)) for t in thresholds]
        curve.plot(thresholds, values, color=color, label=name)
    curve.axhline(MIN_SPECIFICITY, color="tab:blue", ls=":", label="minimum")
    curve.axvline(threshold, color="black", ls="--", label=f"chosen: {threshold:.2f}")
    curve.set(
        title="Patients that the threshold was chosen on",
        xlabel="threshold on the probability of a parasite",
        ylim=(-0.02, 1.02),
    )
    curve.legend(loc="lower center")

    target, probability = test
    decision = (probability >= threshold).astype(int)
    ConfusionMatrixDisplay.from_predictions(
        target,
        decision,
        display_labels=["uninfected", "parasitized"],
        cmap="Blues",
        colorbar=False,
        ax=table,
    )
    table.set(title="Test patients", xlabel="decided", ylabel="true")

    shown = 6
    for part, name, wrong in zip(
        lower.subfigures(1, 2),
        ("Missed", "False alarms"),
        ((target == 1) & (decision == 0), (target == 0) & (decision == 1)),
        strict=True,
    ):
        rows = np.flatnonzero(wrong)
        # The worst ones: those furthest on the wrong side of the threshold.
        worst = rows[np.argsort(-np.abs(probability[rows] - threshold))][:shown]
        part.suptitle(f"{name}: {len(worst)} of {len(rows)} shown, with probability")
        for place, axes in enumerate(part.subplots(1, shown)):
            axes.axis("off")
            if place < len(worst):
                axes.imshow(images[worst[place]])
                axes.set_title(f"{probability[worst[place]]:.2f}", y=-0.25, fontsize=10)
    figure.savefig(file, dpi=100)


def main():
    """Do all of it and print what was seen."""
    started = perf_counter()
    arguments = parse_arguments()
    arguments.output.mkdir(parents=True, exist_ok=True)
    drawn = arguments.data is None

    cells = load_cells(arguments)
    # No patient is in two parts: cells of one patient resemble each other, and a split
    # by cells would flatter the classifier.
    split = split_patients(
        cells.target, cells.groups, test_size=0.2, validation_size=0.2, random_state=0
    )
    train, validation, test = split.train, split.validation, split.test
    print(
        f"{len(cells.target)} cells, {cells.target.sum()} parasitized, of "
        f"{len(np.unique(cells.groups))} patients"
    )
    for name, rows in (("train", train), ("threshold", validation), ("test", test)):
        patients = len(np.unique(cells.groups[rows]))
        print(f"  {name:10} {len(rows):6} cells of {patients:3} patients")

    # Drawn cells are few, so steps are small, and the first minute is short.
    few = {"epochs": 8, "filters": 8, "batch_size": 32, "learning_rate": 0.02}
    settings = few if drawn else {}
    if arguments.epochs is not None:
        settings["epochs"] = arguments.epochs
    pipeline = Pipeline(
        [
            ("mask", BackgroundMasker()),
            ("classifier", ResNet18Classifier(**settings, verbose=1, random_state=0)),
        ]
    ).fit(cells.images[train], cells.target[train])

    chosen_on = (
        cells.target[validation],
        pipeline.predict_proba(cells.images[validation])[:, 1],
    )
    threshold = choose_threshold(*chosen_on, min_specificity=MIN_SPECIFICITY)
    # A threshold changes decisions and no weight: nothing is trained again.
    pipeline.set_params(classifier__threshold=threshold)
    print(
        f"\nThreshold {threshold:.2f}: the highest recall at a specificity of at least "
        f"{MIN_SPECIFICITY}\non patients that were neither trained nor tested on."
    )

    probabilities = pipeline.predict_proba(cells.images[test])
    tested_on = (cells.target[test], probabilities[:, 1])
    print_table(*tested_on, [0.5, threshold])
    if drawn:
        print(
            "\nThese images were drawn by the program itself. The numbers above say "
            "nothing\nabout diagnostic quality."
        )

    figure = arguments.output / "quickstart.png"
    draw_figure(chosen_on, tested_on, cells.images[test], threshold, figure)

    # The saved pipeline begins with the file: a path goes in, a decision comes out.
    from_files = Pipeline([("load", ImageLoader(IMAGE_SIZE)), *pipeline.steps])
    saved = arguments.output / "quickstart.joblib"
    joblib.dump(from_files, saved)
    cell = arguments.output / "cell.png"
    Image.fromarray(cells.images[test[0]]).save(cell)

    with TemporaryDirectory() as folder:
        images, output = Path(folder, "images.npy"), Path(folder, "output.npz")
        np.save(images, cells.images[test])
        subprocess.run(
            [sys.executable, "-c", PREDICT, saved, images, cell, output],
            check=True,
        )
        reloaded = np.load(output)
        same = np.array_equal(reloaded["of_images"], probabilities) and np.array_equal(
            reloaded["of_file"], from_files.predict_proba([cell])
        )
        if not same:
            raise SystemExit("The reloaded pipeline predicts something else.")
    print(
        f"\nReloaded in a new process: {len(test)} predictions and that of the file "
        f"{cell.name}\nare identical to the last bit."
    )
    print(f"Wrote {figure}\n      {saved} ({saved.stat().st_size / 1e6:.1f} MB)")
    print(f"      {cell}")
    print(f"Took {perf_counter() - started:.0f} s.")


if __name__ == "__main__":
    main()
