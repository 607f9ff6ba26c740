"""Regions that may hold a lesion: proposed by several methods without labels, merged, the most promising first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from medloc_lib.classical.proposals import METHODS, keep_apart
from medloc_lib.classical.scene import Bools, Scene, prepare
from medloc_lib.errors import InputError
from medloc_lib.geometry import iou
from medloc_lib.metrics import box_size_mm
from medloc_lib.sample import Sample

SHARES: Mapping[str, float] = MappingProxyType(
    {"components": 0.74, "blobs": 0.18, "superpixels": 0.04, "windows": 0.04}
)
"""How often each method has its turn when proposals are merged. Chosen on the training patients of `brain_lesions`."""

OVERLAP = 0.5
"""IoU over which two candidates are the same, and the later one is dropped."""

STRATA: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"under 5 mm": (0.0, 5.0), "5 to 15 mm": (5.0, 15.0), "from 15 mm": (15.0, np.inf)}
)
"""Sizes by which recall is told: the side of the square of the same area as the truth box."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """Regions of one picture, the most promising first.

    Parameters
    ----------
    boxes : float64 (n, 4), coordinates, half-open.
    masks : bool, one per box and of its size: the region itself.
    methods : which method proposed each, as an index into `METHODS`: int (n,).
    """

    boxes: NDArray[np.float64]
    masks: tuple[Bools, ...]
    methods: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.boxes)

    def __repr__(self) -> str:
        counts = np.bincount(self.methods, minlength=len(METHODS))
        return f"Candidates: {len(self)}: " + ", ".join(f"{n} {m}" for m, n in zip(METHODS, counts, strict=True) if n)


class HasBoxes(Protocol):
    """Candidates, or what was made of them."""

    @property
    def boxes(self) -> NDArray[np.float64]:
        """(n, 4)."""


def propose(picture: Sample | Scene, *, n: int = 50, shares: Mapping[str, float] = SHARES) -> Candidates:
    """The `n` most promising regions of a 2-D picture.

    The methods take turns, each as often as its share says, with their own best first; a region whose box overlaps an
    earlier one by an IoU of more than `OVERLAP` is skipped. No label is looked at.

    Parameters
    ----------
    picture : Sample, or what `prepare` made of it.
    n : how many, at most.
    shares : method to share; a single method is ``{"blobs": 1}``.

    Raises
    ------
    InputError
        If the sample is a volume, `n` is less than 1, or a method is unknown.

    Examples
    --------
    >>> image = np.random.default_rng(0).normal(100, 1, (1, 60, 60))
    >>> image[0, 20:26, 30:40] += 8
    >>> found = propose(Sample(image), n=5)
    >>> len(found), bool(iou(found.boxes, [[20, 30, 26, 40]]).max() > 0.6)
    (5, True)
    """
    unknown = [name for name in shares if name not in METHODS]
    if n < 1 or unknown or not shares or min(shares.values()) <= 0:
        raise InputError(
            f"n must be 1 or more, and shares positive, by method ({', '.join(METHODS)}); got n={n}, {dict(shares)}"
        )
    scene = prepare(picture) if isinstance(picture, Sample) else picture
    lists = {name: METHODS[name](scene) for name in shares}
    turns = [
        (place / shares[name], list(METHODS).index(name), place - 1)
        for name, found in lists.items()
        for place in range(1, min(len(found), 4 * n) + 1)
    ]
    turns.sort()
    names = list(METHODS)
    boxes = np.asarray([lists[names[m]].boxes[i] for _, m, i in turns], dtype=np.float64).reshape(-1, 4)
    kept = [turns[k] for k in keep_apart(boxes, n, iou=OVERLAP)]
    return Candidates(
        np.asarray([lists[names[m]].boxes[i] for _, m, i in kept], dtype=np.float64).reshape(-1, 4),
        tuple(lists[names[m]].mask(i) for _, m, i in kept),
        np.asarray([m for _, m, _ in kept], dtype=np.int64),
    )


def best_overlaps(samples: Sequence[Sample], candidates: Sequence[HasBoxes]) -> tuple[NDArray[np.float64], ...]:
    """For each truth box that counts: the IoU of the candidate that fits it best, and its size in mm; two of (n,).

    Raises
    ------
    InputError
        If a sample has ``boxes=None``, or the two sequences differ in length.
    """
    if len(samples) != len(candidates):
        raise InputError(f"every sample needs its candidates; got {len(samples)} samples and {len(candidates)}")
    best, size = [np.zeros(0)], [np.zeros(0)]
    for sample, found in zip(samples, candidates, strict=True):
        if sample.boxes is None or sample.ignore is None:
            raise InputError(f"sample {sample.id!r} has boxes=None: nobody looked, so nothing can be missed")
        truth = sample.boxes[~sample.ignore]
        best.append(iou(found.boxes, truth).max(axis=0, initial=0))
        size.append(box_size_mm(truth, sample.spacing))
    return np.concatenate(best), np.concatenate(size)


def recall(samples: Sequence[Sample], candidates: Sequence[HasBoxes], *, iou: float = 0.1) -> dict[str, float]:
    """Share of the truth boxes that some candidate overlaps by `iou`: of "all", and of each size in `STRATA`.

    It is the ceiling of every localizer that chooses among these candidates. NaN where there is no truth. Ignored boxes
    are left out.

    Examples
    --------
    >>> truth = [Sample(np.zeros((1, 40, 40)), boxes=[[0, 0, 4, 4], [10, 10, 30, 30]])]
    >>> found = [Candidates(np.array([[10.0, 10, 28, 30]]), (np.ones((18, 20), bool),), np.array([0]))]
    >>> recall(truth, found)
    {'all': 0.5, 'under 5 mm': 0.0, '5 to 15 mm': nan, 'from 15 mm': 1.0}
    """
    best, size = best_overlaps(samples, candidates)
    parts = {"all": np.ones(len(size), dtype=bool)}
    parts |= {name: (low <= size) & (size < high) for name, (low, high) in STRATA.items()}
    return {name: float((best[part] >= iou).mean()) if part.any() else float("nan") for name, part in parts.items()}
