"""Measure parasitemias and verdicts of patients whose true counts are known.

    python benchmarks/parasitemia.py cell_images.zip --counts nih_photo_counts.csv \
        --work FOLDER --plot parasitemia.png

The classifier is the one of ``train_pretrained.py``: three patient-grouped folds, whose
fits are kept in ``--work``, give each cell a probability of a classifier that has seen
no cell of its patient. The test of patients is fitted out of fold, too, on five
patient-grouped folds of these probabilities, once for each of ``--seeds``.

``--counts`` is a table with the columns photo, patient, parasitized, uninfected and
kind. In photographs of kind "exact" all parasitized cells were published, and a few of
the uninfected ones, which stand for as many as there truly are: they are repeated up to
that number. Patients without parasites are taken with the cells that were published.

Prints, as means over the seeds,

1. by band of true parasitemia, the share of patients within 25 % of the truth, the
   median ratio, Spearman's rank correlation, and the coverage of the intervals;
2. the share of infected patients with each verdict, and of patients without parasites.

The few published uninfected cells say less about a patient's rate of false alarms than
all of them would, for which the intervals do not allow.
"""

import argparse
import os
import re
from pathlib import Path

# TensorFlow reads them when it is imported.
if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import numpy as np
import pandas as pd
from train_pretrained import (
    MIN_SPECIFICITY,
    SIZE,
    make_adapter,
    make_patient_test,
    out_of_fold,
)

from malariafuse.datasets import load_cell_images, make_cell_images
from malariafuse.evaluation import parasitemia_scores
from malariafuse.model_selection import PatientKFold, choose_threshold
from malariafuse.plotting import ParasitemiaCalibrationDisplay

N_FOLDS = 5
VERDICTS = ["infected", "review", "not infected"]


def photograph_of(file):
    return re.sub(r"_cell_\d+\.png$", "", Path(file).name)


def true_counts(counts, photographs):
    """Return the cells of each patient in the photographs with exact counts."""
    exact = counts[(counts["kind"] == "exact") & counts["photo"].isin(photographs)]
    return exact.groupby("patient")[["parasitized", "uninfected"]].sum()


def whole_patient(probability, target, counts):
    """Return probabilities of all cells of a patient, uninfected ones repeated."""
    parasitized, uninfected = (probability[target == label] for label in (1, 0))
    return np.concatenate(
        [parasitized, np.resize(uninfected, int(counts["uninfected"]))]
    )


def estimate(cells, probability, photographs, counts, seed, tiny):
    """Return the answers about all patients, each by a test of other patients."""
    exact = set(counts.loc[counts["kind"] == "exact", "photo"])
    in_exact = np.array([photograph in exact for photograph in photographs])
    truth = true_counts(counts, photographs)
    target, patients = cells.target, cells.groups
    answers = []
    folds = PatientKFold(N_FOLDS, shuffle=True, random_state=seed)
    for train, test in folds.split(target, target, patients):
        threshold = choose_threshold(
            target[train], probability[train], min_specificity=MIN_SPECIFICITY
        )
        adapter = make_adapter(tiny, threshold).fit(
            target[train], probability[train], patients[train]
        )
        adapted = adapter.adapt(probability, patients)
        fitted = make_patient_test(tiny).fit(
            target[train], adapted[train], patients[train]
        )
        for patient in np.unique(patients[test]):
            of_patient = patients == patient
            if not target[of_patient].any():
                y_prob, true = adapted[of_patient], 0.0
            elif f"C{patient}" in truth.index:
                of = truth.loc[f"C{patient}"]
                rows = of_patient & in_exact
                if not (target[rows] == 0).any():
                    continue  # nothing stands for the uninfected cells
                y_prob = whole_patient(adapted[rows], target[rows], of)
                true = of["parasitized"] / of.sum()
            else:
                continue
            answer = fitted.test(y_prob, f"C{patient}").assign(true=true)
            answers.append(answer)
    return pd.concat(answers)


def report(answers):
    """Return the scores of infected patients, and verdicts by infection."""
    scores = parasitemia_scores(
        answers["true"], answers["fraction"], answers["low"], answers["high"]
    )
    infected = np.where(answers["true"] > 0, "infected", "without parasites")
    verdicts = pd.crosstab(
        infected, answers["verdict"].to_numpy(), normalize="index", rownames=["truth"]
    )
    return scores, verdicts.reindex(columns=VERDICTS, fill_value=0)


def main(arguments):
    if arguments.tiny:
        cells = make_cell_images(160, 20, image_size=SIZE, random_state=0)
        photographs = np.array([f"photo {patient}" for patient in cells.groups])
        counts = pd.DataFrame({"photo": photographs, "target": cells.target})
        counts = counts.groupby("photo")["target"].agg(["sum", "size"]).reset_index()
        counts = pd.DataFrame(
            {
                "photo": counts["photo"],
                "patient": counts["photo"].str.replace("photo ", "C"),
                "parasitized": counts["sum"],
                "uninfected": 3 * (counts["size"] - counts["sum"]),
                "kind": "exact",
            }
        )
    else:
        cells = load_cell_images(arguments.data, image_size=SIZE)
        photographs = np.array([photograph_of(file) for file in cells.filenames])
        counts = pd.read_csv(arguments.counts)
    arguments.work.mkdir(parents=True, exist_ok=True)
    stored = arguments.work / "out_of_fold.npy"
    if not stored.exists():
        np.save(stored, out_of_fold(cells, arguments))
    probability = np.load(stored)
    by_seed = [
        estimate(cells, probability, photographs, counts, seed, arguments.tiny)
        for seed in arguments.seeds
    ]
    scores, verdicts = zip(*map(report, by_seed), strict=True)
    print(f"\nMeans of the seeds {', '.join(map(str, arguments.seeds))}\n")
    print((sum(scores) / len(scores)).round(3).to_string(), "\n")
    print((sum(verdicts) / len(verdicts)).round(3).to_string())
    if arguments.plot:
        answers = by_seed[0]
        ParasitemiaCalibrationDisplay.from_estimates(
            answers["true"], answers["fraction"], answers["low"], answers["high"]
        ).figure_.savefig(arguments.plot)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="?", help="cell_images.zip, or a half of it")
    parser.add_argument("--counts", type=Path)
    parser.add_argument("--work", type=Path, default=Path("pretrained_work"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--tiny", action="store_true", help="drawn cells, one epoch")
    arguments = parser.parse_args()
    arguments.only = None
    main(arguments)
