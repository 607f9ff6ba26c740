"""Boxes of single slices, linked into boxes of a volume: each lesion counted once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from medloc_lib.deep.localizers import load_model
from medloc_lib.deep.sequence.features import PIXEL, planes_of
from medloc_lib.errors import InputError
from medloc_lib.geometry import iou
from medloc_lib.localizer import Localizer, any_class
from medloc_lib.localizer.first import looked_at
from medloc_lib.metrics import average_precision
from medloc_lib.sample import Detections, Sample

SUREST = (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
"""Scores from which on a slice's box may count; `fit` tries them all."""


@dataclass
class _Chain:
    """Boxes of one thing, slice by slice."""

    planes: list[int] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)


def link(found: Sequence[Detections], *, overlap: float = 0.1, gap: int = 1) -> Detections:
    """Link the boxes of a stack's slices into boxes of the volume.

    From slice to slice each chain is given at most one box, and each box to at most one chain, so that the sum of their
    IoU is as large as can be (H. Kuhn, "The Hungarian method for the assignment problem", 1955); pairs under `overlap`
    stay apart. A box that no chain takes begins one, and a chain that missed `gap` slices may still go on. A box of the
    volume is the hull of its chain. Its score is 1 - Π (1 - s) over the scores s of the chain, the chance that one
    at least is right if each were right by itself: a long chain counts for more. Its label has the largest
    sum of scores.

    Parameters
    ----------
    found : of each slice, in their order.
    overlap : IoU in the plane from which two boxes of neighbouring slices may be of one thing.
    gap : slices that may be missing within a chain.

    Returns
    -------
    Boxes (n, 6), half-open: (plane0, row0, col0, plane1, row1, col1); surest first.

    Raises
    ------
    InputError
        If boxes are not 2-D, or options are out of range.

    Examples
    --------
    >>> slices = [Detections([[0, 0, 4, 4]], [0.5]), Detections([[1, 0, 5, 4]], [0.9]), Detections.none(2)]
    >>> link(slices).boxes, link(slices).scores
    (array([[0., 0., 0., 2., 5., 4.]]), array([0.95]))
    """
    if any(d.boxes.shape[1] != 4 for d in found):
        raise InputError("link needs boxes of slices, (n, 4)")
    if not 0 < overlap <= 1 or gap < 0:
        raise InputError(f"overlap must be over 0 and at most 1, gap 0 or more; got {overlap} and {gap}")
    chains: list[_Chain] = []
    for plane, here in enumerate(found):
        alive = [c for c in chains if plane - c.planes[-1] <= gap + 1]
        free = set(range(len(here)))
        if alive and free:
            ends = np.stack([found[c.planes[-1]].boxes[c.numbers[-1]] for c in alive])
            shared = iou(ends, here.boxes)
            shared = np.where(shared >= overlap, shared, 0)
            for i, j in zip(*linear_sum_assignment(shared, maximize=True), strict=True):
                if shared[i, j] > 0:
                    alive[i].planes.append(plane)
                    alive[i].numbers.append(int(j))
                    free.discard(int(j))
        chains += [_Chain([plane], [j]) for j in sorted(free)]
    return _joined(found, chains)


def _joined(found: Sequence[Detections], chains: Sequence[_Chain]) -> Detections:
    if not chains:
        return Detections.none(3)
    boxes, scores, labels = [], [], []
    for chain in chains:
        parts = [(found[p], j) for p, j in zip(chain.planes, chain.numbers, strict=True)]
        flat = np.stack([d.boxes[j] for d, j in parts])
        score = np.array([np.asarray(d.scores)[j] for d, j in parts])
        low, high = flat[:, :2].min(0), flat[:, 2:].max(0)
        boxes.append([chain.planes[0], *low, chain.planes[-1] + 1, *high])
        scores.append(float(1 - np.prod(1 - score)))
        votes = np.bincount([int(np.asarray(d.labels)[j]) for d, j in parts], weights=score)
        labels.append(int(votes.argmax()))
    order = np.argsort(scores, kind="stable")[::-1]
    return Detections(np.array(boxes)[order], np.array(scores)[order], np.array(labels)[order])


class LinkedLocalizer(Localizer):
    """A 3-D localizer from a 2-D one: it looks at each plane of a volume, and what it finds there is linked.

    Parameters
    ----------
    planar : a stored 2-D model by name (`medloc_lib.deep.localizers.models`), which is used as it is; or a 2-D
        localizer, which is fitted on the planes of the training volumes, with the cuts through their boxes as truth.
    overlap, gap : as `link` takes them. With overlap None nothing is linked: each box of a slice is one of the volume,
        one plane thick.
    surest : score from which on a slice's box counts; None: the one that `fit` finds best, by AP at IoU 0.3 on
        `validation` if given, else on the training samples.

    Attributes
    ----------
    surest_ : the score that is used. planar_ : the 2-D localizer, stored or fitted.

    Examples
    --------
    >>> from medloc_lib.localizer import ThresholdLocalizer
    >>> volume = np.random.default_rng(0).normal(100, 1, (1, 6, 20, 20))
    >>> volume[0, 2:5, 4:7, 6:9] = 130
    >>> sample = Sample(volume, boxes=[[2, 4, 6, 5, 7, 9]])
    >>> linked = LinkedLocalizer(ThresholdLocalizer(threshold=12, min_size=0), surest=0).fit([sample])
    >>> linked.predict([sample])[0].boxes
    array([[2., 4., 6., 5., 7., 9.]])
    """

    def __init__(
        self,
        planar: str | Localizer = "brain_lesions_heatmap",
        overlap: float | None = 0.1,
        gap: int = 1,
        surest: float | None = None,
    ) -> None:
        self.planar = planar
        self.overlap = overlap
        self.gap = gap
        self.surest = surest

    def fit(self, samples: Sequence[Sample], y: None = None, *, validation: Sequence[Sample] | None = None) -> Self:
        """Fit the 2-D localizer, if it is not a stored one, and find the best `surest`, if it is not given.

        Raises
        ------
        InputError
            If samples are not 3-D, or nobody looked at any.
        """
        if isinstance(self.planar, str):
            self.planar_: Any = load_model(self.planar)
        else:
            from sklearn.base import clone

            known = [s for s in samples if s.boxes is not None]
            self.planar_ = clone(self.planar).fit([p for s in known for p in cuts(s)])
        if self.surest is not None:
            self.surest_ = self.surest
            return self
        chosen = list(looked_at(samples if validation is None else validation))
        found = [self._planes(s) for s in chosen]
        scores = [self._quality(chosen, found, surest) for surest in SUREST]
        self.surest_ = SUREST[int(np.nanargmax(scores))] if np.isfinite(scores).any() else SUREST[0]
        return self

    def predict(self, samples: Sequence[Sample]) -> list[Detections]:
        """The linked boxes of each volume.

        Raises
        ------
        InputError
            If it is not fitted, or samples are not 3-D.
        """
        if not hasattr(self, "surest_"):
            raise InputError("this LinkedLocalizer is not fitted: call fit(samples) first")
        return [self._linked(self._planes(sample), self.surest_) for sample in samples]

    def _planes(self, sample: Sample) -> list[Detections]:
        if isinstance(self.planar, str):
            self.planar_.scale = sample.spacing[1] / PIXEL
        found: list[Detections] = self.planar_.predict(planes_of(sample))
        return found

    def _linked(self, found: Sequence[Detections], surest: float) -> Detections:
        sure = [_surer(d, surest) for d in found]
        if self.overlap is None:
            return _joined(sure, [_Chain([k], [j]) for k, d in enumerate(sure) for j in range(len(d))])
        return link(sure, overlap=self.overlap, gap=self.gap)

    def _quality(self, samples: Sequence[Sample], found: Sequence[Sequence[Detections]], surest: float) -> float:
        linked = [self._linked(one, surest) for one in found]
        return average_precision(*any_class(samples, linked), iou=0.3).mean


def _surer(found: Detections, score: float) -> Detections:
    scores, labels = np.asarray(found.scores), np.asarray(found.labels)
    keep = scores >= score
    return Detections(found.boxes[keep], scores[keep], labels[keep])


def cuts(sample: Sample) -> list[Sample]:
    """The planes of a volume as 2-D samples with the cuts through its boxes as their truth.

    >>> planes = cuts(Sample(np.zeros((1, 3, 8, 6)), boxes=[[1, 2, 2, 3, 5, 4]]))
    >>> [plane.boxes.tolist() for plane in planes]
    [[], [[2.0, 2.0, 5.0, 4.0]], [[2.0, 2.0, 5.0, 4.0]]]
    """
    if sample.boxes is None:
        return planes_of(sample)
    made = []
    for k, plane in enumerate(planes_of(sample)):
        here: NDArray[np.bool_] = (sample.boxes[:, 0] <= k) & (k < sample.boxes[:, 3])
        boxes = sample.boxes[here][:, [1, 2, 4, 5]]
        labels = None if sample.labels is None else sample.labels[here]
        ignore = None if sample.ignore is None else sample.ignore[here]
        made.append(plane.replace(boxes=boxes, labels=labels, ignore=ignore, classes=sample.classes))
    return made
