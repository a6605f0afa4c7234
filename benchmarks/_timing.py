"""Two ways to do the same work, timed in turn."""

import gc
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

LIBRARIES = ("malariafuse", "tensorflow", "keras", "openvino", "scikit-learn", "numpy")


@dataclass
class Row:
    """What was measured: how many times as fast we are, or how much memory we take."""

    work: str
    alternative: str
    measured: float
    wanted: float
    unit: str = "times as fast"
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def met(self) -> bool:
        """Whether it is as wanted: speeds at least, sizes at most."""
        if self.unit == "times as fast":
            return self.measured >= self.wanted
        return self.measured <= self.wanted

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {**asdict(self), "met": self.met}


def seconds(work: Callable[[], Any]) -> float:
    """Return how long one call takes."""
    gc.collect()
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def in_turn(
    ours: Callable[[], Any],
    theirs: Callable[[], Any],
    repeats: int,
    measure: Callable[[Callable[[], Any]], float] = seconds,
    warm_up: bool = True,
) -> tuple[float, dict[str, Any]]:
    """Return how many times as fast ours is, the median over pairs, and all times."""
    if warm_up:
        measure(ours), measure(theirs)
    pairs = [(measure(ours), measure(theirs)) for _ in range(repeats)]
    return statistics.median(b / a for a, b in pairs), {
        "seconds_ours": [a for a, _ in pairs],
        "seconds_alternative": [b for _, b in pairs],
    }


def in_a_new_process(program: str, *arguments: object) -> Any:
    """Run a program that prints JSON last, and return that."""
    finished = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    return json.loads(finished.stdout.splitlines()[-1])


def machine() -> dict[str, Any]:
    """Say where the times were measured."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    facts = dict(line.split(":", 1) for line in lines if ":" in line)
    facts = {name.strip(): value.strip() for name, value in facts.items()}
    flags = set(facts.get("flags", "").split())
    versions = {}
    for library in LIBRARIES:
        try:
            versions[library] = version(library)
        except PackageNotFoundError:
            versions[library] = None
    return {
        "cpu": facts.get("model name", platform.processor()),
        "cores": len(os.sched_getaffinity(0)),
        "bfloat16": sorted(flags & {"amx_bf16", "avx512_bf16"}),
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS"),
        "python": platform.python_version(),
        "versions": versions,
    }
