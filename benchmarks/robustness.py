"""Measure classifiers where cells are not cut, lit or stored as those of the training.

    python benchmarks/robustness.py cell_images.zip --photographs FOLDER \
        --classifier boosting resnet18 --seeds 0 1 2

Every classifier is trained once per fold and seed, on some patients of the NIH cells,
and then predicts, without further training,

folds
    the cells of the other patients;
photographs
    cells of another laboratory: photographs with boxes, in a folder with
    ``annotations.json``. Each box is cut with a margin of a tenth of its sides, and
    masked by BackgroundMasker in its original size (``masked``), after it was resized
    (``masked_small``), or along the ellipse that fits into the box (``ellipse``);
masks
    the cells of the other patients with the mask eroded or dilated by 1, 2 or 3 of 64
    parts of the diameter (what is gained is plasma), replaced by an ellipse of the same
    moments, or taken away (``natural``), and then masked again by BackgroundMasker;
corruptions
    the same with blur, JPEG, noise, brightness, white balance and scale of ImageNet-C's
    severities 1 and 3 (see ``_corruptions.py``).

A classifier is one of the names below, or ``module:function``, where the function takes
``random_state`` and returns an estimator of images; ``spots+module:function`` returns
one of the features of SpotFeatureExtractor, which are computed once for all.

Images, features, fitted classifiers, and the probabilities of each fold are kept in
``--output``, from which a killed run, or one with more sets, goes on;
``records.jsonl`` there has one line per classifier, seed, fold and set, ``table.csv``
the measures of each seed: held-out cells pooled over the folds, photographs as means
of the folds. Means over masks leave ``natural`` out, which is no mask.
"""

import argparse
import importlib
import json
import os
import sys
import time
import warnings
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

# TensorFlow reads them when it is imported; without the second it trains slowly on
# some CPUs. A program that imports this file may have imported TensorFlow already.
if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import joblib
import numpy as np
import pandas as pd
from _photographs import write_drawn
from _robustness_slides import adapted, false_positive_rates
from _robustness_tables import (
    CLEAN,
    MIN_SPECIFICITY,
    brief,
    markdown,
    measures,
    read,
    seed_table,
    with_means,
)
from _yardsticks import ImageSets, read_originals
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from malariafuse import ConvNetClassifier, FeatureFusionClassifier, ResNet18Classifier
from malariafuse.datasets import load_cell_images, make_cell_images

YARDSTICKS = ("folds", "photographs", "masks", "corruptions")
ON_FEATURES = "spots+"


def dense_head(random_state):
    head = MLPClassifier((128,), early_stopping=True, random_state=random_state)
    return make_pipeline(StandardScaler(), head)


def boosting(random_state):
    return HistGradientBoostingClassifier(random_state=random_state)


# The functions that make them, and whether they take features instead of images.
CLASSIFIERS = {
    "boosting": (boosting, True),
    "spots": (dense_head, True),
    "convnet": (ConvNetClassifier, False),
    "resnet18": (ResNet18Classifier, False),
    "fusion": (FeatureFusionClassifier, False),
    # As the fusion was before, apart from features that are gone.
    "dense_fusion": (
        partial(FeatureFusionClassifier, vector_head="dense", epochs=16),
        False,
    ),
}


def find_classifier(name):
    """Return the function that makes a classifier, and whether it takes features."""
    if name in CLASSIFIERS:
        return CLASSIFIERS[name]
    on_features = name.startswith(ON_FEATURES)
    module, colon, function = name.removeprefix(ON_FEATURES).partition(":")
    if not (module and colon and function):
        raise SystemExit(
            f"--classifier {name}: expected one of {', '.join(CLASSIFIERS)}, "
            f"module:function or {ON_FEATURES}module:function."
        )
    sys.path.insert(0, os.getcwd())
    return getattr(importlib.import_module(module), function), on_features


def measure_fold(name, seed, fold, train, test, sets, arguments):
    """Fit once, unless it was done before, and predict all sets that are missing."""
    folder = arguments.output / name.replace(":", "_")
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / f"seed{seed}_fold{fold}"
    stored, model = stem.with_suffix(".npz"), stem.with_suffix(".joblib")
    known = dict(np.load(stored)) if stored.exists() else {"rows": test}
    if not np.array_equal(known["rows"], test):
        raise SystemExit(f"{stored} is of other folds. Choose another --output.")
    missing = [key for key in sets.names(arguments.yardsticks) if key not in known]
    if not missing:
        return
    make, on_features = find_classifier(name)
    inputs = sets.features if on_features else sets.images
    target = sets.cells.target
    if model.exists():
        classifier = joblib.load(model)
    else:
        start = time.perf_counter()
        classifier = make(random_state=seed)
        classifier.fit(inputs(CLEAN)[train], target[train])
        print(f"{name}, seed {seed}, fold {fold}: fitted in", end=" ")
        print(f"{time.perf_counter() - start:.0f} s", flush=True)
        # A killed process leaves no half of a file under its name.
        joblib.dump(classifier, stem.with_suffix(".part"))
        stem.with_suffix(".part").replace(model)
    records = []
    for key in missing:
        if key.startswith("photographs"):
            images, of = inputs(key), sets.annotations["target"].to_numpy()
        else:
            positions = sets.positions(key, test)
            images = inputs(key)[positions]
            of = target[test] if key == CLEAN else target[:: sets.step][positions]
        with warnings.catch_warnings():
            # Classifiers warn of images that are unlike those of the training.
            warnings.simplefilter("ignore", UserWarning)
            known[key] = classifier.predict_proba(images)[:, 1].astype(np.float32)
        record = {"classifier": name, "seed": seed, "fold": fold, "set": key}
        records.append(record | measures(of, known[key]))
        print(json.dumps(records[-1]), flush=True)
    np.savez(stem.with_suffix(".part.npz"), **known)
    stem.with_suffix(".part.npz").replace(stored)
    with (arguments.output / "records.jsonl").open("a") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)


def check_settings(arguments, cells):
    """Refuse an output folder of other data or another size."""
    file = arguments.output / "settings.json"
    settings = {
        "cells": len(cells.target),
        "image_size": arguments.image_size,
        "folds": arguments.folds,
        "step": arguments.step,
        "photographs": str(arguments.photographs),
    }
    if file.exists() and json.loads(file.read_text()) != settings:
        raise SystemExit(
            f"{file} holds {file.read_text()}, and this run is {json.dumps(settings)}. "
            "Choose another --output."
        )
    arguments.output.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(settings))


def run(cells, originals, arguments):
    check_settings(arguments, cells)
    sets = ImageSets(
        cells,
        originals,
        arguments.photographs,
        arguments.output / "sets",
        step=arguments.step,
        n_jobs=arguments.jobs,
    )
    target, patients = cells.target, cells.groups
    print(
        f"{len(target)} cells ({target.sum()} parasitized) of "
        f"{len(np.unique(patients))} patients, {arguments.image_size} pixels, "
        f"StratifiedGroupKFold({arguments.folds}, shuffle=True, random_state=seed), "
        f"seeds {', '.join(map(str, arguments.seeds))}"
    )
    for seed in arguments.seeds:
        folds = StratifiedGroupKFold(arguments.folds, shuffle=True, random_state=seed)
        splits = list(folds.split(target, target, patients))
        for name in arguments.classifier:
            for fold, (train, test) in enumerate(splits, start=1):
                measure_fold(name, seed, fold, train, test, sets, arguments)
    show(sets, arguments)


def show(sets, arguments):
    """Print a table per classifier, and one of them all, means over seeds.

    All numbers of each seed go to ``table.csv``.
    """
    folder, seeds, step = arguments.output, arguments.seeds, sets.step
    target, patients = sets.cells.target, sets.cells.groups
    of_photographs = photographs = None
    if sets.photographs:
        of_photographs = sets.annotations["target"].to_numpy()
        photographs = sets.annotations["photograph"].to_numpy()
    min_cells = 1 if arguments.tiny else 30
    means, rows = {}, []
    for name in arguments.classifier:
        by_seed = {seed: read(folder, name, seed) for seed in seeds}
        ways = {name: by_seed}
        if arguments.slides:
            ways[f"{name}, adapted"] = {
                seed: adapted(folds, target, patients, photographs, step, min_cells)
                for seed, folds in by_seed.items()
            }
        for way, folds_of in ways.items():
            tables, spread = {}, []
            for seed, folds in folds_of.items():
                tables[seed] = with_means(
                    seed_table(folds, target, patients, of_photographs, step)
                )
                if arguments.slides:
                    spread.append(
                        false_positive_rates(
                            folds, target, patients, of_photographs, photographs
                        )
                    )
            rows.append(pd.concat(tables, names=["seed", "set"]).assign(classifier=way))
            means[way] = sum(tables.values()) / len(tables)
            print(
                f"\n{way}, means of {len(seeds)} seed(s); t is the threshold for "
                f"specificity {MIN_SPECIFICITY} on the patients of the other folds\n"
            )
            print(markdown(means[way]))
            if spread:
                print(f"\n{way}, at .5, over patients and over photographs\n")
                print(markdown(sum(spread) / len(spread)))
    pd.concat(rows).to_csv(folder / "table.csv")
    print(f"\nAll, means of {len(seeds)} seed(s)\n")
    print(markdown(pd.DataFrame({name: brief(t) for name, t in means.items()}).T))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "data", nargs="?", help="folder or zip laid out as the NIH cell images"
    )
    parser.add_argument("--photographs", type=Path, help="folder of boxed photographs")
    parser.add_argument("--classifier", nargs="+", default=list(CLASSIFIERS))
    parser.add_argument(
        "--yardsticks", nargs="+", choices=YARDSTICKS, default=YARDSTICKS
    )
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--step", type=int, default=1, help="masks and corruptions of every n-th cell"
    )
    parser.add_argument(
        "--slides",
        action="store_true",
        help="also with the probabilities of each slide adapted by SlideAdapter",
    )
    parser.add_argument("--image-size", type=int, default=48)
    parser.add_argument("--jobs", type=int, default=1, help="processes for image sets")
    parser.add_argument("--output", type=Path, default=Path("robustness"))
    parser.add_argument(
        "--tiny", action="store_true", help="see that everything runs, on drawn cells"
    )
    arguments = parser.parse_args()
    for name in arguments.classifier:
        find_classifier(name)
    size = (arguments.image_size, arguments.image_size)
    if arguments.tiny:
        cells = make_cell_images(48, 12, image_size=size, random_state=0)
        with TemporaryDirectory() as folder:
            write_drawn(cells, folder)
            arguments.output = arguments.photographs = Path(folder)
            arguments.folds, arguments.seeds = 2, [0]
            run(cells, lambda: list(cells.images), arguments)
    elif arguments.data is None:
        parser.error("the following arguments are required: data, or --tiny")
    else:
        cells = load_cell_images(arguments.data, image_size=size)
        run(cells, partial(read_originals, arguments.data), arguments)


if __name__ == "__main__":
    main()
