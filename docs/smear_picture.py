"""Draw the picture of the README and the landing page: cells found in a drawn smear.

python docs/smear_picture.py docs/_static/smear.png
"""

import sys
import warnings
from io import BytesIO

import matplotlib
from PIL import Image

from malariafuse import load_smear_reader
from malariafuse.datasets import make_smear_photos
from malariafuse.plotting import SmearDisplay

matplotlib.use("Agg")
import matplotlib.pyplot as plt

smear = make_smear_photos(
    3, 130, photo_size=(500, 1200), parasitized_fraction=0.06, random_state=0
)
with warnings.catch_warnings():
    # The reader knows drawn cells from real ones, and says so.
    warnings.simplefilter("ignore", UserWarning)
    result = load_smear_reader().read({"Ada": list(smear.photos)})["Ada"]
print(result.summary())

figure, axes = plt.subplots(figsize=(11, 4.2), layout="constrained")
SmearDisplay.from_result(result, ax=axes)
axes.set_title("")
with BytesIO() as drawn:
    figure.savefig(drawn, dpi=110)
    # A palette takes less than half of the room.
    Image.open(drawn).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(
        sys.argv[1], optimize=True
    )
