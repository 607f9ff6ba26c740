"""Every method of `medloc_lib.enhancement` on 512×512 float32, beside scikit-image, OpenCV and SimpleITK.

Run it as ``python benchmarks/enhancement.py [method ...]``. All take float32 and give float32 (or a level), conversions
are timed, and all take turns in one run; the shortest of the rounds counts. The bar: at most 1.1 times the fastest of
the three, and within 1e-3 of the range of the same method in float64 (`tests/enhancement/reference.py`).

Two kinds of peers are timed and do not count for the bar: one marked "coarse" goes through 8 bit, whose steps alone are
more than 1e-3; one marked "inexact" has the same definition and misses the 1e-3. One marked "own definition" computes
something a little different by design, and counts. Nothing is written.
"""

# mypy: disallow-untyped-calls=False

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from enhancement_peers import Method, every_method, picture

MARGIN = 1.1
EXACT = 1e-3
ROUNDS = 9
LONG = 0.025  # seconds of one turn: what is shorter is run several times


def times(calls: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Shortest seconds of each over some rounds in which all take turns."""
    best = dict.fromkeys(calls, np.inf)
    repeats = {}
    for name, call in calls.items():
        call()
        start = time.perf_counter()
        call()
        repeats[name] = max(1, int(LONG / (time.perf_counter() - start)))
    for k in range(ROUNDS):
        for name, call in calls.items():
            if best[name] > 0.5 and k > 1:  # enough is known of what takes so long
                continue
            for _ in range(repeats[name]):
                start = time.perf_counter()
                call()
                best[name] = min(best[name], time.perf_counter() - start)
    return best


def distance(result: Any, exact: Any, span: float) -> float:
    """Largest difference, as a share of the range: the result's, or the picture's for a level."""
    one, other = np.asarray(result, dtype=np.float64), np.asarray(exact, dtype=np.float64)
    by = float(other.max() - other.min()) if other.ndim > 1 else span
    return float(np.abs(one - other).max() / by)


def compare(method: Method, span: float) -> bool:
    """Print the row of one method; whether the bar holds."""
    exact = method.exact()
    error = distance(method.own(), exact, span)
    took = times({"medloc": method.own, **method.peers})
    said, counted = [], {}
    for name, call in method.peers.items():
        off = distance(call(), exact, span)
        mark = "coarse" if name in method.coarse else "own definition" if name in method.differs else ""
        mark = mark or ("inexact" if off > EXACT else "")
        if mark in ("", "own definition"):
            counted[name] = took[name]
        said.append(f"{name} {1e3 * took[name]:.2f} ms" + (f" ({mark}, off by {off:.0e})" if mark else ""))
    fastest = min(counted, key=lambda name: counted[name], default="")
    ratio = took["medloc"] / counted[fastest] if fastest else 0.0
    holds = error <= EXACT and ratio <= MARGIN
    against = f"{ratio:5.2f} of {fastest}" if fastest else "      none is as exact"
    print(f"{method.name:24s} {1e3 * took['medloc']:8.2f} ms  {against:31s} off by {error:.0e}  holds: {holds}")
    print(f"{'':24s} {'; '.join(said)}")
    return holds


def main() -> None:
    """Print the table."""
    warnings.simplefilter("ignore")
    x = picture()
    span, wanted = float(x.max() - x.min()), sys.argv[1:]
    methods = [m for m in every_method(x) if not wanted or m.name.split(",")[0] in wanted]
    print(f"{'512×512 float32':24s} {'medloc':>11s}  ratio to the fastest that counts; bar {MARGIN}")
    held = [compare(m, span) for m in methods]
    missed = [m.name for m, holds in zip(methods, held, strict=True) if not holds]
    print(f"{len(methods) - len(missed)} of {len(methods)} hold; not: {', '.join(missed) or 'none'}")


if __name__ == "__main__":
    main()
