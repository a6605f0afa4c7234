"""Draw the picture of the README and the landing page: cells found in a drawn smear.

python docs/smear_picture.py docs/_static/smear.webp
"""

import sys
import warnings

import matplotlib

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
figure.savefig(sys.argv[1], dpi=110, pil_kwargs={"quality": 88, "method": 6})
