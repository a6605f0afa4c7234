"""Measure what classifiers cost: minutes to train, milliseconds a cell, and memory.

    python benchmarks/costs.py

Each classifier has a process of its own. It is trained on drawn cells of 48 x 48
pixels, whose content does not change the time of a network. A network is trained for a
part of an epoch, and its whole training takes as many steps as `--cells` cells need.
Predictions are of 1,000 cells at a time, after a first call that compiles. Memory is
the peak of the process.

``--one-core`` measures processor time on one core, which a busy machine changes little.

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

ONE_CORE = {
    "OMP_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
}
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


def train_network(name, n_cells, n_steps, now):
    """Return the fitted classifier, and the seconds that a whole training takes."""
    import keras

    classifier = network(name)
    n_epochs = classifier.epochs

    def fit(n_steps):
        """Return the seconds of a step and of everything else."""
        ends = []
        clock = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs=None: ends.append(now())
        )
        images, target = drawn(BATCH * n_steps)
        classifier.set_params(epochs=1, callbacks=[clock], batch_size=BATCH)
        started = now()
        classifier.fit(images, target)
        whole = now() - started
        step = float(np.median(np.diff(ends)[2:]))  # the first ones compile
        return step, max(0, whole - n_steps * step)

    step, rest = fit(n_steps)
    if name == "fusion":
        # Most of the rest is computed once a cell. The second fit compiles as the
        # first, so the difference is that of the cells.
        _, of_more = fit(2 * n_steps)
        rest += (of_more - rest) * (n_cells / (BATCH * n_steps) - 1)
    return classifier, n_epochs * ceil(n_cells / BATCH) * step + rest


def train_boosting(n_cells, n_jobs, now):
    images, target = drawn(n_cells)
    pipeline = make_pipeline(
        SpotFeatureExtractor(n_jobs=n_jobs),
        HistGradientBoostingClassifier(random_state=0),
    )
    started = now()
    pipeline.fit(images, target)
    return pipeline, now() - started


def measure(name, arguments):
    now = time.process_time if arguments.one_core else time.perf_counter
    n_jobs = None if arguments.one_core else -1
    n_cells, n_predicted, n_steps = arguments.cells, 1000, 20
    if arguments.tiny:
        n_cells, n_predicted, n_steps = 100, 50, 4
    seconds = None
    if name == "pretrained":
        classifier = load_pretrained()
    elif name == "boosting":
        classifier, seconds = train_boosting(n_cells, n_jobs, now)
    else:
        classifier, seconds = train_network(name, n_cells, n_steps, now)
    images, _ = drawn(n_predicted)
    classifier.predict_proba(images[:BATCH])
    times = []
    for _ in range(3):
        started = now()
        classifier.predict_proba(images)
        times.append(now() - started)
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
    parser.add_argument("--one-core", action="store_true")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--here", choices=CLASSIFIERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        print(json.dumps(measure(arguments.here, arguments)))
        return
    options = ["--cells", str(arguments.cells)]
    options += ["--tiny"] * arguments.tiny + ["--one-core"] * arguments.one_core
    threads = ONE_CORE if arguments.one_core else {}
    rows = []
    for name in arguments.classifier or CLASSIFIERS:
        command = [sys.executable, "-W", "ignore", __file__, "--here", name]
        done = subprocess.run(
            [*command, *options],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, **threads},
        )
        rows.append(json.loads(done.stdout.splitlines()[-1]))
    print(pd.DataFrame(rows).to_string(index=False))


if __name__ == "__main__":
    main()
