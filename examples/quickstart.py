"""Train, choose a threshold, judge on patients not trained on, save and reload.

    python examples/quickstart.py               draws its images: less than a minute
    python examples/quickstart.py --data PATH   a folder or zip laid out as the NIH set
    python examples/quickstart.py --data nih    downloads the NIH set first (353 MB)

Results on drawn images show that the program works and say nothing about diagnosis.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import joblib
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import make_pipeline

from malariafuse import BackgroundMasker, ImageLoader, SpotFeatureExtractor
from malariafuse.datasets import (
    fetch_malaria_cells,
    load_cell_images,
    make_cell_images,
)
from malariafuse.evaluation import summarize
from malariafuse.model_selection import choose_threshold, split_patients
from malariafuse.plotting import ImageGridDisplay, ThresholdCurveDisplay

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--data", help="folder or zip file, or 'nih' to download")
parser.add_argument("--output", type=Path, default=Path("quickstart_output"))
parser.add_argument("--samples", type=int, default=3000, help="images to draw")
parser.add_argument("--seed", type=int, default=0)
arguments = parser.parse_args()
arguments.output.mkdir(parents=True, exist_ok=True)

if arguments.data is None:
    cells = make_cell_images(arguments.samples, 50, random_state=arguments.seed)
elif arguments.data == "nih":
    cells = fetch_malaria_cells(image_size=(48, 48), verbose=True)
else:
    cells = load_cell_images(arguments.data, image_size=(48, 48), verbose=True)
X, y, patients = cells.images, cells.target, cells.groups
print(f"{len(y)} cells, {y.sum()} parasitized, of {len(np.unique(patients))} patients")

# No patient is in two parts: cells of one patient resemble each other, and a split by
# cells would flatter the classifier.
split = split_patients(
    y, patients, test_size=0.25, validation_size=0.25, random_state=arguments.seed
)
train, validation, test = split.train, split.validation, split.test

# From the path of an image, or from images in memory, to a probability.
pipeline = make_pipeline(
    ImageLoader(image_size=X.shape[1:3]),
    BackgroundMasker(),
    SpotFeatureExtractor(),
    HistGradientBoostingClassifier(max_leaf_nodes=15, max_features=0.3, random_state=0),
).fit(X[train], y[train])

# The highest recall at a specificity of 97 %, on patients used for nothing else.
threshold = choose_threshold(
    y[validation], pipeline.predict_proba(X[validation])[:, 1], min_specificity=0.97
)
classifier = FixedThresholdClassifier(FrozenEstimator(pipeline), threshold=threshold)
classifier.fit(X[validation], y[validation])

probability = classifier.predict_proba(X[test])[:, 1]
print(f"\nOn test patients, at the threshold {threshold:.2f}, with 95 % intervals:\n")
table = summarize(
    y[test], probability, patients[test], threshold=threshold, random_state=0
)
print(table.loc[["recall", "specificity", "precision", "f1", "accuracy", "roc_auc"]])
if arguments.data is None:
    print("\nThese images were drawn: the numbers say nothing about diagnosis.")

figure, (left, right) = plt.subplots(1, 2, figsize=(14, 5), layout="constrained")
ThresholdCurveDisplay.from_predictions(
    y[test], probability, patients[test], marked_threshold=threshold, ax=left
)
ImageGridDisplay.from_predictions(
    X[test], y[test], probability, threshold=threshold, ax=right
)
picture = arguments.output / "quickstart.png"
figure.savefig(picture)
# The saved classifier takes files, in another process, too.
saved, cell = arguments.output / "quickstart.joblib", arguments.output / "cell.png"
joblib.dump(classifier, saved)
Image.fromarray(X[test[0]]).save(cell)
program = (
    "import joblib, sys; print(joblib.load(sys.argv[1]).predict_proba(sys.argv[2:]))"
)
command = [sys.executable, "-c", program, saved, cell]
again = subprocess.run(command, check=True, capture_output=True, text=True).stdout
print(f"\n{cell}, in a new process: {again.strip()}\nWrote {saved} and {picture}.")
print("Next: docs/user_guide/main_job.rst, or load_smear_reader() for photographs.")
