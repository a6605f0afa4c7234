"""Cross-validate classifiers on real cells, by patient.

    python benchmarks/patient_folds.py cell_images.zip

Every fold trains on some patients and is measured on others. Prints a table per
classifier, ending with the metrics pooled over all cells out of fold, then all
classifiers with their late fusion and the branches of the fusion alone, and by fold
how much better the fusion is than the better of two classifiers on one branch each.
Out-of-fold probabilities are kept in CSV files, from which a later run
goes on.

A classifier on a frozen network needs its weights: ``--mobilenet-weights PATH``, and
for VGG16 and ResNet50V2 the download by Keras. Where they cannot be had, the row says
so.
"""

import argparse
import os
import time
from functools import partial
from pathlib import Path

# TensorFlow reads it when it is imported, and else trains slowly on some CPUs. A
# program that imports this file may have imported TensorFlow already.
if __name__ == "__main__":
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import numpy as np
import pandas as pd
from sklearn.ensemble import VotingClassifier
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    matthews_corrcoef,
    precision_score,
    recall_score,
    roc_auc_score,
)
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline

from malariafuse import (
    ConcavityMarker,
    ConvNetClassifier,
    FeatureFusionClassifier,
    PretrainedFeatureExtractor,
    ResNet18Classifier,
    SpotFeatureExtractor,
)
from malariafuse.datasets import load_cell_images
from malariafuse.metrics import specificity_score
from malariafuse.model_selection import thresholds_out_of_fold

LATE_FUSION = ("resnet18", "spots")


def frozen(backbone, layer=None, weights="imagenet"):
    extractor = PretrainedFeatureExtractor(
        backbone, layer=layer, weights=weights, image_size=(96, 96)
    )
    return partial(FeatureFusionClassifier, [(backbone.lower(), extractor)])


def marked(**settings):
    return make_pipeline(ConcavityMarker(), ResNet18Classifier(**settings))


def pair(random_state=0, **settings):
    """Return the mean of two networks that differ in their seeds, one on each core."""
    members = [
        (f"seed{seed}", ResNet18Classifier(random_state=seed, **settings))
        for seed in (2 * random_state, 2 * random_state + 1)
    ]
    return make_pipeline(
        ConcavityMarker(), VotingClassifier(members, voting="soft", n_jobs=2)
    )


def classifiers(mobilenet_weights):
    return {
        "convnet": ConvNetClassifier,
        "resnet18": ResNet18Classifier,
        "marked_resnet18": marked,
        "resnet18_pair": pair,
        "spots": partial(FeatureFusionClassifier, [("spots", SpotFeatureExtractor())]),
        "fusion": FeatureFusionClassifier,
        "mobilenet_last": frozen("MobileNetV2", weights=mobilenet_weights),
        "mobilenet_block13": frozen(
            "MobileNetV2", "block_13_project", mobilenet_weights
        ),
        "vgg16": frozen("VGG16", "block5_conv2"),
        "resnet50v2": frozen("ResNet50V2", "conv4_block6_out"),
    }


def figures(target, probabilities, decided=None):
    if decided is None:
        decided = (probabilities >= 0.5).astype(int)
    return {
        "accuracy": accuracy_score(target, decided),
        "AUC": roc_auc_score(target, probabilities),
        "recall": recall_score(target, decided),
        "specificity": specificity_score(target, decided),
        "precision": precision_score(target, decided),
        "F1": f1_score(target, decided),
        "MCC": matthews_corrcoef(target, decided),
    }


def cross_validated(name, make, cells, splits, arguments):
    """Return the table of folds and the probabilities out of fold."""
    file = arguments.output / f"{name}.csv"
    done = (
        pd.read_csv(file)
        if file.exists()
        else pd.DataFrame(columns=["row", "fold", "settings"])
    )
    settings = (
        f"{arguments.folds} folds, seed {arguments.seed}, "
        f"{arguments.image_size} pixels, epochs {arguments.epochs or 'by default'}, "
        f"views {arguments.views}"
    )
    if len(done) and set(done["settings"]) != {settings}:
        raise SystemExit(
            f"{file} holds {set(done['settings'])}, and this run is {settings}: folds "
            "of both cannot be put together. Choose another --output."
        )
    for fold, (train, test) in enumerate(splits, start=1):
        if (done["fold"] == fold).any() or fold not in arguments.only_folds:
            continue
        chosen = {"epochs": arguments.epochs} if arguments.epochs else {}
        classifier = make(
            random_state=arguments.seed, test_time_views=arguments.views, **chosen
        )
        start = time.perf_counter()
        classifier.fit(cells.images[train], cells.target[train])
        fitted = time.perf_counter()
        probability = classifier.predict_proba(cells.images[test])[:, 1]
        rate = len(test) / (time.perf_counter() - fitted)
        rows = pd.DataFrame({"row": test, "fold": fold, "probability": probability})
        rows["patient"], rows["target"] = cells.groups[test], cells.target[test]
        rows["settings"] = settings
        rows["minutes"], rows["rate"] = (fitted - start) / 60, rate
        if name == "fusion":
            alone = classifier.branch_probabilities(cells.images[test])
            for branch, of_branch in alone.items():
                rows[f"branch {branch}"] = of_branch[:, 1]
        done = rows if done.empty else pd.concat([done, rows])
        # After each fold, so that a run that is cut off loses one at most.
        done.to_csv(file, index=False)
        print(name, fold, figures(cells.target[test], probability), flush=True)
    return done.sort_values("row")


def table_of(done, cells):
    lines = []
    for fold, rows in [*done.groupby("fold"), ("pooled", done)]:
        index = rows["row"].to_numpy()
        per_fold = rows.groupby("fold")[["minutes", "rate"]].first()
        lines.append(
            {
                "fold": str(fold),
                "patients": len(np.unique(cells.groups[index])),
                "cells": len(rows),
                **figures(cells.target[index], rows["probability"].to_numpy()),
                "minutes": per_fold["minutes"].mean(),
                "images/s": per_fold["rate"].median(),
            }
        )
    return pd.DataFrame(lines)


def show(table):
    formats = dict.fromkeys(table.select_dtypes("float").columns, "{:.4f}".format)
    for name in ("minutes", "images/s"):
        if name in formats:
            formats[name] = "{:.1f}".format
    print(table.to_string(index=False, formatters=formats), flush=True)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", help="folder or zip laid out as the NIH cell images")
    parser.add_argument("--classifier", choices=classifiers(None), nargs="+")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--only-folds", type=int, nargs="+", help="numbered from 1")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, help="instead of the default number")
    parser.add_argument("--views", type=int, default=1, help="of each tested cell")
    parser.add_argument("--image-size", type=int, default=48)
    parser.add_argument("--mobilenet-weights", default="imagenet")
    parser.add_argument("--output", type=Path, default=Path("patient_folds"))
    arguments = parser.parse_args()
    arguments.only_folds = arguments.only_folds or range(1, arguments.folds + 1)

    size = (arguments.image_size, arguments.image_size)
    cells = load_cell_images(arguments.data, image_size=size)
    splits = list(
        StratifiedGroupKFold(
            arguments.folds, shuffle=True, random_state=arguments.seed
        ).split(cells.images, cells.target, cells.groups)
    )
    print(
        f"{len(cells.target)} cells ({cells.target.sum()} parasitized) of "
        f"{len(np.unique(cells.groups))} patients, {size[0]} x {size[1]} pixels, "
        f"StratifiedGroupKFold({arguments.folds}, shuffle=True, "
        f"random_state={arguments.seed}), threshold 0.5"
    )
    arguments.output.mkdir(parents=True, exist_ok=True)
    makers = classifiers(arguments.mobilenet_weights)
    probabilities, missing = {}, {}
    for name in arguments.classifier or makers:
        try:
            done = cross_validated(name, makers[name], cells, splits, arguments)
        except OSError as error:
            missing[name] = str(error)
            continue
        if len(done) == len(cells.target):
            probabilities[name] = done["probability"].to_numpy()
            for column in done.columns[done.columns.str.startswith("branch ")]:
                probabilities[f"{name}, {column}"] = done[column].to_numpy()
            folds = done["fold"].to_numpy()
        print(f"\n{name}: {makers[name]()!r}")
        show(table_of(done, cells))
    if probabilities:
        compare(probabilities, folds, cells)
    for name, error in missing.items():
        print(f"{name}: not measured, its weights cannot be had. {error}")


def compare(probabilities, folds, cells):
    """Print all classifiers, and the fusion with its branches."""
    target = cells.target
    if set(LATE_FUSION) <= set(probabilities):
        members = [probabilities[name] for name in LATE_FUSION]
        probabilities["late fusion of " + " + ".join(LATE_FUSION)] = np.mean(members, 0)
    print("\nPooled out of fold, at 0.5:")
    show(
        pd.DataFrame([{"": n, **figures(target, p)} for n, p in probabilities.items()])
    )
    print("\nAt the threshold for specificity 0.97 on the patients of the other folds:")
    show(
        pd.DataFrame(
            [
                {
                    "": name,
                    **figures(
                        target,
                        probability,
                        probability
                        >= thresholds_out_of_fold(
                            target,
                            probability,
                            folds,
                            cells.groups,
                            min_specificity=0.97,
                        ),
                    ),
                }
                for name, probability in probabilities.items()
            ]
        )
    )
    if not {"fusion", *LATE_FUSION} <= set(probabilities):
        return
    lines = []
    for fold in np.unique(folds):
        rows = folds == fold
        own, *others = (
            figures(target[rows], probabilities[name][rows])
            for name in ("fusion", *LATE_FUSION)
        )
        lines.append(
            {
                "fold": str(fold),
                **{
                    metric: own[metric] - max(other[metric] for other in others)
                    for metric in ("accuracy", "AUC", "recall", "MCC")
                },
            }
        )
    print("\nFusion minus its better branch:")
    show(pd.DataFrame(lines))


if __name__ == "__main__":
    main()
