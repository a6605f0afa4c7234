r"""Disturb malariafuse in all ways that a laboratory knows, and count what is lost.

    python benchmarks/reliability.py --trials 21 --older-python old/bin/python

Processes are killed in the middle of their work, by SIGKILL, SIGTERM and Ctrl-C in
turn, and started again. Disks are full or may not be written to, files are damaged, and
several processes want the same folder. Prints a Markdown table with a row for each
fault: how often it was tried, how often all was as it should be, and how often
something was lost. A trial is survived if

1. the same work, done again, ends with the same result as undisturbed, and waits for
   nobody;
2. no half-written file stands under a final name;
3. temporary folders and lock files of the disturbed process are gone after that.

A full or read-only disk and a damaged file may also end in an error, if it names the
file or the folder and nothing half-written is left. What was lost is described on
standard error. ``--tiny`` shows in about a minute that everything runs. Full and
read-only disks are small file systems in memory, which only root can make.
"""

import argparse
import hashlib
import importlib.util
import itertools
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import joblib
import numpy as np
from _reliability_programs import fits, newer_numpy, search
from _reliability_runs import SIGNALS, Row, Run, listing, preload, whole
from _reliability_work import prepare

WORKS = {
    "fit": "`fit` with `checkpoint` and `memory`",
    "load": "`load_cell_images` with `cache`",
    "photographs": "`load_smear_photos` with `memory`",
    "dump": "`joblib.dump` to another name, then `replace`",
    "save": "`save_pretrained`",
    "export": "`export_onnx`",
    "fetch": "`fetch_malaria_cells`",
    "report": "`write_report`",
    "evaluation": "`write_evaluation_report`",
}
# What joblib itself writes is its own affair.
ON_DISK = [name for name in WORKS if name not in ("dump", "export")]
SHARED = ["fit", "load", "photographs", "fetch"]
READ = ["load", "photographs", "fit", "fetch"]
DISK = 64 * 2**20


class Bench:
    """All that the rows share."""

    def __init__(self, root, arguments):
        self.root, self.tiny = root, arguments.tiny
        self.trials = arguments.trials
        self.older_python = arguments.older_python
        self.random = np.random.default_rng(arguments.seed)
        self.signals = itertools.cycle(SIGNALS)
        self.data = root / "data"
        self.data.mkdir()
        prepare(self.data, arguments.tiny)
        self._numbers = itertools.count()
        self._undisturbed = {}

    def place(self, within=None):
        """Return a new folder to work in."""
        place = (within or self.root) / f"place{next(self._numbers)}"
        place.mkdir()
        return place

    def undisturbed(self, name):
        """Return the digest, the files and the seconds of a work."""
        if name not in self._undisturbed:
            place = self.place()
            (ends, result), _ = whole(name, self.data, place)
            if ends != "right":
                raise RuntimeError(f"{name} fails undisturbed: {result}")
            # Once more from the beginning, when all that is loaded late is loaded.
            again = self.place()
            (ends, same), seconds = whole(name, self.data, again)
            if same != result:
                raise RuntimeError(f"{name} gives another result each time")
            self._undisturbed[name] = result, listing(place), seconds
            shutil.rmtree(place)
            shutil.rmtree(again)
        return self._undisturbed[name]

    def half_written(self, name, place):
        """Return the files under final names that are not whole."""
        if name == "dump":  # forests never have the same bytes twice
            return unreadable(place / "model.joblib")
        expected = self.undisturbed(name)[1]
        return [
            f"{path} has {size} bytes"
            for path, size in listing(place).items()
            if expected.get(path) is not None and expected[path] != size
        ]

    def again(self, name, place):
        """Do a work again, and return all that is wrong then."""
        (ends, result), _ = whole(name, self.data, place)
        expected, files, _ = self.undisturbed(name)
        if ends != "right":
            return [f"again: {ends}: {result}"]
        troubles = [] if result == expected else ["again: another result"]
        left = listing(place).keys() - files.keys()
        return troubles + [f"left behind: {path}" for path in sorted(left)]


def unreadable(file):
    """Return what is wrong with a file of joblib, if it is there."""
    try:
        return [] if not file.exists() or joblib.load(file) else ["it is empty"]
    except Exception as error:
        return [f"{file.name}: {error}"]


# --- the faults --------------------------------------------------------------------


def killed(bench, name):
    row = Row(f"killed in mid-work: {WORKS[name]}")
    if name == "export" and importlib.util.find_spec("tf2onnx") is None:
        row.remark = "not tried: tf2onnx is not installed"
        return row
    seconds = bench.undisturbed(name)[2]
    for _ in range(5 * bench.trials):
        if row.tried == bench.trials:
            break
        place = bench.place()
        with Run(name, bench.data, place) as run:
            hit = run.kill(next(bench.signals), bench.random.uniform(0, seconds))
        if hit:
            row.count(bench.half_written(name, place) + bench.again(name, place))
        shutil.rmtree(place)
    return row


@contextmanager
def disk(bench, size):
    """Give a file system of its own, if that can be had."""
    point = bench.place()
    options = ["-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(point)]
    if subprocess.run(["mount", *options], capture_output=True).returncode:
        yield None
        return
    try:
        yield point
    finally:
        subprocess.run(["umount", "-l", str(point)], check=True)


def remount(point, options):
    command = ["mount", "-o", f"remount,{options}", str(point)]
    subprocess.run(command, check=True, capture_output=True)


def told(place, run):
    """Return how a run on a bad disk ended, and what is wrong with that."""
    ends, words = run.next()
    if ends == "error" and str(place) not in words:
        return ends, [f"names no file: {words}"]
    return ends, [] if ends in ("error", "right") else [f"{ends}: {words}"]


def full_disk(bench, name):
    row = Row(f"full disk: {WORKS[name]}")
    expected, n_errors = bench.undisturbed(name)[1], 0
    total = sum(size or 0 for size in expected.values())
    n_sizes = 2 if bench.tiny else 5
    for share in np.linspace(0.05, 0.95, n_sizes):
        size = 4096 * (4 + int(share * total / 4096))
        with disk(bench, size) as point:
            if point is None:
                row.remark = "not tried: no right to mount"
                return row
            place = bench.place(point)
            with Run(name, bench.data, place) as run:
                run.next()
                ends, troubles = told(place, run)
            n_errors += ends == "error"
            troubles += bench.half_written(name, place)
            remount(point, f"size={DISK}")
            row.count(troubles + bench.again(name, place))
    row.remark = f"{n_errors} ended in an error, {row.tried - n_errors} without"
    return row


def read_only(bench, name):
    row = Row(f"read-only disk: {WORKS[name]}")
    with disk(bench, DISK) as point:
        if point is None:
            row.remark = "not tried: no right to mount"
            return row
        place = bench.place(point)
        (place / "tmp").mkdir()
        remount(point, "ro")
        with Run(name, bench.data, place) as run:
            run.next()
            ends, troubles = told(place, run)
        row.remark = (
            "ended in an error" if ends == "error" else "ended without an error"
        )
        remount(point, "rw")
        row.count(troubles + bench.again(name, place))
    return row


def together(bench, name):
    row = Row(f"four processes in one folder: {WORKS[name]}")
    expected, files, _ = bench.undisturbed(name)
    for _ in range(1 if bench.tiny else 5):
        place = bench.place()
        runs = [Run(name, bench.data, place).__enter__() for _ in range(4)]
        for run in runs:
            run.next()
        ends = [run.next() for run in runs]
        for run in runs:
            run.__exit__()
        troubles = [f"{how}: {what}" for how, what in ends if what != expected]
        left = listing(place).keys() - files.keys()
        row.count(troubles + [f"left behind: {path}" for path in sorted(left)])
        shutil.rmtree(place)
    return row


def damages(content, random):
    """Yield the content of a file as it should not be."""
    yield content[: len(content) // 2]
    yield b""
    yield b"something else\n" * 20
    flipped = bytearray(content)
    flipped[random.integers(len(content))] ^= 1 << random.integers(8)
    yield bytes(flipped)


def damaged(bench, name):
    row = Row(f"damaged files: {WORKS[name]}")
    expected = bench.undisturbed(name)[0]
    place = bench.place()
    whole(name, bench.data, place)
    n_errors = 0
    files = [path for path in place.rglob("*") if path.is_file()]
    for file in sorted(file for file in files if file.stat().st_size):
        content = file.read_bytes()
        for wrong in damages(content, bench.random):
            file.write_bytes(wrong)
            (ends, words), _ = whole(name, bench.data, place)
            n_errors += ends == "error"
            if ends == "right":
                troubles = [] if words == expected else ["another result"]
            elif ends == "error":
                troubles = [] if str(place) in words else [f"names no file: {words}"]
            else:
                troubles = [f"{ends}: {words}"]
            row.count([f"{file.name}: {trouble}" for trouble in troubles])
            file.write_bytes(content)
    row.remark = f"{n_errors} ended in an error, {row.tried - n_errors} without"
    return row


ROWS = {
    **{f"killed-{name}": (killed, name) for name in WORKS},
    **{f"full-{name}": (full_disk, name) for name in ON_DISK},
    **{f"read-only-{name}": (read_only, name) for name in ON_DISK},
    **{f"together-{name}": (together, name) for name in SHARED},
    **{f"damaged-{name}": (damaged, name) for name in READ},
    "search-ends": (search, "ends"),
    "search-killed": (search, "killed"),
    "fits": (fits, None),
    "newer-numpy": (newer_numpy, None),
}


class Handler(BaseHTTPRequestHandler):
    """Gives the archive slowly, as a network does."""

    def do_GET(self):
        """Send the archive, piece by piece."""
        content = self.server.content
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        step = len(content) // 20 + 1
        try:
            for start in range(0, len(content), step):
                self.wfile.write(content[start : start + step])
                time.sleep(0.03)
        except OSError:
            pass  # the other side was killed

    def log_message(self, *_):
        """Log nothing."""


@contextmanager
def served(data):
    """Serve the cells as an archive on this machine."""
    archive = Path(shutil.make_archive(data / "archive", "zip", data / "cells"))
    content = archive.read_bytes()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.content = content
        facts = {
            "url": f"http://127.0.0.1:{server.server_port}/cell_images.zip",
            "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        (data / "served.json").write_text(json.dumps(facts))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()


def as_markdown(rows):
    lines = ["| fault | tried | survived | lost | |", "|---|---|---|---|---|"]
    lines += [
        f"| {row.fault} | {row.tried} | {row.tried - row.lost} | {row.lost} "
        f"| {row.remark} |"
        for row in rows
    ]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=21, help="kills of each work")
    parser.add_argument("--rows", nargs="+", default=["all"], metavar="ROW")
    parser.add_argument("--older-python", help="an interpreter with NumPy 1")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tiny", action="store_true", help="see that everything runs")
    arguments = parser.parse_args()
    if arguments.tiny:
        arguments.trials = 1
    chosen = {
        name: row
        for name, row in ROWS.items()
        if "all" in arguments.rows or any(name.startswith(r) for r in arguments.rows)
    }
    if not chosen:
        parser.error(f"--rows: expected beginnings of {', '.join(ROWS)}")
    preload([work for _, work in chosen.values()])
    with tempfile.TemporaryDirectory() as root:
        bench = Bench(Path(root), arguments)
        with served(bench.data):
            rows = []
            for name, (measure, work) in chosen.items():
                start = time.perf_counter()
                rows.append(measure(bench, work))
                print(
                    f"{name}: {rows[-1].tried} tried, {rows[-1].lost} lost, "
                    f"{time.perf_counter() - start:.0f} s",
                    file=sys.stderr,
                    flush=True,
                )
    print(as_markdown(rows))
    return int(any(row.lost for row in rows))


if __name__ == "__main__":
    sys.exit(main())
