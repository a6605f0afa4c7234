"""Programs of a user: searches, many fits, and files of newer libraries."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from _reliability_runs import TIMEOUT, Row, listing

SEARCH = """
import sys
from joblib import parallel_config
from sklearn.model_selection import GridSearchCV
from support_network import classifier, X, Y

search = GridSearchCV(classifier, {"threshold": [0.4, 0.6]}, cv=2, n_jobs=2)
print("begins", flush=True)
with parallel_config("loky", idle_worker_timeout=int(sys.argv[1])):
    search.fit(X, Y)
"""
NETWORK = """
import keras
import numpy as np
from malariafuse import KerasImageClassifier

def network(input_shape, n_outputs):
    return keras.Sequential([
        keras.Input(input_shape),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(n_outputs, activation="sigmoid"),
    ])

X = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
Y = np.arange(40) % 2
classifier = KerasImageClassifier(
    network, epochs=1, engine="keras", compute_dtype="float32", random_state=0
)
"""
FITS = """
import gc, json, os, sys, threading
from pathlib import Path
from support_network import classifier, X, Y

def state():
    gc.collect()
    status = Path("/proc/self/status").read_text().splitlines()
    lines = dict(line.split(":", 1) for line in status)
    return {
        "MiB": int(lines["VmRSS"].split()[0]) / 1024,
        "threads": int(lines["Threads"]),
        "file descriptors": len(os.listdir("/proc/self/fd")),
        "temporary files": len(os.listdir(os.environ["TMPDIR"])),
    }

first, last = int(sys.argv[1]), int(sys.argv[2])
for number in range(1, last + 1):
    classifier.fit(X, Y).predict(X)
    if number == first:
        before = state()
print(json.dumps([before, state()]))
"""


def program(bench, text, *arguments):
    """Start a program in a session of its own."""
    place = bench.place()
    (place / "support_network.py").write_text(NETWORK)
    (place / "program.py").write_text(text)
    (place / "tmp").mkdir()
    environment = {
        **os.environ,
        "TMPDIR": str(place / "tmp"),
        "JOBLIB_TEMP_FOLDER": str(place / "tmp"),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        # Workers of joblib import it by its name.
        "PYTHONPATH": os.pathsep.join([str(place), *sys.path]),
    }
    started = subprocess.Popen(
        [sys.executable, place / "program.py", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
        start_new_session=True,
    )
    return started, place


def in_session(session):
    """Return the processes of a session that are alive."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(status.parent.name))
    return found


def search(bench, name):
    what = {"ends": "that ends", "killed": "that is killed"}[name]
    row = Row(f"processes after a `GridSearchCV(n_jobs=2)` {what}")
    waits = []
    # joblib's workers wait this long for work before they see that nobody is left: by
    # default five minutes.
    idle = 2 if bench.tiny else 300
    most = {"ends": 10, "killed": idle + 300}[name]
    for _ in range(1 if bench.tiny or name == "killed" else 3):
        process, place = program(bench, SEARCH, idle)
        process.stdout.readline()
        if name == "killed":
            # The program, joblib's tracker of resources, and two workers.
            while len(in_session(process.pid)) < 4 and process.poll() is None:
                time.sleep(0.05)
            time.sleep(bench.random.uniform(0, 5))
            process.kill()
        ended = process.wait(TIMEOUT)
        start = time.perf_counter()
        while in_session(process.pid) and time.perf_counter() - start < most:
            time.sleep(0.05)
        waits.append(time.perf_counter() - start)
        left = in_session(process.pid)
        troubles = [f"{len(left)} processes after {most} s"] if left else []
        troubles += [f"left behind: {path}" for path in listing(place / "tmp")]
        if ended != {"ends": 0, "killed": -signal.SIGKILL}[name]:
            troubles.append(f"the program ended with status {ended}")
        row.count(troubles)
        process.stdout.close()
    row.remark = f"the last one ended {max(waits):.1f} s after the program"
    return row


def fits(bench, _):
    first, last = (2, 4) if bench.tiny else (50, 200)
    row = Row(f"{last} fits in one process")
    process, _ = program(bench, FITS, first, last)
    before, after = json.loads(process.communicate()[0].splitlines()[-1])
    grown = {name: after[name] - before[name] for name in before}
    row.remark = f"from the {first}th fit on: " + ", ".join(
        f"{grown[name]:+.0f} {name}" for name in grown
    )
    row.count(
        [
            f"{name}: {before[name]:.0f}, then {after[name]:.0f}"
            for name in before
            if after[name] > before[name] * (1.05 if name == "MiB" else 1)
        ]
    )
    return row


STORE = """
import pickle, sys
import numpy as np
from malariafuse import GaussianSmoother
smoother = GaussianSmoother().fit(np.full((2, 8, 8, 3), 200, dtype=np.uint8))
smoother.means_ = np.arange(3.0)
pickle.dump(smoother, open(sys.argv[1], "wb"))
"""
READ_BACK = """
import pickle, sys
try:
    pickle.load(open(sys.argv[1], "rb"))
except ValueError as error:
    print(error)
"""


def newer_numpy(bench, _):
    row = Row("estimator stored with NumPy 2, read with NumPy 1")
    if bench.older_python is None:
        row.remark = "not tried: no --older-python"
        return row
    file = bench.place() / "smoother.pickle"
    subprocess.run([sys.executable, "-c", STORE, file], check=True)
    read = subprocess.run(
        [bench.older_python, "-c", READ_BACK, file], capture_output=True, text=True
    )
    named = f"numpy {np.__version__}" in read.stdout
    row.count([] if named else [read.stdout + read.stderr])
    return row
