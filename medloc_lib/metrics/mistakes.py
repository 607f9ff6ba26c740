"""What kind of mistake each false alarm is, and which boxes were missed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medloc_lib.geometry import iou as overlaps
from medloc_lib.metrics.matching import match
from medloc_lib.sample import Detections, Sample

KINDS = ("class", "place", "both", "double", "nothing")
"""Kinds of false alarm: the wrong class at the right place, the right class beside its place, both, a second box of
what was found already, and nothing there at all."""


@dataclass(frozen=True)
class Mistake:
    """A false alarm, or a box that was missed.

    Parameters
    ----------
    image : number of the sample.
    box : its place among that image's detections; of a miss, among the sample's boxes.
    kind : one of `KINDS`, or "missed".
    score : of the detection; 0 for a miss.
    """

    image: int
    box: int
    kind: str
    score: float = 0.0


def mistakes(
    truth: Sequence[Sample], detections: Sequence[Detections], *, iou: float = 0.3, near: float = 0.1
) -> list[Mistake]:
    """Every false alarm, surest first, then every miss.

    A false alarm is of the first of these kinds that fits: "class", it overlaps a box of another class by `iou` or
    more; "place", it overlaps one of its class by `near` or more, but by less than `iou`; "double", it overlaps one of
    its class by `iou` or more, which a surer detection has taken; "both", it overlaps one of another class by `near` or
    more; else "nothing". Ignored boxes count for nothing here.

    Parameters
    ----------
    truth, detections, iou : as for `match`. To leave classes aside, give it what `any_class` gives.
    near : from which overlap on a box is meant, if not met.

    References
    ----------
    D. Bolya, S. Foley, J. Hays and J. Hoffman, "TIDE: a general toolbox for identifying object detection errors", ECCV
    2020, section 2.2, with `iou` 0.5 and `near` 0.1.

    Examples
    --------
    >>> truth = [Sample(np.zeros((1, 9, 9)), boxes=[[0, 0, 4, 4], [6, 6, 9, 9]])]
    >>> found = [Detections([[0, 0, 4, 3], [0, 0, 4, 4], [0, 5, 3, 9]], scores=[0.9, 0.5, 0.4])]
    >>> [(m.kind, m.box) for m in mistakes(truth, found)]
    [('double', 1), ('nothing', 2), ('missed', 1)]
    """
    matches = match(truth, detections, iou=iou)
    made = [
        Mistake(int(i), int(d), _kind(truth[i], detections[i], int(d), iou, near), float(score))
        for i, d, score, hit in zip(matches.image, matches.detection, matches.score, matches.hit, strict=True)
        if not hit
    ]
    met = {(int(i), int(t)) for i, t in zip(matches.image, matches.target, strict=True)}
    return made + [
        Mistake(i, t, "missed")
        for i, sample in enumerate(truth)
        for t, ignored in enumerate(np.asarray(sample.ignore))
        if not ignored and (i, t) not in met
    ]


def _kind(sample: Sample, found: Detections, d: int, iou: float, near: float) -> str:
    counts = ~np.asarray(sample.ignore)
    shared = overlaps(found.boxes[d : d + 1], np.asarray(sample.boxes)[counts])[0]
    same = np.asarray(sample.labels)[counts] == np.asarray(found.labels)[d]
    own, other = shared[same].max(initial=0.0), shared[~same].max(initial=0.0)
    if other >= iou:
        return "class"
    if near <= own < iou:
        return "place"
    if own >= iou:
        return "double"
    return "both" if other >= near else "nothing"
