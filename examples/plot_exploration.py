"""
Looking at the data first
=========================

Before anything is trained: how many cells there are and of whom, what they look like,
and what preprocessing and augmentation do to them.

The cells are drawn here, so that the example needs no download; with
:func:`~malariafuse.datasets.load_cell_images` or
:func:`~malariafuse.datasets.fetch_malaria_cells` the rest stays as it is.
"""

# %%
# Balance
# -------
#
# Classes of the same size do not mean patients of the same size. Where a few patients
# hold most of the parasitized cells, a score over all cells is theirs.

import matplotlib.pyplot as plt

from malariafuse.datasets import make_cell_images
from malariafuse.plotting import ClassBalanceDisplay, PatientBalanceDisplay

cells = make_cell_images(1500, n_patients=24, image_size=(64, 64), random_state=0)

_, axes = plt.subplots(
    1, 2, figsize=(9, 3.6), width_ratios=[1, 2], layout="constrained"
)
ClassBalanceDisplay.from_target(cells.target, ax=axes[0])
display = PatientBalanceDisplay.from_target(cells.target, cells.groups, ax=axes[1])

# %%
# Samples
# -------
#
# As many of one class as of the other. Stain and light differ by patient.

from malariafuse.plotting import ImageGridDisplay

display = ImageGridDisplay.from_images(
    cells.images, cells.target, groups=cells.groups, random_state=0
)

# %%
# Mean images
# -----------
#
# A mean image tells size, stain and light, and no single parasite. If the classes
# differ in these, a classifier may learn them instead of parasites. Sums are taken
# block by block, so the images may stay on disk.

from malariafuse.plotting import MeanImageDisplay

display = MeanImageDisplay.from_images(cells.images, cells.target)

# %%
# Smoothing and color channels
# ----------------------------
#
# Smoothing takes off noise, and soon the smallest parasites with it. In saturation,
# stained chromatin stands out whatever the light. Hue is a circle, so its colors below
# are the same at 0 and at 360 degrees.

from malariafuse.plotting import ChannelsDisplay

parasitized = cells.images[cells.target == 1][:4]
display = ChannelsDisplay.from_images(parasitized, kernel_size=5)

# %%
# Augmentation
# ------------
#
# What a classifier sees in training: each time it comes to an image it is flipped,
# turned and stained anew. Black stays black.

from malariafuse import ResNet18Classifier
from malariafuse.plotting import AugmentationDisplay

display = AugmentationDisplay.from_estimator(
    ResNet18Classifier(), parasitized, random_state=0
)
plt.show()
