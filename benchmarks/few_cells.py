"""Train on few cells, and measure the ROC AUC on other patients.

    python benchmarks/few_cells.py cell_images.zip --cells 900

Half of the patients give the cells of the training, the other half those of the
measurement.
"""

import argparse
import os

# TensorFlow reads it when it is imported, and else trains slowly on some CPUs.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupShuffleSplit
from sklearn.pipeline import make_pipeline

from malariafuse import ConvNetClassifier, ResNet18Classifier, SpotFeatureExtractor
from malariafuse.datasets import load_cell_images

N_TEST = 3000


def classifiers(seed):
    return {
        "boosting": make_pipeline(
            SpotFeatureExtractor(), HistGradientBoostingClassifier(random_state=seed)
        ),
        "resnet18, 3 epochs": ResNet18Classifier(epochs=3, random_state=seed),
        "convnet": ConvNetClassifier(random_state=seed),
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", help="folder or zip laid out as the NIH cell images")
    parser.add_argument("--cells", type=int, default=900, help="cells of the training")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    arguments = parser.parse_args()
    cells = load_cell_images(arguments.data, image_size=(48, 48))
    for seed in arguments.seeds:
        halves = GroupShuffleSplit(1, test_size=0.5, random_state=seed)
        train, test = next(halves.split(cells.target, groups=cells.groups))
        draw = np.random.default_rng(seed).choice
        train = np.sort(draw(train, arguments.cells, replace=False))
        test = np.sort(draw(test, N_TEST, replace=False))
        for name, classifier in classifiers(seed).items():
            classifier.fit(cells.images[train], cells.target[train])
            probability = classifier.predict_proba(cells.images[test])[:, 1]
            auc = roc_auc_score(cells.target[test], probability)
            print(f"{name}, seed {seed}: ROC AUC {auc:.4f}", flush=True)


if __name__ == "__main__":
    main()
