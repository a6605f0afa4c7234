"""The tables of ``robustness.py``, from the probabilities that it stores."""

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, recall_score, roc_auc_score

from malariafuse.metrics import specificity_score
from malariafuse.model_selection import thresholds_out_of_fold

MIN_SPECIFICITY = 0.97
CLEAN, NATURAL = "folds/clean", "masks/natural"


def measures(target, probability, threshold=0.5):
    decided = (probability >= threshold).astype(int)
    return {
        "AUC": float(roc_auc_score(target, probability)),
        "accuracy": float(accuracy_score(target, decided)),
        "recall": float(recall_score(target, decided)),
        "specificity": float(specificity_score(target, decided)),
    }


def read(folder, name, seed):
    """Return what was stored of each fold, in order."""
    files = sorted(
        (folder / name.replace(":", "_")).glob(f"seed{seed}_fold*.npz"),
        key=lambda file: int(file.stem.rpartition("fold")[2]),
    )
    return [dict(np.load(file)) for file in files]


def thresholds(folds, target, patients):
    """Return the threshold of each fold, chosen on the patients of the others."""
    rows = np.concatenate([fold["rows"] for fold in folds])
    sizes = [len(fold["rows"]) for fold in folds]
    chosen = thresholds_out_of_fold(
        target[rows],
        np.concatenate([fold[CLEAN] for fold in folds]),
        np.repeat(np.arange(len(folds)), sizes),
        patients[rows],
        min_specificity=MIN_SPECIFICITY,
    )
    return [float(chosen[end - 1]) for end in np.cumsum(sizes)]


def seed_table(folds, target, patients, of_photographs, step):
    """Return the measures of each set, at .5 and at the thresholds of the folds.

    Held-out cells are pooled over the folds; of photographs, which all folds predict,
    the mean of the folds is given. Masks and corruptions, which are those of every
    `step`-th cell, are compared with the same cells as they are.
    """
    at = thresholds(folds, target, patients) if CLEAN in folds[0] else None

    def pooled(key, step):
        kept = [fold["rows"] % step == 0 for fold in folds]
        rows = [fold["rows"][own] for fold, own in zip(folds, kept, strict=True)]
        probability = [
            fold[key][own] if key == CLEAN else fold[key]
            for fold, own in zip(folds, kept, strict=True)
        ]
        limits = at and np.repeat(at, [len(of_fold) for of_fold in rows])
        return both(target[np.concatenate(rows)], np.concatenate(probability), limits)

    table = {}
    for key in folds[0]:
        if key.startswith("photographs/"):
            each = [
                both(of_photographs, fold[key], at and at[i])
                for i, fold in enumerate(folds)
            ]
            table[key] = pd.DataFrame(each).mean()
        elif key == CLEAN:
            table[key] = pooled(CLEAN, 1)
        elif key != "rows":
            table[key] = pooled(key, step)
            if at:
                as_it_is = pooled(CLEAN, step)
                for name in ("AUC", "accuracy"):
                    table[key][f"{name} lost"] = as_it_is[name] - table[key][name]
    return pd.DataFrame(table).T


def both(target, probability, at):
    result = measures(target, probability)
    if at is not None:
        chosen = measures(target, probability, at)
        del chosen["AUC"]
        result |= {f"{name} at t": value for name, value in chosen.items()}
    return result


def over(table, yardstick):
    """Return the sets that a mean is taken of: not the cells without a mask."""
    of = table.index.str.startswith(f"{yardstick}/") & (table.index != NATURAL)
    return table[of]


def with_means(table):
    """Add the means over masks and over corruptions."""
    parts = [table]
    for yardstick in ("masks", "corruptions"):
        if len(of := over(table, yardstick)):
            parts.append(of.mean().to_frame(f"{yardstick}, mean").T)
    return pd.concat(parts)


def brief(table):
    """Return the row of a classifier in the table of all."""
    row = {}
    if CLEAN in table.index:
        row |= {"folds AUC": table["AUC"][CLEAN]}
        row |= {"folds accuracy": table["accuracy"][CLEAN]}
    for way in ("masked", "ellipse"):
        if (key := f"photographs/{way}") in table.index:
            row[f"photographs {way} AUC"] = table["AUC"][key]
            row[f"{way} recall at t"] = table.get("recall at t", np.nan)[key]
            row[f"{way} specificity at t"] = table.get("specificity at t", np.nan)[key]
    if NATURAL in table.index:
        row["no mask AUC"] = table["AUC"][NATURAL]
    for yardstick in ("masks", "corruptions"):
        if len(of := over(table, yardstick)):
            row[f"{yardstick} mean AUC"] = of["AUC"].mean()
            row[f"{yardstick} worst AUC"] = of["AUC"].min()
            if "AUC lost" in of:
                row[f"{yardstick} mean AUC lost"] = of["AUC lost"].mean()
    return row


def markdown(table):
    """Return a table in Markdown, numbers with four digits."""
    head = ["", *table.columns]
    lines = [head, ["---"] * len(head)]
    for name, row in table.iterrows():
        lines.append([name, *("" if np.isnan(v) else f"{v:.4f}" for v in row)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
