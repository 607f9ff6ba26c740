"""Which detection hits which truth box. Matched once, scored as often as one likes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from medloc_lib.errors import InputError
from medloc_lib.geometry import area, as_boxes, centers
from medloc_lib.metrics.curves import (
    AveragePrecision,
    Bools,
    Floats,
    Froc,
    Ints,
    free_response,
    interpolated_precision,
)
from medloc_lib.sample import Detections, Sample

CHUNK = 4096  # detections whose overlaps are computed at a time: small enough to stay in the cache


def box_size_mm(boxes: ArrayLike, spacing: ArrayLike) -> Floats:
    """Size of boxes as one length: the side in mm of the square (2-D) or cube (3-D) of the same area or volume.

    Parameters
    ----------
    boxes : (n, 2 * ndim), coordinates.
    spacing : mm per axis, (ndim,), or (n, ndim) for boxes of different images.

    Examples
    --------
    >>> box_size_mm([[0, 0, 4, 9]], (0.5, 0.5))
    array([3.])
    """
    array = as_boxes(boxes)
    ndim = array.shape[1] // 2
    steps = np.asarray(spacing, dtype=np.float64)
    if steps.shape not in ((ndim,), (len(array), ndim)):
        raise InputError(f"spacing must be {ndim} numbers in mm, or as many per box; got shape {steps.shape}")
    return np.asarray((area(array) * np.prod(steps, axis=-1)) ** (1 / ndim))


@dataclass(frozen=True, eq=False, repr=False)
class Matches:
    """What became of every detection that counts, best score first. Made by `match`.

    Ignored truth boxes, and the detections on them, are not in here.

    Parameters
    ----------
    classes : name per label.
    truths : int (images, classes), number of truth boxes.
    image : int (n,), the image that each detection is in.
    detection : int (n,), its position in that image's `Detections`.
    label, score : int and float (n,).
    target : int (n,), position of the truth box that it hits in that image's `Sample`; -1 is a false positive.
    distance_mm : float (n,), from the centre of that truth box to its own; NaN for a false positive.
    """

    classes: tuple[str, ...]
    truths: Ints
    image: Ints
    detection: Ints
    label: Ints
    score: Floats
    target: Ints
    distance_mm: Floats

    @cached_property
    def hit(self) -> Bools:
        """Whether each detection hits a truth box, bool (n,)."""
        return self.target >= 0

    def average_precision(self, weights: ArrayLike | None = None) -> AveragePrecision:
        """Average precision; see `medloc_lib.metrics.average_precision`.

        Parameters
        ----------
        weights : int (images,), how often each image counts, as `bootstrap` draws them; default once.
        """
        drawn = self._drawn(weights)
        per_class = {
            name: interpolated_precision(self.hit[rows], drawn[self.image[rows]], int(total))
            for name, rows, total in zip(self.classes, self._rows_of_class, drawn @ self.truths, strict=True)
        }
        defined = [ap for ap in per_class.values() if not np.isnan(ap)]
        return AveragePrecision(float(np.mean(defined)) if defined else float("nan"), per_class)

    def froc(self, weights: ArrayLike | None = None) -> Froc:
        """FROC over all classes together; see `medloc_lib.metrics.froc`. `weights` as in `average_precision`."""
        drawn = self._drawn(weights)
        total = int((drawn @ self.truths).sum())
        return free_response(self.hit, self.score, drawn[self.image], total, int(drawn.sum()))

    def center_error(self, weights: ArrayLike | None = None) -> float:
        """Mean `distance_mm` of the hits; NaN if there are none. `weights` as in `average_precision`."""
        weight = self._drawn(weights)[self.image[self.hit]]
        return float(weight @ self.distance_mm[self.hit] / weight.sum()) if weight.any() else float("nan")

    @cached_property
    def _rows_of_class(self) -> list[Ints]:
        return [np.flatnonzero(self.label == k) for k in range(len(self.classes))]

    def _drawn(self, weights: ArrayLike | None) -> Ints:
        if weights is None:
            return np.ones(len(self.truths), dtype=np.int64)
        drawn = np.asarray(weights)
        if drawn.shape != (len(self.truths),) or drawn.dtype.kind not in "iu" or (drawn < 0).any():
            raise InputError(
                f"weights must be {len(self.truths)} whole numbers from 0, one per image; "
                f"got {drawn.dtype} of shape {drawn.shape}"
            )
        return drawn.astype(np.int64)

    def __repr__(self) -> str:
        return (
            f"Matches: images {len(self.truths)}, truth boxes {int(self.truths.sum())}, "
            f"detections {len(self.target)}, hits {int(self.hit.sum())}"
        )


def match(
    truth: Sequence[Sample],
    detections: Sequence[Detections],
    *,
    iou: float = 0.5,
    size_mm: tuple[float, float] | None = None,
) -> Matches:
    """Pair detections with truth boxes as COCO does.

    In each image and class, detections choose in order of score. Each takes, of the truth boxes that are free and
    overlap it by at least `iou`, the one with the highest IoU; it takes an ignored one only if no other will do. A
    truth box is taken once: further detections of it are false positives. A detection on an ignored truth box is
    neither hit nor miss. There is no limit to the number of detections per image. Equal scores keep their order, and of
    truth boxes with equal IoU the last is taken.

    Parameters
    ----------
    truth : what is there. Every sample must have boxes, and all the same classes.
    detections : what was found, one record per sample.
    iou : lowest intersection over union of a hit, over 0 and up to 1.
    size_mm : (low, high); only truth boxes of `box_size_mm` in [low, high) count. The others are ignored, and so
        are detections of other sizes that hit nothing. Default: all count.

    Raises
    ------
    InputError
        If a sample has `boxes=None`, or samples and detections differ in number, dimension or classes.

    References
    ----------
    T.-Y. Lin et al., "Microsoft COCO: common objects in context", ECCV 2014, and its evaluation code. `Sample.ignore`
    acts as that code's truth outside the area range does. Its *iscrowd* is another thing: a region that may take any
    number of detections.

    Examples
    --------
    >>> truth = [Sample(np.zeros((1, 9, 9)), boxes=[[0, 0, 4, 4]], spacing=(2, 2))]
    >>> found = [Detections([[5, 5, 9, 9], [0, 0, 4, 3]], scores=[0.4, 0.9])]
    >>> matches = match(truth, found)
    >>> matches
    Matches: images 1, truth boxes 1, detections 2, hits 1
    >>> matches.detection, matches.target, matches.distance_mm
    (array([1, 0]), array([ 0, -1]), array([ 1., nan]))
    """
    if not 0 < iou <= 1:
        raise InputError(f"iou must be over 0 and up to 1; got {iou}")
    classes = check_pairs(truth, detections)
    ndim = truth[0].ndim if truth else 2
    spacing = np.asarray([s.spacing for s in truth], dtype=np.float64).reshape(-1, ndim)
    boxes = _flat([s.boxes for s in truth], [s.labels for s in truth], ndim)
    ignore = np.concatenate([np.zeros(0, dtype=bool), *(s.ignore for s in truth if s.ignore is not None)])
    found = _flat([d.boxes for d in detections], [d.labels for d in detections], ndim)
    score = np.concatenate([np.zeros(0), *(d.scores for d in detections if d.scores is not None)])

    best_first = np.argsort(-score, kind="stable")
    found, score = found.rows(best_first), score[best_first]
    other_size = np.zeros(len(score), dtype=bool)
    if size_mm is not None:
        ignore |= _outside(box_size_mm(boxes.boxes, spacing[boxes.image]), size_mm)
        other_size = _outside(box_size_mm(found.boxes, spacing[found.image]), size_mm)

    target = _take(*_candidates(found, boxes, iou), ignore, len(score))
    hit = target >= 0
    on_ignored = np.zeros(len(score), dtype=bool)
    on_ignored[hit] = ignore[target[hit]]
    counts = ~on_ignored & (hit | ~other_size)

    distance = np.full(len(score), np.nan)
    shift = (centers(found.boxes[hit]) - centers(boxes.boxes[target[hit]])) * spacing[found.image[hit]]
    distance[hit] = np.linalg.norm(shift, axis=1)
    target[hit] = boxes.position[target[hit]]
    truths = np.zeros((len(truth), len(classes)), dtype=np.int64)
    np.add.at(truths, (boxes.image[~ignore], boxes.labels[~ignore]), 1)
    found = found.rows(counts)
    return Matches(
        classes=classes,
        truths=truths,
        image=found.image,
        detection=found.position,
        label=found.labels,
        score=score[counts],
        target=target[counts],
        distance_mm=distance[counts],
    )


def check_pairs(truth: Sequence[Sample], detections: Sequence[Detections]) -> tuple[str, ...]:
    """Refuse samples and detections that do not belong together; give the names of the classes.

    Samples without class names get the names "label 0", "label 1", …
    """
    if len(truth) != len(detections):
        raise InputError(f"every sample needs one Detections; got {len(truth)} samples and {len(detections)}")
    named = {s.classes for s in truth if s.classes}
    if len(named) > 1:
        raise InputError(f"all samples must have the same classes; got {' and '.join(map(str, sorted(named)))}")
    classes = named.pop() if named else ()
    if len(set(classes)) != len(classes):
        raise InputError(f"classes must have different names; got {classes}")
    highest = -1
    for i, (sample, found) in enumerate(zip(truth, detections, strict=True)):
        if sample.boxes is None or sample.labels is None or found.labels is None:
            raise InputError(
                f"sample {sample.id!r} (number {i}) has boxes=None: nobody looked, so nothing can be scored. "
                "Leave it out, or give boxes=[] if there is nothing to find"
            )
        if sample.ndim != truth[0].ndim or (len(found) and found.boxes.shape[1] != 2 * sample.ndim):
            raise InputError(
                f"samples and detections must all be 2-D or all 3-D; number {i}, {sample.id!r}, is {sample.ndim}-D, "
                f"the first is {truth[0].ndim}-D, and its detections have {found.boxes.shape[1]} numbers a box"
            )
        highest = max(highest, sample.labels.max(initial=-1), found.labels.max(initial=-1))
        if classes and highest >= len(classes):
            raise InputError(f"{sample.id!r} (number {i}) or its detections have label {highest}; classes: {classes}")
    return classes or tuple(f"label {k}" for k in range(highest + 1))


class _Flat(NamedTuple):
    """The boxes of all images, one after another."""

    image: Ints
    position: Ints
    boxes: Floats
    labels: Ints

    def rows(self, index: Ints | Bools) -> _Flat:
        return _Flat(self.image[index], self.position[index], self.boxes[index], self.labels[index])


def _flat(boxes: Sequence[ArrayLike | None], labels: Sequence[ArrayLike | None], ndim: int) -> _Flat:
    arrays = [np.asarray(b).reshape(-1, 2 * ndim) for b in boxes]
    counts = np.asarray([len(b) for b in arrays], dtype=np.int64)
    image = np.repeat(np.arange(len(counts)), counts)
    position = np.arange(len(image)) - np.repeat(np.cumsum(counts) - counts, counts)
    joined = np.concatenate([np.zeros((0, 2 * ndim)), *arrays])
    return _Flat(image, position, joined, np.concatenate([np.zeros(0, dtype=np.int64), *map(np.asarray, labels)]))


def _candidates(found: _Flat, boxes: _Flat, iou: float) -> tuple[Ints, Ints, Floats]:
    """All pairs in the same image and of the same class that overlap enough: detection, truth box, IoU."""
    classes = 1 + max(found.labels.max(initial=0), boxes.labels.max(initial=0))
    key = boxes.image * classes + boxes.labels
    order = np.argsort(key, kind="stable")
    wanted = found.image * classes + found.labels
    first = np.searchsorted(key, wanted, side="left", sorter=order)
    count = np.searchsorted(key, wanted, side="right", sorter=order) - first
    pairs = []
    for start in range(0, len(wanted), CHUNK):
        part = slice(start, start + CHUNK)
        d = np.repeat(np.arange(start, start + len(count[part])), count[part])
        step = np.arange(len(d)) - np.repeat(np.cumsum(count[part]) - count[part], count[part])
        t = order[first[d] + step]
        overlap = _paired_iou(found.boxes[d], boxes.boxes[t])
        enough = overlap >= min(iou, 1 - 1e-10)  # as COCO, so that rounding cannot lose a perfect box
        pairs.append((d[enough], t[enough], overlap[enough]))
    empty = (np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0))
    d, t, overlap = (np.concatenate(column) for column in zip(empty, *pairs, strict=True))
    return d, t, overlap


def _take(d: Ints, t: Ints, overlap: Floats, ignore: Bools, detections: int) -> Ints:
    """Let detections, best score first, take truth boxes. Gives the truth box of each detection, or -1."""
    order = np.lexsort((-t, -overlap, ignore[t], d))
    target = [-1] * detections
    free = [True] * len(ignore)
    for one, box in zip(d[order].tolist(), t[order].tolist(), strict=True):
        if target[one] < 0 and free[box]:
            target[one] = box
            free[box] = False
    return np.asarray(target, dtype=np.int64)


def _paired_iou(a: Floats, b: Floats) -> Floats:
    """IoU of each box of `a` with its fellow of `b`, where `geometry.iou` gives all with all."""
    half = a.shape[1] // 2
    sides = np.minimum(a[:, half:], b[:, half:]) - np.maximum(a[:, :half], b[:, :half])
    inter = np.prod(np.maximum(sides, 0), axis=1)
    union = np.prod(a[:, half:] - a[:, :half], axis=1) + np.prod(b[:, half:] - b[:, :half], axis=1) - inter
    return np.asarray(np.divide(inter, union, out=np.zeros_like(inter), where=union > 0))


def _outside(size: Floats, limits: tuple[float, float]) -> Bools:
    low, high = limits
    if not low < high:
        raise InputError(f"size_mm must be (low, high) with low under high; got {limits}")
    return np.asarray((size < low) | (size >= high))
