"""Small heads for the tests: a bright skull, a brain with two tissues, and what is asked for in it."""

from __future__ import annotations

import numpy as np

from medloc_lib.sample import Sample

CHANNELS = ("T1", "T2", "FLAIR", "PET")


def head(lesions=(), *, seed=0, group="", **about):
    """A 2-D sample of 96×96; each lesion is (row, col, radius, strength), its box the truth."""
    rng = np.random.default_rng(seed)
    row, col = np.mgrid[:96, :96] + 0.5
    radius = np.hypot((row - 48) / 44, (col - 48) / 38)
    brain = radius < 0.8
    white = brain & (np.sin(row / 7) * np.cos(col / 6) > 0)
    skull = (radius > 0.88) & (radius < 1)
    image = np.stack([np.where(white, *pair) for pair in ((120, 80), (70, 95), (80, 90), (60, 75))]) * brain
    image = image + 140.0 * skull + 5
    boxes = []
    for r, c, size, strength in lesions:
        disc = np.hypot(row - r, col - c) < size
        image[1:3, disc] += strength
        image[0, disc] -= strength / 2
        rows, cols = np.flatnonzero(disc.any(axis=1)), np.flatnonzero(disc.any(axis=0))
        boxes.append([rows[0], cols[0], rows[-1] + 1, cols[-1] + 1])
    noisy = np.hypot(image + rng.normal(0, 2, image.shape), rng.normal(0, 2, image.shape))
    truth = {"boxes": np.reshape(boxes, (-1, 4)), **about}
    return Sample(noisy.astype(np.float32), channels=CHANNELS, group=group, id=f"{group}-{seed}", **truth)


def many(n=12, *, seed=0):
    """Heads of `n` patients, every other one with one or two lesions of different sizes."""
    rng = np.random.default_rng(seed)
    made = []
    for k in range(n):
        count = (k % 2) * (1 + k % 3 // 2)
        lesions = [(*rng.uniform(34, 62, 2), rng.uniform(2, 7), 45.0) for _ in range(count)]
        made.append(head(lesions, seed=seed + k, group=f"p{k}"))
    return made
