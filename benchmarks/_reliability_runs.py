"""Runs of a work in processes of their own, and what they leave behind."""

import os
import re
import signal
import sys
import time
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from _reliability_work import MODULES, NETWORKS, disturbed

TIMEOUT = 300
_ENTRY = re.compile("cells-[0-9a-f]{32}")
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
# Its processes have imported all libraries, and done nothing with them yet.
CONTEXT = get_context("forkserver")


def preload(works):
    """Choose what processes have imported, before the first one starts."""
    of_networks = ["malariafuse.classifiers"] * any(n in works for n in NETWORKS)
    CONTEXT.set_forkserver_preload(MODULES + of_networks)


@dataclass
class Row:
    """One fault: how often it was tried, and what was lost."""

    fault: str
    tried: int = 0
    lost: int = 0
    remark: str = ""

    def count(self, troubles):
        """Count one trial, and describe what was lost in it."""
        self.tried += 1
        self.lost += bool(troubles)
        for trouble in troubles:
            print(f"{self.fault}: {trouble}", file=sys.stderr, flush=True)


@dataclass
class Run:
    """One process that does a work."""

    name: str
    data: Path
    place: Path
    limit: int | None = None

    def __enter__(self):
        self._here, there = CONTEXT.Pipe(duplex=False)
        self.process = CONTEXT.Process(
            target=disturbed, args=(self.name, self.data, self.place, there, self.limit)
        )
        self.process.start()
        there.close()
        return self

    def __exit__(self, *_):
        if self.process.is_alive():
            self.process.kill()
        self.process.join()
        self._here.close()

    def next(self, timeout=TIMEOUT):
        """Return what the process says next."""
        if not self._here.poll(timeout):
            return "hangs", f"nothing came in {timeout} seconds"
        try:
            return self._here.recv()
        except EOFError:
            return "died", None

    def kill(self, signal_, after):
        """Send a signal in the middle of the work; whether it came in time."""
        self.next()
        if self._here.poll(after):
            return False
        # A process that is at its end may be gone already.
        if self.process.exitcode is None:
            os.kill(self.process.pid, signal_)
        self.process.join(TIMEOUT)
        return self.process.exitcode != 0


def whole(name, data, place):
    """Do a work undisturbed; how it ends, and the seconds that it takes."""
    with Run(name, data, place) as run:
        run.next()
        start = time.perf_counter()
        ends = run.next()
        seconds = time.perf_counter() - start
        run.process.join(TIMEOUT)
    return ends, seconds


def listing(place):
    """Return the sizes of all files below a folder, and None for each folder."""
    return {
        # An entry is named by the time at which its archive was downloaded.
        _ENTRY.sub("cells-*", str(path.relative_to(place))): (
            path.stat().st_size if path.is_file() else None
        )
        for path in place.rglob("*")
    }
