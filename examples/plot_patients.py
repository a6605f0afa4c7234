"""
From cells to patients
======================

A classifier of cells raises false alarms. Among the cells of a healthy patient some are
called parasitized, so that the first of them cannot decide. `PatientTest` asks
whether there are more than a patient without parasites would show.

.. note::
   The probabilities are simulated. The numbers below show how the method works, and say
   nothing about diagnostic quality.
"""

# %%
# Simulated patients
# ------------------
#
# 100 patients, 25 of them healthy, with 68 uninfected cells each; the infected have
# from 1 to 200 parasitized cells as well. The cells of a patient have a difficulty in
# common: stain and light make some patients harder than others.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.special import expit

from malariafuse.evaluation import PatientTest
from malariafuse.model_selection import PatientKFold

random = np.random.default_rng(0)
n_patients = 100
parasitized = np.minimum(1 + random.lognormal(2.7, 1.3, n_patients), 200).astype(int)
parasitized[::4] = 0
patient = np.concatenate(
    [
        np.repeat(np.arange(n_patients), 68),
        np.repeat(np.arange(n_patients), parasitized),
    ]
)
y = np.repeat([0, 1], [68 * n_patients, parasitized.sum()])
difficulty = random.normal(0, 0.6, (2, n_patients))
score = np.where(y == 1, 3.5, -3.5) + difficulty[y, patient]
y_prob = expit(score + random.normal(0, 1.7, len(y)))

# %%
# Why any positive cell will not do
# ---------------------------------
#
# The specificity of this classifier is high, cell by cell. Yet most of the healthy
# patients have a cell that it calls parasitized.

called = y_prob >= 0.5
print(f"specificity of cells: {1 - called[y == 0].mean():.3f}")

counts = pd.Series(called).groupby(patient).sum()
healthy = np.arange(n_patients) % 4 == 0
share = (counts[healthy] > 0).mean()
print(f"healthy patients with a positive cell: {share:.0%}")

# %%
# Verdicts out of fold
# --------------------
#
# The verdict is fitted on some patients and given on others. It counts the cells above
# a strict threshold of its own, which a quarter of a percent of the uninfected cells
# reach, and compares the count with a distribution that allows for patients who differ.

verdicts = pd.concat(
    [
        PatientTest()
        .fit(y[train], y_prob[train], patient[train])
        .test(y_prob[test], patient[test])
        for train, test in PatientKFold(5).split(y, y, patient)
    ]
).sort_index()
truth = np.where(healthy, "healthy", "infected")
pd.crosstab(pd.Series(truth, verdicts.index, name="truth"), verdicts["verdict"])

# %%
# A patient in review has a count that is unusual for a healthy patient, but not unusual
# enough: somebody should look at the cells. "not infected" means that nothing speaks
# for an infection. An infected patient with one or two parasitized cells among 70 can
# be missed by any rule that spares the healthy.

verdicts[~healthy].sort_values("p_value", ascending=False).head(5).round(3)

# %%

_, axes = plt.subplots(figsize=(7, 4), layout="constrained")
for kind, color in (("healthy", "tab:blue"), ("infected", "tab:red")):
    chosen = verdicts[truth == kind]
    axes.scatter(chosen["cells"], chosen["counted"], s=18, color=color, label=kind)
by_cells = verdicts.sort_values("cells")
axes.step(
    by_cells["cells"],
    by_cells["needed"],
    color="black",
    where="mid",
    label='needed for "infected"',
)
axes.set_yscale("symlog", linthresh=10)
axes.set(xlabel="cells of the patient", ylabel="cells above the strict threshold")
axes.legend()
plt.show()

# %%
# What share of the cells is parasitized
# --------------------------------------
#
# The share of counted cells, corrected for false alarms and missed parasites. The
# intervals are wide, because the share of parasites that is found differs from patient
# to patient, and no number of cells of one patient makes up for that.

true_fraction = parasitized / (68 + parasitized)
_, axes = plt.subplots(figsize=(5, 5), layout="constrained")
axes.vlines(true_fraction, verdicts["low"], verdicts["high"], color="0.7", lw=1)
axes.plot(true_fraction, verdicts["fraction"], "o", ms=4)
axes.axline((0, 0), slope=1, color="black", ls="--")
axes.set(
    xlabel="true fraction of parasitized cells",
    ylabel="corrected fraction and 95 % interval",
)
plt.show()

inside = (verdicts["low"] <= true_fraction) & (true_fraction <= verdicts["high"])
print(f"intervals that hold the truth: {inside.mean():.0%}")
