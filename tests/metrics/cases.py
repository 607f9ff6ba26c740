"""Truth and detections that several of these tests use."""

import numpy as np

from medloc_lib.sample import Detections, Sample

SIDE = 32
CLASSES = ("mass", "plaque", "infarct")
PICTURE = np.zeros((1, SIDE, SIDE), dtype=np.uint8)
ONE = [[4.0, 4, 12, 12]]
BESIDE = [[20.0, 20, 28, 28]]


def sample(boxes, **fields):
    return Sample(PICTURE, boxes=boxes, **{"classes": CLASSES, **fields})


def random_case(seed, *, images=6, grid=False, ties=False, ignored=0.2, spacing=(1.0, 1.0)):
    """Truth and detections, many of them near a truth box. On a grid, IoUs are often equal, and often just `iou`."""
    rng = np.random.default_rng(seed)
    truth, detections = [], []

    def anywhere(n):
        start = rng.integers(0, SIDE - 8, (n, 2)) if grid else rng.uniform(0, SIDE - 8, (n, 2))
        return np.concatenate([start, start + (rng.integers(1, 8, (n, 2)) if grid else rng.uniform(1, 8, (n, 2)))], 1)

    for i in range(images):
        boxes, found = anywhere(rng.integers(0, 8)).astype(float), anywhere(rng.integers(0, 14)).astype(float)
        labels, found_labels = rng.integers(3, size=len(boxes)), rng.integers(3, size=len(found))
        for j in np.flatnonzero(rng.random(len(found)) < 0.8) if len(boxes) else ():
            k = rng.integers(len(boxes))
            found[j] = boxes[k] + (rng.integers(-1, 2, 4) if grid else rng.normal(0, 0.7, 4))
            found[j, 2:] = np.maximum(found[j, 2:], found[j, :2] + 0.25)
            found_labels[j] = labels[k]
        scores = rng.integers(0, 5, len(found)) / 5 if ties else rng.random(len(found))
        ignore = rng.random(len(boxes)) < ignored
        truth.append(sample(boxes, labels=labels, ignore=ignore, spacing=spacing, id=str(i)))
        detections.append(Detections(found, scores=scores, labels=found_labels))
    return truth, detections
