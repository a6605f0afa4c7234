"""Memory with ten times the NIH set, memory-mapped, against the set itself.

    python benchmarks/scale.py
    python benchmarks/scale.py --tiny

Images of 48 x 48 pixels are drawn once and repeated with noise in a file of NumPy, and
each work is done in a process of its own: one epoch and the predictions of a small
network, two folds by patient of it, gradient boosting on handcrafted features of a
tenth of the images, and predictions of 10,000 and of 100,000 files. Printed is the peak
of memory without the pages of files, which the system may drop. ``--tiny`` shows that
everything still runs.
"""

import argparse
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from _timing import in_a_new_process
from PIL import Image

from malariafuse.datasets import make_cell_images

N_CELLS = 27_558
# Fewer of what takes longer.
N_FEW = N_CELLS // 10
# More than a part.
N_FILES = 10_000
# The files of a run are links to these.
N_DRAWN = 2_000

BEGIN = """
import json, sys, threading, time
from pathlib import Path
import numpy as np
from malariafuse import ConvNetClassifier, SpotFeatureExtractor

def memory():
    with open("/proc/self/status") as file:
        lines = dict(line.split(":", 1) for line in file)
    return (int(lines["RssAnon"].split()[0]) + int(lines["RssShmem"].split()[0])) / 1024

def watch():
    while True:
        peak[0] = max(peak[0], memory())
        time.sleep(0.02)

def network():
    return ConvNetClassifier(
        filters=2, dense_units=(4,), augmentation=None, batch_size=256, epochs=1,
        random_state=0,
    )

images = np.load(sys.argv[1], mmap_mode="r")
n, folder = int(sys.argv[2]), sys.argv[3]
images = images[:n]
target = np.arange(n) % 2
peak = [0]
threading.Thread(target=watch, daemon=True).start()
start = time.perf_counter()
"""
END = """
print(json.dumps([peak[0], time.perf_counter() - start]))
"""
WORK = {
    "one epoch and predict_proba, network": (
        N_CELLS,
        """
network().fit(images, target).predict_proba(images)
""",
    ),
    "cross_validate_patients, 2 folds, network": (
        N_CELLS,
        """
from malariafuse.evaluation import cross_validate_patients
cross_validate_patients(network(), images, target, np.arange(n) // 50, cv=2)
""",
    ),
    "gradient boosting on SpotFeatureExtractor": (
        N_FEW,
        """
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
trees = HistGradientBoostingClassifier(max_iter=10)
make_pipeline(SpotFeatureExtractor(), trees).fit(images, target).predict_proba(images)
""",
    ),
    "write_predictions, files, network": (
        N_FILES,
        """
from malariafuse.deploy import write_predictions
fitted = network().fit(images[:512], target[:512])
paths = sorted(map(str, Path(folder, "files").iterdir()))[:n]
write_predictions(Path(folder, f"{n}.parquet"), fitted, paths, n_jobs=1)
""",
    ),
}


def draw(file, n_images):
    """Write images, drawn and repeated with noise, without holding them all."""
    drawn = make_cell_images(500, 10, image_size=(48, 48), random_state=0).images
    generator = np.random.default_rng(0)
    images = np.lib.format.open_memmap(
        file, mode="w+", dtype=np.uint8, shape=(n_images, *drawn.shape[1:])
    )
    for start in range(0, n_images, len(drawn)):
        part = images[start : start + len(drawn)]
        noise = generator.integers(0, 4, part.shape, dtype=np.uint8)
        part[:] = np.where(drawn[: len(part)] > 0, drawn[: len(part)] // 2 + noise, 0)
    images.flush()


def link(folder, images, n_files, n_links):
    """Write some images as PNG files, and as many links to them as are asked for."""
    (folder / "drawn").mkdir()
    (folder / "files").mkdir()
    files = [folder / "drawn" / f"{number}.png" for number in range(n_files)]
    for file, image in zip(files, images, strict=False):
        Image.fromarray(image).save(file)
    for number in range(n_links):
        source = files[number % n_files]
        os.link(source, folder / "files" / f"C{number % 200}P1_{number:07}.png")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", type=int, help="numbers of the works")
    parser.add_argument("--tiny", action="store_true", help="see that everything runs")
    arguments = parser.parse_args()
    works = list(WORK.items())
    if arguments.only:
        works = [works[number] for number in arguments.only]
    with TemporaryDirectory() as place:
        folder, file = Path(place), Path(place, "images.npy")
        largest = max(few for _, (few, _) in works)
        draw(file, 1200 if arguments.tiny else 10 * largest)
        for name, (few, program) in works:
            if arguments.tiny:
                few = 600
            if "files" in name:
                n_drawn = 50 if arguments.tiny else N_DRAWN
                link(folder, np.load(file, mmap_mode="r"), n_drawn, 10 * few)
            for n in (few, (2 if arguments.tiny else 10) * few):
                peak, seconds = in_a_new_process(BEGIN + program + END, file, n, folder)
                print(f"{name:44}{n:>8,}{peak:8.0f} MiB{seconds:8.0f} s", flush=True)


if __name__ == "__main__":
    main()
