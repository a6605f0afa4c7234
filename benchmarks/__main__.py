"""Time malariafuse against what a user would otherwise write, and print one table.

    python -m benchmarks --data cell_images.zip --output speed.json

Both ways are timed in turn in one run; a ratio is the median over the pairs. Without
``--data``, what asks for real cells is timed on drawn ones and says so. ``--tiny``
shows that everything still runs, and its numbers mean nothing.
"""

import argparse
import json
import os
import sys
from functools import cache
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# For both ways, so that Keras is at its best, too: on some CPUs TensorFlow leaves its
# faster kernels off.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
sys.path.insert(0, str(Path(__file__).parent))

import _data
import _features
import _prediction
import _processes
import _search
import _training
import pandas as pd
from _timing import machine

from malariafuse.datasets import load_cell_images, make_cell_images

GROUPS = {
    "data": _data,
    "features": _features,
    "prediction": _prediction,
    "processes": _processes,
    "search": _search,
    "training": _training,
}


class Settings:
    """What every measurement asks for."""

    def __init__(self, data, tiny, repeats, amx):
        self.data, self.tiny, self.amx = data, tiny, amx
        self.repeats = 1 if tiny else repeats
        self.kind_of_cells = "real" if data else "drawn"

    def pick(self, full, tiny):
        """Return the size for this run."""
        return tiny if self.tiny else full

    @cache  # noqa: B019
    def cells(self, size):
        """Return real cells, or drawn ones."""
        if self.data and not self.tiny:
            return load_cell_images(self.data, image_size=(size, size))
        return make_cell_images(
            self.pick(6000, 100), 20, image_size=(size, size), random_state=0
        )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="the NIH cell images, a zip file")
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=list(GROUPS))
    parser.add_argument("--repeats", type=int, default=5, help="pairs of runs")
    parser.add_argument("--tiny", action="store_true", help="see that everything runs")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    arguments = parser.parse_args()

    facts = machine()
    settings = Settings(
        None if arguments.tiny else arguments.data,
        arguments.tiny,
        arguments.repeats,
        "amx_bf16" in facts["bfloat16"],
    )
    print(json.dumps(facts, indent=1), flush=True)
    rows = []
    for group in arguments.only:
        for row in GROUPS[group].rows(settings):
            rows.append(row)
            print(f"{row.work}: {row.measured:.4g} {row.unit}", flush=True)
            if arguments.output:
                result = {"machine": facts, "rows": [row.as_json() for row in rows]}
                arguments.output.write_text(json.dumps(result, indent=1))
    table = pd.DataFrame(
        {
            "work": row.work,
            "compared with": row.alternative,
            "measured": f"{row.measured:.3g}",
            "wanted": f"{'>=' if row.unit == 'times as fast' else '<='} "
            f"{row.wanted:.3g} {row.unit}",
            "met": "yes" if row.met else "no",
        }
        for row in rows
    )
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
