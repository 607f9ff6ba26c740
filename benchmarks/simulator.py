"""Speed of the simulator: `python benchmarks/simulator.py` makes the default 2-D sets in a new cache folder.

Bars: 30 samples a second a core, four channels of 160×160 each; train, val and test in under a minute on 2 cores.
"""

from __future__ import annotations

import os
import resource
import tempfile
import time

from medloc_lib.data import lesions

ONE_CORE = 120  # samples


def main() -> None:
    """One core in steady state, then the three sets on all cores."""
    start = time.perf_counter()
    lesions.load("train", n=2, seed=1)  # the template is prepared, once for all sets
    print(f"template prepared: {time.perf_counter() - start:.1f} s")
    start = time.perf_counter()
    for k in range(ONE_CORE // 40):  # so few samples are made without workers
        lesions.load("train", n=40, seed=2 + k)
    rate = ONE_CORE / (time.perf_counter() - start)
    print(f"one core: {rate:.0f} samples/s of four channels; at least 30: {rate >= 30}")
    start = time.perf_counter()
    made = sum(len(lesions.load(split)) for split in ("train", "val", "test"))
    seconds = time.perf_counter() - start
    print(f"{made} samples on {os.cpu_count()} cores: {seconds:.0f} s; under a minute: {seconds < 60}")
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024
    print(f"peak memory of the largest process: {peak:.0f} MiB")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MEDLOC_CACHE"] = folder
        main()
