"""
From photographs to a patient's answer
======================================

A smear is photographed, not cells. `SmearReader` finds the red cells in the
photographs, classifies them, and says whether the patient is infected, and with how
many percent of the red cells.

.. note::
   Cells and photographs are drawn. The numbers below show how the parts work together,
   and say nothing about diagnostic quality. For real photographs there is
   :func:`~malariafuse.pretrained.load_smear_reader`, which needs no training.
"""

# %%
# A reader
# --------
#
# Gradient boosting on handcrafted features trains in seconds. The reader also learns,
# from probabilities out of fold, how often cells are called parasitized that are not: a
# few counted cells prove nothing.

from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline

from malariafuse import SpotFeatureExtractor
from malariafuse.datasets import make_cell_images, make_smear_photos
from malariafuse.evaluation import PatientTest
from malariafuse.patients import SmearReader

cells = make_cell_images(1600, 40, random_state=0)
boosting = HistGradientBoostingClassifier(
    max_iter=60, max_leaf_nodes=8, max_features=0.3, random_state=0
)
reader = SmearReader(
    make_pipeline(SpotFeatureExtractor(), boosting),
    patient_test=PatientTest(cell_specificity=0.99),
    random_state=0,
)
reader.fit(cells.images, cells.target, cells.groups)

# %%
# Four photographs
# ----------------
#
# Of two patients, one of whom has a parasite in every tenth cell. Paths, folders and
# tables are read as well.

ada = make_smear_photos(4, parasitized_fraction=0.1, random_state=1)
bob = make_smear_photos(4, parasitized_fraction=0, random_state=2)
results = reader.read({"Ada": list(ada.photos), "Bob": list(bob.photos)})

# %%
# The answers
# -----------
#
# The interval of the parasitemia allows for false alarms and for missed parasites, and
# for patients who differ in both.

import pandas as pd

pd.DataFrame({patient: result.summary() for patient, result in results.items()})

# %%
# The cells behind it
# -------------------
#
# Cells that are counted have a wide outline. What is cut by the border, or is no red
# cell, is gray and dashed, and no part of the count.

from malariafuse.plotting import ParasitemiaDisplay, SmearDisplay, suspicious_cells

SmearDisplay.from_result(results["Ada"])

# %%
# The most suspicious cells come first.

suspicious_cells(results["Ada"], 12)

# %%
# Photographs of one smear differ by chance.

ParasitemiaDisplay.from_result(results["Ada"])

# %%
# A report for the reviewer
# -------------------------
#
# One HTML file, which needs no network. A person marks which of the suspicious cells
# are parasites, and the count follows.

from pathlib import Path
from tempfile import TemporaryDirectory

from malariafuse.patients import write_report

with TemporaryDirectory() as folder:
    report = write_report(results["Ada"], Path(folder) / "ada.html")
    print(f"{report.name}: {report.stat().st_size / 1e6:.1f} MB")
