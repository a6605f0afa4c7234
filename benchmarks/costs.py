"""Measure what classifiers cost: minutes to train, milliseconds a cell, and memory.

    python benchmarks/costs.py

Each classifier has a process of its own. It is trained on drawn cells of 48 x 48
pixels, whose content does not change the time of a network. A network is trained for a
part of an epoch, and its whole training takes as many steps as `--cells` cells need.
Predictions are of 1,000 cells at a time, after a first call that compiles. Memory is
the peak of the process. For times of one core, set TF_NUM_INTRAOP_THREADS=1,
TF_NUM_INTEROP_THREADS=1 and OMP_NUM_THREADS=1, and pass --jobs 1.

With ``--tiny`` everything is so small that the numbers mean nothing.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from math import ceil

# TensorFlow reads it when it is imported, and else trains slowly on some CPUs.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline

from malariafuse import SpotFeatureExtractor, load_pretrained
from malariafuse.datasets import make_cell_images

NETWORKS = ("convnet", "resnet18", "fusion")
CLASSIFIERS = ("boosting", *NETWORKS, "pretrained")
BATCH = 64
DISTINCT = 512  # drawn cells, repeated: drawing takes longer than measuring


def drawn(n_cells):
    cells = make_cell_images(min(n_cells, DISTINCT), 16, random_state=0)
    rows = np.arange(n_cells) % len(cells.target)
    return cells.images[rows], cells.target[rows]


def network(name):
    from malariafuse import (
        ConvNetClassifier,
        FeatureFusionClassifier,
        ResNet18Classifier,
    )

    return {
        "convnet": ConvNetClassifier,
        "resnet18": ResNet18Classifier,
        "fusion": FeatureFusionClassifier,
    }[name](random_state=0)


def train_network(name, n_cells, n_steps):
    """Return the fitted classifier, and the seconds that a whole training takes."""
    from _training import Clock

    classifier, clock = network(name), Clock()
    epochs = classifier.epochs
    images, target = drawn(BATCH * n_steps)
    classifier.set_params(epochs=1, callbacks=[clock], batch_size=BATCH)
    started = time.perf_counter()
    classifier.fit(images, target)
    whole = time.perf_counter() - started
    steps = epochs * ceil(n_cells / BATCH)
    # The rest is building and compiling, and in a fusion what is computed once a cell.
    rest = max(0, whole - n_steps * clock.seconds)
    if name == "fusion":
        rest *= n_cells / len(images)
    return classifier, steps * clock.seconds + rest


def train_boosting(n_cells, n_jobs):
    images, target = drawn(n_cells)
    pipeline = make_pipeline(
        SpotFeatureExtractor(n_jobs=n_jobs),
        HistGradientBoostingClassifier(random_state=0),
    )
    started = time.perf_counter()
    pipeline.fit(images, target)
    return pipeline, time.perf_counter() - started


def measure(name, arguments):
    n_cells, n_predicted, n_steps = arguments.cells, 1000, 20
    if arguments.tiny:
        n_cells, n_predicted, n_steps = 100, 50, 4
    seconds = None
    if name == "pretrained":
        classifier = load_pretrained()
    elif name == "boosting":
        classifier, seconds = train_boosting(n_cells, arguments.jobs)
    else:
        classifier, seconds = train_network(name, n_cells, n_steps)
    images, _ = drawn(n_predicted)
    classifier.predict_proba(images[:BATCH])
    times = []
    for _ in range(3):
        started = time.perf_counter()
        classifier.predict_proba(images)
        times.append(time.perf_counter() - started)
    return {
        "classifier": name,
        "minutes to train": None if seconds is None else round(seconds / 60, 2),
        "ms a cell": round(1000 * float(np.median(times)) / n_predicted, 3),
        "peak MB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--classifier", nargs="+", choices=CLASSIFIERS)
    parser.add_argument("--cells", type=int, default=14_000, help="to train on")
    parser.add_argument("--jobs", type=int, default=-1, help="for features")
    parser.add_argument("--tiny", action="store_true")
    arguments = parser.parse_args()
    names = arguments.classifier or CLASSIFIERS
    if len(names) == 1:
        print(json.dumps(measure(names[0], arguments)))
        return
    options = ["--cells", str(arguments.cells), "--jobs", str(arguments.jobs)]
    options += ["--tiny"] * arguments.tiny
    rows = []
    for name in names:
        command = [sys.executable, "-W", "ignore", __file__, "--classifier", name]
        done = subprocess.run(
            [*command, *options], check=True, capture_output=True, text=True
        )
        rows.append(json.loads(done.stdout.splitlines()[-1]))
    print(pd.DataFrame(rows).to_string(index=False))


if __name__ == "__main__":
    main()
