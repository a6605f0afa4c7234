"""Check on simulated patients, whose truth is known, what malariafuse.evaluation says.

    python benchmarks/interval_coverage.py --jobs 2

Patients differ in how easily their cells are distinguished, and a few hold most of the
parasitized cells, as in real data. Prints

1. how often 95 % intervals hold the truth: from resampled patients, from plain
   percentiles of the same draws, from resampled cells, and of paired differences
   between two classifiers;
2. the same where errors are so rare that many studies have none: of all intervals, of
   those of studies without an error, and of differences;
3. the share of healthy patients that a PatientTest does not call infected;
4. the mean of the corrected parasitized fraction and the truth, and how often its
   95 % interval holds it.
"""

import argparse

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy import special

from malariafuse._cells import check_cells
from malariafuse.evaluation import PatientTest, compare, summarize
from malariafuse.evaluation._bootstrap import replicate
from malariafuse.evaluation._measures import METRICS, Measures

COMPARED = ("recall", "specificity", "precision", "f1", "accuracy", "mcc", "roc_auc")
RATES_OF_ERRORS = {
    "one cell in 1000": lambda random, parasites: np.full(len(parasites), 0.001),
    "half of the cells of one patient in 50": lambda random, parasites: (
        0.5 * (random.random(len(parasites)) < 0.02)
    ),
    "all cells of one patient in 50": lambda random, parasites: (
        1.0 * (random.random(len(parasites)) < 0.02)
    ),
    "half of the cells of one heavily infected patient in 10": (
        lambda random, parasites: (
            0.5 * ((parasites > 40) & (random.random(len(parasites)) < 0.1))
        )
    ),
}


class Population:
    """Patients whose cells have a difficulty in common."""

    def __init__(self, spread: float, *, easy: bool = False) -> None:
        self.spread, self.easy = spread, easy

    def draw(
        self,
        random: np.random.Generator,
        n_patients: int,
        *,
        infected: float = 0.75,
        n_uninfected: int | None = None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return labels, probabilities and patients."""
        is_infected = random.random(n_patients) < infected
        parasites = np.minimum(1 + random.lognormal(2.5, 1, n_patients), 250)
        if n_uninfected is None:
            n_uninfected = 68 if self.easy else 20
        n_of_kind = np.stack(
            [
                np.full(n_patients, n_uninfected),
                np.where(is_infected, parasites, 0).astype(int),
            ]
        )
        return self.cells(random, n_of_kind)

    def cells(
        self, random: np.random.Generator, n_of_kind: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return cells of patients with so many uninfected and parasitized ones."""
        n_patients = n_of_kind.shape[1]
        patient = np.repeat(np.tile(np.arange(n_patients), 2), n_of_kind.ravel())
        y = np.repeat([0, 1], n_of_kind.sum(axis=1))
        difficulty = random.normal(0, self.spread, (2, n_patients))
        middle = (4.5, -4.5) if self.easy else (2.5, -3)
        score = np.where(y == 1, *middle) + difficulty[y, patient]
        return y, special.expit(score + random.normal(0, 1.2, len(y))), patient


class RarelyWrong:
    """Two sure and equally good classifiers, which err on the same patients."""

    def __init__(self, errors: str) -> None:
        self.rates = RATES_OF_ERRORS[errors]

    def draw(
        self, random: np.random.Generator, n_patients: int
    ) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
        """Return labels, probabilities of both classifiers, and patients."""
        infected = random.random(n_patients) < 0.75
        parasites = np.minimum(1 + random.lognormal(2.5, 1, n_patients), 250)
        parasites = np.where(infected, parasites, 0).astype(int)
        n_of_kind = np.stack([np.full(n_patients, 20), parasites])
        patient = np.repeat(np.tile(np.arange(n_patients), 2), n_of_kind.ravel())
        y = np.repeat([0, 1], n_of_kind.sum(axis=1))
        rate = self.rates(random, parasites)[patient]
        probabilities = {}
        for name in ("one", "other"):
            wrong = random.random(len(y)) < rate
            score = random.normal(8, 2, len(y))
            probabilities[name] = special.expit(
                np.where((y == 1) ^ wrong, score, -score)
            )
        return y, probabilities, patient


def one_study_of_rare_errors(
    population: RarelyWrong, n_patients: int, seed: int, truth: pd.Series
) -> pd.DataFrame:
    y, probabilities, patient = population.draw(np.random.default_rng(seed), n_patients)
    settings = {"n_resamples": 500, "random_state": seed}
    table = summarize(y, probabilities["one"], patient, **settings)
    differences = compare(y, probabilities, patient, metrics=METRICS, **settings)
    holds = held(table, truth)
    return pd.DataFrame(
        {
            "all": holds,
            "without an error": holds.where(table["value"].isin([0, 1])),
            "differences": held(differences.loc["other"], 0 * truth),
        }
    )


def another_classifier(
    random: np.random.Generator, y_prob: np.ndarray, patient: np.ndarray
) -> np.ndarray:
    of_patients = random.normal(0, 0.8, patient.max() + 1)[patient]
    return special.expit(
        0.9 * special.logit(y_prob) + of_patients + random.normal(0, 0.5, len(y_prob))
    )


def percentiles(
    y: np.ndarray, y_prob: np.ndarray, patient: np.ndarray, **settings: int
) -> pd.DataFrame:
    cells = check_cells(y, y_prob, patient)
    replicates = replicate(
        Measures(cells, 0.5, METRICS),
        n_clusters=cells.n_clusters,
        n_cells=len(y),
        **settings,
    )
    low, high = np.nanquantile(replicates.resampled, [0.025, 0.975], axis=0)
    return pd.DataFrame({"low": low, "high": high}, index=METRICS)


def held(table: pd.DataFrame, truth: pd.Series) -> pd.Series:
    truth = truth[table.index]
    inside = (table["low"] <= truth) & (truth <= table["high"])
    return inside.astype(float).where(table["low"].notna())


def one_study(
    population: Population, n_patients: int, seed: int, truth: pd.DataFrame
) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    y, y_prob, patient = population.draw(random, n_patients)
    other = another_classifier(random, y_prob, patient)
    settings = {"n_resamples": 500, "random_state": seed}
    differences = compare(
        y, {"one": y_prob, "other": other}, patient, metrics=COMPARED, **settings
    ).loc["other"]
    return pd.DataFrame(
        {
            "patients": held(summarize(y, y_prob, patient, **settings), truth["one"]),
            "percentiles": held(
                percentiles(y, y_prob, patient, **settings), truth["one"]
            ),
            "cells": held(summarize(y, y_prob, **settings), truth["one"]),
            "differences": held(differences, truth["other"] - truth["one"]),
        },
        index=truth.index,
    )


def true_values(population: Population) -> pd.DataFrame:
    random = np.random.default_rng(2**31)
    y, y_prob, patient = population.draw(random, 30_000)
    both = {"one": y_prob, "other": another_classifier(random, y_prob, patient)}
    return pd.DataFrame(
        {
            name: summarize(y, values, patient, n_resamples=100)["value"]
            for name, values in both.items()
        }
    )


def one_laboratory(population: Population, n_patients: int, seed: int) -> pd.DataFrame:
    """Fit verdicts on some patients and judge them on others."""
    random = np.random.default_rng(seed)
    y, y_prob, patient = population.draw(random, n_patients, n_uninfected=68)
    fitted = PatientTest().fit(y, y_prob, patient)
    rows = []
    for n_cells in (68, 300):
        for fraction in (0, 0.02, 0.1, 0.5):
            n_parasitized = round(fraction * n_cells)
            kinds = np.repeat([[n_cells - n_parasitized], [n_parasitized]], 60, axis=1)
            _, new_prob, new_patient = population.cells(random, kinds)
            new = fitted.test(new_prob, new_patient)
            truth = n_parasitized / n_cells
            rows.append(
                {
                    "cells": n_cells,
                    "true fraction": round(truth, 4),
                    "not called infected": (new["verdict"] != "infected").mean(),
                    "not infected outright": (new["verdict"] == "not infected").mean(),
                    "mean fraction": new["fraction"].mean(),
                    "interval holds it": (
                        (new["low"] <= truth) & (truth <= new["high"])
                    ).mean(),
                }
            )
    return pd.DataFrame(rows)


def coverages(
    parallel: Parallel,
    population: Population,
    n_patients: int,
    repetitions: int,
    truth: pd.DataFrame,
) -> pd.DataFrame:
    studies = parallel(
        delayed(one_study)(population, n_patients, seed, truth)
        for seed in range(repetitions)
    )
    coverage = shares(studies)
    coverage.insert(0, "truth", truth["one"])
    return coverage


def shares(studies: list[pd.DataFrame]) -> pd.DataFrame:
    """Return the mean over the studies that have an interval."""
    return pd.concat(studies).groupby(level=0, sort=False).mean().round(3)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repetitions", type=int, default=500)
    parser.add_argument("--patients", type=int, nargs="+", default=[30, 100])
    parser.add_argument(
        "--spread", type=float, default=1.2, help="of patients, in logits"
    )
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()

    parallel = Parallel(n_jobs=arguments.jobs)
    easy = Population(arguments.spread, easy=True)
    truth = true_values(easy)
    coverage = coverages(parallel, easy, 100, arguments.repetitions, truth)
    print("\n100 patients, few errors and mostly uninfected cells: how often 95 % hold")
    print(coverage.round(3).to_string())

    for errors in RATES_OF_ERRORS:
        rarely_wrong = RarelyWrong(errors)
        y, probabilities, patient = rarely_wrong.draw(
            np.random.default_rng(2**31), 10**4
        )
        truth = summarize(y, probabilities["one"], patient, n_resamples=100)["value"]
        for n_patients in (15, 40):
            studies = parallel(
                delayed(one_study_of_rare_errors)(rarely_wrong, n_patients, seed, truth)
                for seed in range(arguments.repetitions)
            )
            print(f"\nwrong: {errors}; {n_patients} patients: how often 95 % hold")
            print(shares(studies).to_string())

    population = Population(arguments.spread)
    truth = true_values(population)
    for n_patients in arguments.patients:
        coverage = coverages(
            parallel, population, n_patients, arguments.repetitions, truth
        )
        print(f"\n{n_patients} patients: how often 95 % intervals hold the truth")
        print(coverage.round(3).to_string())

        laboratories = pd.concat(
            parallel(
                delayed(one_laboratory)(population, n_patients, seed)
                for seed in range(arguments.repetitions // 5)
            )
        )
        print(f"\nverdicts fitted on {n_patients} patients, on other patients")
        means = laboratories.groupby(["cells", "true fraction"]).mean()
        print(means.round(4).to_string())


if __name__ == "__main__":
    main()
