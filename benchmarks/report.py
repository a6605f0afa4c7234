r"""Report on a classifier from its out-of-fold probabilities on real cells.

    python benchmarks/report.py patient_folds/fusion.csv patient_folds/resnet18.csv \
        --data cell_images.zip

Takes the CSV files that ``patient_folds.py`` writes and reports on the first; the
others, and its own branches, are compared with it. Prints metrics with intervals over
patients, the worst patients, verdicts on patients, what scaling by a temperature would
do, suspected label errors, and what the cells cost that all classifiers miss, and draws
pictures; those of cells need ``--data``.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit
from sklearn.calibration import CalibrationDisplay
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    PrecisionRecallDisplay,
    RocCurveDisplay,
    log_loss,
)

from malariafuse.datasets import load_cell_images
from malariafuse.evaluation import (
    PatientTest,
    compare,
    comparison_table,
    label_issues,
    patient_table,
    summarize,
)
from malariafuse.model_selection import thresholds_out_of_fold
from malariafuse.plotting import (
    ComparisonDisplay,
    ImageGridDisplay,
    PatientRecallDisplay,
    ThresholdCurveDisplay,
)

METRICS = ["recall", "specificity", "accuracy", "roc_auc"]


def in_folds(cells, decide):
    """Join what `decide` says of each fold, knowing the other folds alone."""
    return [
        decide(cells[cells["fold"] != fold], cells[cells["fold"] == fold])
        for fold in sorted(cells["fold"].unique())
    ]


def scaled(others, fold):
    """Divide logits by the temperature that suits the other folds best."""
    temperature = minimize_scalar(
        lambda t: log_loss(others["target"], expit(logits(others) / t)),
        bounds=(0.1, 10),
        method="bounded",
    ).x
    return fold.assign(
        scaled=expit(logits(fold) / temperature), temperature=temperature
    )


def logits(cells):
    return logit(cells["probability"].clip(1e-7, 1 - 1e-7))


def verdicts(others, fold):
    fitted = PatientTest().fit(
        others["target"], others["probability"], others["patient"]
    )
    table = fitted.test(fold["probability"], fold["patient"])
    infected = fold.groupby("patient")["target"].max()
    return table.assign(infected=infected.loc[table.index] == 1)


def ranked_below(target, probability):
    """Return for each parasitized cell the share of uninfected cells above it.

    One minus the AUC is the mean of these shares.
    """
    uninfected = np.sort(probability[target == 0])
    of = probability[target == 1]
    below = [np.searchsorted(uninfected, of, side) for side in ("left", "right")]
    return 1 - np.mean(below, axis=0) / len(uninfected)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "files", type=Path, nargs="+", help="CSV files of patient_folds"
    )
    parser.add_argument("--data", help="the images that patient_folds.py was given")
    parser.add_argument("--output", type=Path, default=Path("report"))
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    files = {
        file.stem: pd.read_csv(file).sort_values("row") for file in arguments.files
    }
    name, cells = next(iter(files.items()))
    for other, table in files.items():
        if not np.array_equal(table[["row", "fold"]], cells[["row", "fold"]]):
            raise SystemExit(f"{other} and {name} are not of the same cells and folds.")
    target = cells["target"].to_numpy()
    patients = cells["patient"].to_numpy()
    probability = cells["probability"].to_numpy()
    pd.set_option(
        *("display.width", 120, "display.max_columns", 20),
        *("display.float_format", "{:.4f}".format),
    )

    print(f"{name}: {len(cells)} cells of {len(np.unique(patients))} patients, at 0.5")
    print(summarize(target, probability, patients, random_state=0))

    thresholds = thresholds_out_of_fold(
        target, probability, cells["fold"], patients, min_specificity=0.97
    )
    decided = probability >= thresholds
    print(
        "\nAt the threshold for specificity 0.97 on the patients of the other folds, "
        f"{thresholds.min():.3f} to {thresholds.max():.3f}: recall "
        f"{decided[target == 1].mean():.4f}, specificity "
        f"{1 - decided[target == 0].mean():.4f}"
    )
    by_temperature = pd.concat(in_folds(cells, scaled)).sort_values("row")
    print(
        "\nWith logits divided by a temperature, "
        f"{by_temperature['temperature'].min():.2f} to "
        f"{by_temperature['temperature'].max():.2f}, chosen on the other folds"
    )
    calibration = ["brier_score", "calibration_error"]
    print(
        summarize(
            target, by_temperature["scaled"].to_numpy(), patients, random_state=0
        ).loc[calibration]
    )
    print("\nPatients with the lowest recall, at 0.5")
    print(patient_table(target, probability, patients).head(8))

    judged = pd.concat(in_folds(cells, verdicts))
    print("\nVerdicts on patients, each by a count test that other patients set")
    print(pd.crosstab(judged["infected"], judged["verdict"]))
    called = judged["verdict"] == "infected"
    print(
        f"sensitivity {called[judged['infected']].mean():.3f}, "
        f"specificity {1 - called[~judged['infected']].mean():.3f}"
    )

    issues = label_issues(target, probability, patients)
    print(f"\n{len(issues)} labels that the probabilities contradict; the first ones")
    print(issues.head(8))
    kept = ~np.isin(np.arange(len(target)), issues.index)
    without = summarize(
        target[kept], probability[kept], patients[kept], n_resamples=100, random_state=0
    )
    print("\nIf all of these labels were wrong, the metrics without them")
    print(without["value"].loc[METRICS].to_string())

    probabilities = {key: file["probability"].to_numpy() for key, file in files.items()}
    for column in cells.columns[cells.columns.str.startswith("branch ")]:
        probabilities[f"{name}, {column}"] = cells[column].to_numpy()
    missed = np.max(list(probabilities.values()), axis=0)[target == 1] < 0.1
    shares = ranked_below(target, probability) / len(missed)
    print(
        f"\n{missed.sum()} of {len(missed)} parasitized cells have a probability below "
        f"0.1 by each of {', '.join(probabilities)}. They take "
        f"{shares[missed].sum():.4f} from the AUC, all others "
        f"{shares[~missed].sum():.4f}; by patient:"
    )
    print(pd.Series(patients[target == 1][missed]).value_counts().head(8).to_string())
    if len(probabilities) > 1:
        print(f"\nDifferences to {name}")
        print(compare(target, probabilities, patients, metrics=METRICS, random_state=0))
        table = comparison_table(
            target, probabilities, patients, metrics=METRICS, random_state=0
        )
        save(ComparisonDisplay.from_table(table), arguments.output / "comparison.png")
    curve = ThresholdCurveDisplay.from_predictions(
        target, probability, patients, random_state=0
    )
    save(curve, arguments.output / "thresholds.png")
    recall = PatientRecallDisplay.from_predictions(target, probability, patients)
    save(recall, arguments.output / "patients.png")
    figure, axes = plt.subplots(2, 2, figsize=(9, 8), layout="constrained")
    ConfusionMatrixDisplay.from_predictions(
        target,
        probability >= 0.5,
        display_labels=["uninfected", "parasitized"],
        ax=axes[0, 0],
        colorbar=False,
    )
    RocCurveDisplay.from_predictions(target, probability, ax=axes[0, 1], name=name)
    PrecisionRecallDisplay.from_predictions(
        target, probability, ax=axes[1, 0], name=name
    )
    CalibrationDisplay.from_predictions(
        target, probability, ax=axes[1, 1], name=name, n_bins=10
    )
    figure.savefig(arguments.output / "curves.png", dpi=100)
    plt.close(figure)
    if arguments.data is None:
        return
    images = load_cell_images(arguments.data, image_size=(96, 96)).images
    suspected = ImageGridDisplay.from_label_issues(images, issues, n_images=12)
    save(suspected, arguments.output / "labels.png")


def save(display, path):
    display.figure_.savefig(path, dpi=100)
    plt.close(display.figure_)


if __name__ == "__main__":
    main()
