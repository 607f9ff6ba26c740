"""Maps of grey-level co-occurrence beside a loop over windows with scikit-image: `python benchmarks/cooccurrence.py`.

A 256×256 image, 16 levels, windows of 9×9, four directions, six properties. The loop calls `graycomatrix` and
`graycoprops` for some windows, drawn by a seed, and its time is counted up to all of them. Both take turns in one run,
and the shortest of the rounds counts. The bar: at most 1/50 of the loop's time, with equal values (to 1e-9).
"""

from __future__ import annotations

import time

import numpy as np
from skimage.feature import graycomatrix, graycoprops

from medloc_lib.segmentation.cooccurrence import ANGLES, PROPERTIES, cooccurrence

SIDE, WINDOW, LEVELS = 256, 9, 16
SAMPLED, ROUNDS = 400, 5
BAR = 1 / 50


def main() -> int:
    """Print the times; 1 if the bar does not hold."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, LEVELS, (SIDE, SIDE)).astype(np.uint8)
    half = WINDOW // 2
    places = rng.integers(half, SIDE - half, (SAMPLED, 2))
    ours, loop = np.inf, np.inf
    for _ in range(ROUNDS):
        start = time.perf_counter()
        maps = cooccurrence(codes, window=WINDOW, levels=LEVELS, limits=(0, LEVELS))
        ours = min(ours, time.perf_counter() - start)
        start = time.perf_counter()
        wanted = []
        for row, col in places:
            patch = codes[row - half : row + half + 1, col - half : col + half + 1]
            shares = graycomatrix(patch, [1], ANGLES, LEVELS, symmetric=True, normed=True)
            wanted.append([graycoprops(shares, name).mean() for name in PROPERTIES])
        loop = min(loop, (time.perf_counter() - start) / SAMPLED * SIDE**2)
    apart = float(np.abs(maps[:, places[:, 0], places[:, 1]] - np.array(wanted).T).max())
    holds = ours <= BAR * loop and apart < 1e-9
    print(f"cooccurrence {1e3 * ours:.0f} ms; a loop over windows {loop:.1f} s; ratio 1/{loop / ours:.0f}")
    print(f"largest difference {apart:.0e}; bar 1/{1 / BAR:.0f} holds: {holds}")
    return int(not holds)


if __name__ == "__main__":
    raise SystemExit(main())
