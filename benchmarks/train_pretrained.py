"""Train the classifier that comes with the package, and write its model card.

    python benchmarks/train_pretrained.py cell_images.zip --photographs iml \
        --output malariafuse/pretrained/red_cells

The threshold and the adapter to slides are chosen by probabilities of other patients,
in three patient-grouped folds. Then one classifier is trained on all patients. Fits are
kept in --work, so that a run that was stopped goes on. --photographs names a folder of
another laboratory, see robustness.py, which is for measuring alone.

Keras reads what older versions stored, and not what newer ones did. So the model is
stored again with the oldest versions, of constraints/oldest.txt:

    python benchmarks/train_pretrained.py --output malariafuse/pretrained/red_cells \
        --store-again
"""

import argparse
import os
import platform
import time
import warnings
from importlib.metadata import version
from pathlib import Path

# TensorFlow reads them when it is imported; without the second it trains slowly on
# some CPUs. A program that imports this file may have imported TensorFlow already.
if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import joblib
import numpy as np
from _photographs import read_crops
from _robustness_slides import false_positive_rate
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold

from malariafuse import FeatureFusionClassifier
from malariafuse._engine._inference import FrozenNetwork
from malariafuse._engine._stored import _unpack
from malariafuse.datasets import load_cell_images, make_cell_images
from malariafuse.evaluation import PatientTest, summarize
from malariafuse.model_selection import SlideAdapter, choose_threshold
from malariafuse.pretrained import (
    load_patient_test,
    load_pretrained,
    load_slide_adapter,
    model_card,
    save_pretrained,
)
from malariafuse.pretrained._train import assemble, patient_test_numbers

SIZE = (48, 48)
N_FOLDS = 3
SEED = 0
MIN_SPECIFICITY = 0.96
# Of the cells of a patient, which the adapter to slides should not mind.
SHARES = (0.1, 0.4)
N_REFERENCES = 50


def make_classifier(tiny):
    small = {}
    if tiny:
        small = {"backbone": "convnet", "filters": 2, "epochs": 1, "training_views": 1}
    return FeatureFusionClassifier(random_state=SEED, **small)


def make_adapter(tiny, threshold):
    return SlideAdapter(threshold=threshold, min_cells=3 if tiny else 30)


def make_patient_test(tiny):
    # Nearly 7,000 uninfected cells show how rare false alarms are at a threshold that
    # is stricter than the default.
    return PatientTest(cell_specificity=0.97 if tiny else 0.999)


def rounded(classifier):
    """Have weights of half precision, which take half of the room in a file."""
    network = classifier.model_
    network.set_weights(
        [w.astype(np.float16).astype(np.float32) for w in network.get_weights()]
    )
    return classifier


def fit(cells, rows, file, arguments):
    """Fit on some rows, unless that was done before."""
    if not file.exists():
        start = time.perf_counter()
        classifier = make_classifier(arguments.tiny)
        classifier.fit(cells.images[rows], cells.target[rows])
        part = file.with_suffix(".part")
        joblib.dump(rounded(classifier), part)
        part.replace(file)
        print(f"{file.stem}: {time.perf_counter() - start:.0f} s", flush=True)
    return joblib.load(file)


def out_of_fold(cells, arguments):
    """Return the probability of each cell by a classifier of other patients."""
    folds = StratifiedGroupKFold(N_FOLDS, shuffle=True, random_state=SEED)
    splits = folds.split(cells.images, cells.target, cells.groups)
    probability = np.full(len(cells.target), np.nan)
    for fold, (train, test) in enumerate(splits):
        if arguments.only in (None, f"fold{fold}"):
            file = arguments.work / f"fold{fold}.joblib"
            classifier = fit(cells, train, file, arguments)
            probability[test] = classifier.predict_proba(cells.images[test])[:, 1]
    return probability


def measured(cells, probability, threshold, adapter):
    """Return measures of other patients, with intervals."""
    return {
        "data": "NIH/LHNCBC cell images, cells of patients that were not trained on",
        "patients": len(np.unique(cells.groups)),
        "cells": len(cells.target),
        "threshold": threshold,
        "measures": with_intervals(cells.target, probability, cells.groups, threshold),
        "adaptation": {
            "all_cells": before_and_after(
                cells.target, probability, cells.groups, threshold, adapter
            ),
            **{
                f"{share:.0%}_parasitized": before_and_after(
                    cells.target[rows],
                    probability[rows],
                    cells.groups[rows],
                    threshold,
                    adapter,
                )
                for share in SHARES
                for rows in [with_share(cells, share)]
            },
        },
    }


def with_intervals(target, probability, group, threshold):
    """Return value, low and high of each measure, by a bootstrap over groups."""
    table = summarize(
        target, probability, groups=group, threshold=threshold, random_state=SEED
    )
    return {
        str(name): [round(float(number), 4) for number in row]
        for name, row in table[["value", "low", "high"]].iterrows()
    }


def with_share(cells, share):
    """Return rows of which as large a share is parasitized in each infected patient."""
    random, rows = np.random.default_rng(SEED), []
    for patient in np.unique(cells.groups):
        of_patient = random.permutation(np.flatnonzero(cells.groups == patient))
        sick, healthy = (of_patient[cells.target[of_patient] == i] for i in (1, 0))
        n = min(len(sick) / share, len(healthy) / (1 - share))
        rows += [*sick[: int(n * share)], *healthy[: int(n * (1 - share))]]
    return np.sort(rows).astype(int)


def before_and_after(target, probability, group, threshold, adapter):
    """Return rates as they are, and with each group adapted as a slide."""
    adapted = adapter.adapt(probability, group)
    return {
        "as_it_is": rates(target, probability, group, threshold),
        "adapted": rates(target, adapted, group, threshold),
    }


def rates(target, probability, group, threshold):
    """Return sensitivity, specificity and the false-positive rate over groups."""
    target, called = np.asarray(target), probability >= threshold
    of_groups = false_positive_rate(target, probability, np.asarray(group), threshold)
    return {
        "auc": round(float(roc_auc_score(target, probability)), 4),
        "sensitivity": round(float(called[target == 1].mean()), 4),
        "specificity": round(float(1 - called[target == 0].mean()), 4),
        "false_positive_rate_by_group": [
            round(float(rate), 4) for rate in of_groups.values()
        ],
    }


def on_photographs(pipeline, adapter, folder, threshold):
    """Return measures on cells of another laboratory, as they are and adapted."""
    crops = read_crops(folder, SIZE)
    photograph, target = np.array(crops.photographs), np.array(crops.target)
    with warnings.catch_warnings():
        # That the cells look otherwise is what is measured.
        warnings.simplefilter("ignore", UserWarning)
        probability = pipeline[1:].predict_proba(np.array(crops.masked))[:, 1]
    # Intervals are over photographs, since their patients are not published.
    measures = with_intervals(target, probability, photograph, threshold)
    del measures["patient_averaged_recall"]
    return {
        "photographs": len(np.unique(photograph)),
        "cells": len(target),
        "parasitized": int(target.sum()),
        "threshold": threshold,
        "measures": measures,
        **before_and_after(target, probability, photograph, threshold, adapter),
    }


def references(pipeline):
    """Return probabilities of drawn cells, by which a change of code is seen."""
    cells = make_cell_images(N_REFERENCES, 5, random_state=0).images
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return [float(p) for p in pipeline.predict_proba(list(cells))[:, 1]]


def store_again(folder):
    """Store a model as this version of Keras does, whichever version stored it."""
    pipeline = load_pretrained(folder)
    parts = {
        "slide_adapter": load_slide_adapter(folder),
        "patient_test": load_patient_test(folder),
    }
    card = model_card(folder)
    for name in ("format", "malariafuse", "sha256"):
        del card[name]
    classifier = pipeline[-1]
    stored = classifier._network.__getstate__()
    # Built by the parameters of the classifier, and not from what Keras stored.
    network = classifier._network_function()(classifier._inputs.network_shape, 1)
    network.set_weights(_unpack(stored["weights"], stored["shapes"]))
    classifier._network = FrozenNetwork(network)
    save_pretrained(folder, pipeline, **parts, card=card)


def main(arguments):
    if arguments.store_again:
        store_again(arguments.output)
        return
    if arguments.tiny:
        cells = make_cell_images(160, 20, image_size=SIZE, random_state=0)
    else:
        cells = load_cell_images(arguments.data, image_size=SIZE)
    arguments.work.mkdir(parents=True, exist_ok=True)
    everything = np.arange(len(cells.target))
    probability = out_of_fold(cells, arguments)
    if arguments.only not in (None, "all"):
        return
    classifier = fit(cells, everything, arguments.work / "all.joblib", arguments)
    if arguments.only is not None:
        return
    threshold = round(
        float(
            choose_threshold(cells.target, probability, min_specificity=MIN_SPECIFICITY)
        ),
        3,
    )
    classifier.set_params(verbose=0)
    with warnings.catch_warnings():
        # A model that ships has all its parts.
        warnings.filterwarnings("error", "The model has no", UserWarning)
        model = assemble(
            classifier,
            cells.images,
            cells.target,
            cells.groups,
            probability,
            slide_adapter=make_adapter(arguments.tiny, threshold),
            patient_test=make_patient_test(arguments.tiny),
        )
    pipeline, adapter = model.pipeline, model.slide_adapter
    parts = {"slide_adapter": adapter, "patient_test": model.patient_test}
    card = {
        "name": "red cells",
        "classes": {"0": "uninfected", "1": "parasitized"},
        "task": "Classify images of single red blood cells in Giemsa-stained thin "
        "blood smears as parasitized by Plasmodium or uninfected.",
        "training_data": {
            "name": "NIH/LHNCBC malaria cell images (Rajaraman et al. 2018, "
            "doi:10.7717/peerj.4568), one half of the patients",
            "species": "P. falciparum",
            "patients": len(np.unique(cells.groups)),
            "cells": len(cells.target),
            "parasitized": int(np.sum(cells.target)),
        },
        "protocol": f"FeatureFusionClassifier() on crops of {SIZE[0]} x {SIZE[1]} "
        f"pixels, random seed {SEED}. Threshold and slide adapter by {N_FOLDS} "
        "patient-grouped folds (StratifiedGroupKFold, random seed 0), model on all "
        "patients. Weights are rounded to half precision.",
        "threshold": {
            "value": threshold,
            "chosen_by": f"highest sensitivity at a specificity of {MIN_SPECIFICITY} "
            "out of fold",
        },
        "out_of_fold": measured(cells, probability, threshold, adapter),
        "patient_test": patient_test_numbers(model.patient_test),
        "intended_use": "Research, teaching, and a second look at cells. Not a "
        "medical device, and not for diagnosis without a reader.",
        "limits": [
            "Trained on one laboratory, one species and one way of cutting cells.",
            "P. vivax and other laboratories: see the measures on another "
            "laboratory. Thick smears, "
            "other stains and other magnifications were never seen.",
            "Needs images of single cells with a small margin. Platelets on a cell, "
            "stain debris and white cells may be called parasitized.",
            "Some labels of the training data look wrong, in both directions.",
        ],
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("keras", "tensorflow", "scikit-learn")},
        },
    }
    if arguments.photographs:
        card["other_laboratory"] = {
            "data": "photographs of P. vivax smears (Arshad et al. 2021), cells cut by "
            "their annotated boxes, never trained on",
            **on_photographs(pipeline, adapter, arguments.photographs, threshold),
        }
    # As it is loaded, in whose words the references are.
    save_pretrained(arguments.output, pipeline, **parts, card=card)
    card["references"] = references(load_pretrained(arguments.output))
    save_pretrained(arguments.output, pipeline, **parts, card=card)
    for name in ("out_of_fold", "other_laboratory"):
        print(name, card.get(name))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="?", help="cell_images.zip, or a half of it")
    parser.add_argument("--photographs", type=Path)
    parser.add_argument("--output", type=Path, default=Path("pretrained_model"))
    parser.add_argument("--work", type=Path, default=Path("pretrained_work"))
    parser.add_argument(
        "--only", help="fold0, fold1, ... or all: fit this one, for another process"
    )
    parser.add_argument(
        "--store-again", action="store_true", help="store --output again, and no more"
    )
    parser.add_argument("--tiny", action="store_true", help="drawn cells, one epoch")
    main(parser.parse_args())
