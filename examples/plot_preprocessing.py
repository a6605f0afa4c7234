"""
Preparing images of cells
=========================

Four transformers that take images and return images of the same shape, so they can
stand in a pipeline before a classifier, in any order that makes sense.
"""

# %%
# Cells on a natural background
# -----------------------------
#
# The NIH images show a cell on black, because it was cut out along its border. Crops
# from elsewhere show bright plasma around the cell. Here some drawn cells get such a
# background.

import matplotlib.pyplot as plt
import numpy as np

from malariafuse.datasets import make_cell_images

cells = make_cell_images(
    60, n_patients=6, image_size=(64, 64), parasitized_fraction=0.9, random_state=3
)
masked = cells.images[cells.target == 1][:6]
plasma = np.array([228, 222, 226]) + np.random.default_rng(0).normal(
    0, 3, (*masked.shape[:3], 1)
)
natural = np.where(masked.max(axis=-1, keepdims=True) > 40, masked, plasma)
natural = natural.round().astype(np.uint8)


def show(rows):
    """Show images, a row for each name."""
    _, axes = plt.subplots(
        len(rows), 6, figsize=(8, 1.45 * len(rows)), layout="constrained"
    )
    for line, (name, images) in zip(axes, rows.items(), strict=True):
        for place, image in zip(line, images, strict=True):
            place.imshow(image, cmap="gray", vmin=0, vmax=255)
            place.set(xticks=[], yticks=[])
        line[0].set_ylabel(name)


# %%
# `BackgroundMasker` makes the background black, as the NIH images have it. A crop that
# is black around its cell already comes back unchanged, so it can stand first in every
# pipeline.

from malariafuse import BackgroundMasker

blackened = BackgroundMasker().fit_transform(natural)
show({"natural": natural, "masked": blackened})

# %%
# The share of pixels that differ from the cells on black that were drawn:

different = (blackened != masked).any(axis=-1).mean()
print(f"{different:.1%}")

# %%
# What the outline lacks
# ----------------------
#
# A segmentation can cut a parasite at the rim away with the background.
# `ConcavityMarker` paints the part of the convex hull that is missing, so that a
# network sees a shape instead of black next to black. Here a disk is cut out of each
# cell.

from malariafuse import ConcavityMarker

rows, columns = np.ogrid[:64, :64]
bite = np.hypot(rows - 14, columns - 14) < 12
bitten = np.where(bite[..., None], 0, masked).astype(np.uint8)
show({"bitten": bitten, "marked": ConcavityMarker().fit_transform(bitten)})

# %%
# Smoothing
# ---------
#
# `GaussianSmoother` takes off noise, and with a larger kernel also what distinguishes a
# small parasite.

from malariafuse import GaussianSmoother

show(
    {
        "as it is": masked,
        "5 x 5": GaussianSmoother(kernel_size=5).fit_transform(masked),
        "15 x 15": GaussianSmoother(kernel_size=15).fit_transform(masked),
    }
)

# %%
# Hue, saturation and value
# -------------------------
#
# In HSV the stained chromatin stands out by its saturation. Hue is a circle whose ends,
# black and white below, are both red: the pale parts of a cell lie on both sides of the
# seam. Whatever averages hue is wrong there, so smooth and resize before the
# conversion, never after it.

from malariafuse import HSVConverter

hsv = HSVConverter().fit_transform(masked)
show(
    {
        "RGB": masked,
        "hue": hsv[..., 0],
        "saturation": hsv[..., 1],
        "value": hsv[..., 2],
    }
)
plt.show()
