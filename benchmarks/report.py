"""Report on a classifier from its out-of-fold probabilities on real cells.

    python benchmarks/report.py patient_folds/fusion.csv patient_folds/resnet18.csv

Takes the CSV files that ``patient_folds.py`` writes and reports on the first; the
others are compared with it. Prints figures with intervals over patients, the worst
patients, verdicts on patients and suspected label errors, and draws three pictures.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from malariafuse.evaluation import (
    PatientClassifier,
    choose_threshold,
    compare,
    comparison_table,
    label_issues,
    patient_table,
    summarize,
)
from malariafuse.plotting import (
    ComparisonDisplay,
    PatientRecallDisplay,
    ThresholdCurveDisplay,
)

METRICS = ["recall", "specificity", "accuracy", "AUC"]


def in_folds(cells, decide):
    """Join what `decide` says of each fold, knowing the other folds alone."""
    return [
        decide(cells[cells["fold"] != fold], cells[cells["fold"] == fold])
        for fold in sorted(cells["fold"].unique())
    ]


def by_chosen_threshold(others, fold):
    threshold = choose_threshold(
        others["target"], others["probability"], specificity=0.97
    )
    return fold.assign(decided=fold["probability"] >= threshold, threshold=threshold)


def verdicts(others, fold):
    classifier = PatientClassifier().fit(
        others["probability"], others["target"], others["patient"]
    )
    table = classifier.predict(fold["probability"], fold["patient"])
    infected = fold.groupby("patient")["target"].max()
    return table.assign(infected=infected.loc[table.index] == 1)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "files", type=Path, nargs="+", help="CSV files of patient_folds"
    )
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

    chosen = pd.concat(in_folds(cells, by_chosen_threshold))
    positive = chosen["target"] == 1
    print(
        "\nAt the threshold for specificity 0.97 on the patients of the other folds, "
        f"{chosen['threshold'].min():.3f} to {chosen['threshold'].max():.3f}: recall "
        f"{chosen.loc[positive, 'decided'].mean():.4f}, specificity "
        f"{1 - chosen.loc[~positive, 'decided'].mean():.4f}"
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

    probabilities = {key: file["probability"].to_numpy() for key, file in files.items()}
    if len(files) > 1:
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


def save(display, path):
    display.figure_.savefig(path, dpi=100)
    plt.close(display.figure_)


if __name__ == "__main__":
    main()
