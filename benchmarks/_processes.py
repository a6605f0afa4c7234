"""What needs a process of its own: imports, peak memory, growth."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from _timing import Row, in_a_new_process, in_turn

IMPORT = "import {}, sys, json; print(json.dumps('tensorflow' in sys.modules))"

PEAK = """
import json, sys
import numpy as np
{imports}

def peak():
    # What getrusage tells begins with the peak of the process that started this one.
    with open("/proc/self/status") as file:
        lines = dict(line.split(":", 1) for line in file)
    return int(lines["VmHWM"].split()[0]) / 1024

images = np.load(sys.argv[1])
target = np.arange(len(images)) % 2
{fit}
print(json.dumps(peak()))
"""
OURS = {
    "imports": "from malariafuse import ResNet18Classifier",
    "fit": """classifier = ResNet18Classifier(filters=4, epochs=1, random_state=0)
classifier.fit(images, target)""",
}
SEED = {
    "imports": "import keras\nfrom malariafuse.networks import build_resnet18",
    "fit": """images = images / np.float32(255)
network = build_resnet18((64, 64, 3), filters=4, pool_size=None)
network.compile("sgd", "binary_crossentropy")
network.fit(images, target, batch_size=64, verbose=0)""",
}

GROWTH = """
import json, sys, threading, time
import keras
import numpy as np
from malariafuse import KerasImageClassifier

def network(input_shape, n_outputs):
    return keras.Sequential([
        keras.Input(input_shape),
        keras.layers.Conv2D(4, 3, strides=4),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(1, activation="sigmoid"),
    ])

def memory():
    # Pages of the map are the system's to drop; what is left is ours.
    with open("/proc/self/status") as file:
        lines = dict(line.split(":", 1) for line in file)
    return int(lines["RssAnon"].split()[0]) / 1024

def watch():
    while True:
        peak[0] = max(peak[0], memory())
        time.sleep(0.02)

images = np.load(sys.argv[1], mmap_mode="r")[: int(sys.argv[2])]
target = np.arange(len(images)) % 2
classifier = KerasImageClassifier(network, epochs=1, augmentation=None, random_state=0)
classifier.fit(images[:256], target[:256]).predict_proba(images[:256])
peak = [0]
threading.Thread(target=watch, daemon=True).start()
start = time.perf_counter()
classifier.fit(images, target)
fitted = time.perf_counter()
classifier.predict_proba(images)
print(json.dumps([fitted - start, time.perf_counter() - fitted, peak[0]]))
"""

REPEATED = """
import json, sys
import keras
import numpy as np
from malariafuse import KerasImageClassifier

def network(input_shape, n_outputs):
    return keras.Sequential([
        keras.Input(input_shape),
        keras.layers.Conv2D(4, 3, strides=2),
        keras.layers.BatchNormalization(),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(1, activation="sigmoid"),
    ])

def memory():
    with open("/proc/self/status") as file:
        lines = dict(line.split(":", 1) for line in file)
    return int(lines["VmRSS"].split()[0]) / 1024

images = np.random.default_rng(0).integers(0, 256, (64, 16, 16, 3), dtype=np.uint8)
target = np.arange(len(images)) % 2
first, n_fits = int(sys.argv[1]), int(sys.argv[2])
for fit in range(1, n_fits + 1):
    classifier = KerasImageClassifier(network, epochs=1, engine="keras", random_state=0)
    classifier.fit(images, target).predict(images)
    if fit == first:
        before = memory()
print(json.dumps([before, memory()]))
"""


TWO_PROCESSES = """
import json, os, sys, time, warnings

warnings.simplefilter("ignore")
if sys.argv[1] != "0":
    # As without the limits that malariafuse sets in workers.
    for kind in ("INTRA", "INTER"):
        os.environ[f"TF_NUM_{kind}OP_THREADS"] = sys.argv[1]
from malariafuse import ResNet18Classifier
from malariafuse.datasets import make_cell_images
from malariafuse.evaluation import cross_validate_patients

cells = make_cell_images(int(sys.argv[2]), 10, image_size=(48, 48), random_state=0)
classifier = ResNet18Classifier(filters=8, epochs=2, random_state=0)
start = 0
for _ in range(2):
    # The first time, workers start and import.
    start = time.perf_counter()
    cross_validate_patients(
        classifier, cells.images, cells.target, cells.groups, cv=2, n_jobs=2
    )
print(json.dumps(time.perf_counter() - start))
"""


def rows(settings):
    yield from importing(settings)
    yield from sharing(settings)
    yield from repeated(settings)
    yield from peak(settings)
    yield from growth(settings)


def importing(settings):
    def load(module):
        return in_a_new_process(IMPORT.format(module))

    ratio, details = in_turn(
        lambda: load("malariafuse"), lambda: load("sklearn"), settings.pick(11, 2)
    )
    details["imports_tensorflow"] = load("malariafuse")
    yield Row("import malariafuse", "import sklearn", ratio, 1 / 1.1, details=details)


def sharing(settings):
    n_cells = settings.pick(800, 60)

    def validate(n_threads):
        return in_a_new_process(TWO_PROCESSES, n_threads, n_cells)

    ratio, details = in_turn(
        lambda: validate(0),
        lambda: validate(os.cpu_count()),
        settings.pick(3, 1),
        measure=lambda work: work(),
        warm_up=False,
    )
    yield Row(
        f"cross_validate_patients, 2 folds in 2 processes, {n_cells} cells",
        f"TensorFlow takes all {os.cpu_count()} cores in each",
        ratio,
        1,
        details=details,
    )


def peak(settings):
    with TemporaryDirectory() as folder:
        file = Path(folder, "images.npy")
        shape = (settings.pick(27558, 256), 64, 64, 3)
        images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        np.save(file, images)
        megabytes = images.nbytes / 2**20
        ours = in_a_new_process(PEAK.format(**OURS), file)
        theirs = in_a_new_process(PEAK.format(**SEED), file)
    yield Row(
        f"peak memory of fit, {shape[0]} images, 64 px, uint8 ({megabytes:.0f} MiB)",
        f"X / 255 in float32: {theirs:.0f} MiB",
        ours,
        megabytes + 1.2 * 1024,
        "MiB",
        {"alternative": theirs},
    )


def repeated(settings):
    first, n_fits = settings.pick((50, 200), (2, 4))
    before, after = in_a_new_process(REPEATED, first, n_fits)
    yield Row(
        f"memory after {n_fits} fits in one process",
        f"after {first}: {before:.0f} MiB",
        after,
        before * 1.05,
        "MiB",
        {"alternative": before},
    )


def growth(settings):
    """Compare what ten times as many images cost, at two sizes.

    Work that is the same for any number of images, as compiling, drops out of a
    difference.
    """
    sizes = settings.pick((2756, 27558, 275580), (128, 256, 512))
    few, some, many = sizes
    with TemporaryDirectory() as folder:
        file = Path(folder, "images.npy")
        images = np.lib.format.open_memmap(
            file, mode="w+", dtype=np.uint8, shape=(many, 64, 64, 3)
        )
        generator = np.random.default_rng(0)
        for start in range(0, many, few):
            part = images[start : start + few]
            part[:] = generator.integers(0, 256, part.shape, dtype=np.uint8)
        del images, part
        # Or the system writes gigabytes while the first runs are timed.
        os.sync()
        runs = [
            [in_a_new_process(GROWTH, file, size) for size in sizes]
            for _ in range(settings.pick(5, 1))
        ]
    measured = dict(zip(sizes, np.median(runs, axis=0), strict=True))
    details = {str(size): values.tolist() for size, values in measured.items()}
    for i, work in enumerate(("fit", "predict_proba")):
        ratio = ((measured[many][i] - measured[some][i]) / (many - some)) / (
            (measured[some][i] - measured[few][i]) / (some - few)
        )
        yield Row(
            f"{work}, time per image from {some} to {many}, memory-mapped",
            f"from {few} to {some}",
            float(ratio),
            1.1,
            "times as long",
            details,
        )
    yield Row(
        f"fit and predict_proba, peak memory with {many} images, memory-mapped",
        f"with {few} images: {measured[few][2]:.0f} MiB",
        float(measured[many][2]),
        float(measured[few][2] * 1.1),
        "MiB",
        details,
    )
