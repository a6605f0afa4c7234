"""Time the intervals of malariafuse.evaluation, and measure the memory they take.

    python benchmarks/bootstrap_speed.py

Simulates 100 patients with more and more cells, the first number being that of half the
NIH set, and prints the seconds that 2,000 resamples of all eleven metrics take. Time
grows in proportion to the cells, memory much less.
"""

import argparse
import resource
import time

import numpy as np

from malariafuse.evaluation import summarize


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--cells", type=int, nargs="+", default=[13_884, 27_768, 55_536, 111_072]
    )
    parser.add_argument("--patients", type=int, default=100)
    parser.add_argument("--resamples", type=int, default=2000)
    arguments = parser.parse_args()

    print("  cells  seconds, by patient  seconds, by cell  peak memory, MB")
    for n_cells in arguments.cells:
        random = np.random.default_rng(0)
        y = random.integers(0, 2, n_cells)
        y_prob = np.clip(random.normal(0.2 + 0.6 * y, 0.25), 0, 1)
        patient = random.integers(0, arguments.patients, n_cells)
        seconds = []
        for groups in (patient, None):
            start = time.perf_counter()
            summarize(y, y_prob, groups, n_resamples=arguments.resamples)
            seconds.append(time.perf_counter() - start)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
        print(f"{n_cells:7}  {seconds[0]:19.2f}  {seconds[1]:16.2f}  {peak:15.0f}")


if __name__ == "__main__":
    main()
