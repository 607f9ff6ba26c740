"""Candidates described a second on one core, beside the same measures taken region by region with scikit-image.

Run it as ``python benchmarks/features.py``. Twenty training slices of `brain_lesions`, 50 candidates each; both take
turns, the shortest of the rounds counts. The bar: 200 candidates a second on one core, proposing included. The peer
does less: co-occurrence with six measures, first-order statistics, shape, local patterns and HOG; no context. Nothing
is written.
"""

# mypy: disallow-untyped-calls=False

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from scipy import stats
from skimage.feature import graycomatrix, graycoprops, hog, local_binary_pattern
from skimage.measure import regionprops

import medloc_lib as ml
from medloc_lib.classical import Candidates, Scene, prepare, propose
from medloc_lib.classical.features import from_masks, grey_levels
from medloc_lib.classical.features.tables import features
from medloc_lib.data.lesions.dataset import single_threaded
from medloc_lib.sample import Sample

BAR = 200.0
PICTURES = 20
ROUNDS = 3
ANGLES = (0, np.pi / 4, np.pi / 2, 3 * np.pi / 4)
PROPERTIES = ("contrast", "dissimilarity", "homogeneity", "ASM", "energy", "correlation")


def ours(scene: Scene, found: Candidates) -> int:
    """All features of all candidates; how many."""
    regions = from_masks(found.boxes, found.masks, scene.inside.shape)
    return len(features(scene, regions, found.methods))


def peer(scene: Scene, found: Candidates) -> int:
    """What scikit-image and SciPy offer, candidate by candidate; how many."""
    patterns = local_binary_pattern((100 * scene.z[scene.main]).round().astype(np.int32), 8, 1, "uniform")
    for box, mask in zip(found.boxes.astype(int), found.masks, strict=True):
        place = np.s_[box[0] : box[2], box[1] : box[3]]
        for z in scene.z:
            values = z[place][mask]
            np.percentile(values, (10, 25, 50, 75, 90))
            stats.describe(values)
            levels = (grey_levels(z[place]) - 1).astype(np.uint8)
            matrix = graycomatrix(levels, [1], ANGLES, levels=16, symmetric=True, normed=True)
            for name in PROPERTIES:
                graycoprops(matrix, name)
        region = regionprops(mask.astype(np.uint8))[0]
        _ = (region.perimeter, region.solidity, region.axis_major_length, region.axis_minor_length)
        np.bincount(patterns[place][mask].astype(int), minlength=10)
        patch = np.resize(scene.z[scene.main][place], (16, 16))
        hog(patch, 9, (8, 8), (2, 2))
    return len(found)


def rate(work: Callable[[Scene, Candidates], int], cases: list[tuple[Scene, Candidates]]) -> float:
    """Candidates a second of processor time."""
    start = time.process_time()
    count = sum(work(*case) for case in cases)
    return count / (time.process_time() - start)


def whole(samples: list[Sample]) -> float:
    """Candidates a second from the picture on: made ready, proposed, described."""
    start = time.process_time()
    count = 0
    for sample in samples:
        scene = prepare(sample)
        count += ours(scene, propose(scene))
    return count / (time.process_time() - start)


def main() -> int:
    """Print the rates; 1 if the bar does not hold."""
    train = ml.load("brain_lesions", split="train")
    samples = [train[k] for k in range(0, 3 * PICTURES, 3)]
    with single_threaded():
        cases = [(scene, propose(scene)) for scene in map(prepare, samples)]
        ours(*cases[0])
        rounds = [(rate(ours, cases), rate(peer, cases[:4]), whole(samples)) for _ in range(ROUNDS)]
    mine, theirs, everything = (max(column) for column in zip(*rounds, strict=True))
    holds = everything >= BAR
    print(f"features alone: {mine:.0f} candidates a second on one core; scikit-image, region by region: {theirs:.0f}")
    print(f"ratio {mine / theirs:.1f}")
    print(f"with proposing: {everything:.0f} a second; bar {BAR:.0f} holds: {holds}")
    return int(not holds)


if __name__ == "__main__":
    raise SystemExit(main())
