"""From hits and misses in order of score to average precision and FROC. Plain arrays in, numbers out.

Every function takes `weight`, how often each detection's image counts: 1 for the data as they are, 0, 1, 2… for a set
of images drawn with replacement. A weight of 2 gives what a second copy of the image would give (but for the order of
equal scores).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

RECALLS = np.linspace(0, 1, 101)
"""Where COCO reads the precision: recall 0, 0.01, … 1."""

RATES = (1 / 8, 1 / 4, 1 / 2, 1.0, 2.0, 4.0, 8.0)
"""False positives per image at which FROC reads the sensitivity."""


@dataclass(frozen=True, repr=False)
class AveragePrecision:
    """Average precision of each class, and its mean over the classes that have truth.

    Parameters
    ----------
    mean : 0 to 1; NaN if no class has truth.
    per_class : 0 to 1 by class name; NaN where a class has no truth.
    """

    mean: float
    per_class: dict[str, float]

    def __repr__(self) -> str:
        return f"AP {self.mean:.3f}: " + ", ".join(f"{name} {ap:.3f}" for name, ap in self.per_class.items())


@dataclass(frozen=True, eq=False, repr=False)
class Froc:
    """Free-response ROC: how much is found, for how many false positives per image.

    Parameters
    ----------
    sensitivity : (7,), share of the truth boxes that is found at each of `false_positives`; NaN without truth.
    mean : mean of `sensitivity`.
    curve_false_positives, curve_sensitivity : the whole curve, (n,) each, one point per score threshold from the
        highest to the lowest; starts at (0, 0). Made for a step plot.
    false_positives : false positives per image, 1/8 to 8.
    """

    sensitivity: Floats
    mean: float
    curve_false_positives: Floats
    curve_sensitivity: Floats
    false_positives: tuple[float, ...] = field(default=RATES)

    def __repr__(self) -> str:
        points = ", ".join(f"{s:.3f} at {r:g}" for r, s in zip(self.false_positives, self.sensitivity, strict=True))
        return f"FROC {self.mean:.3f}: sensitivity {points} false positives per image"


def precision_recall(hit: Bools, weight: Ints, total: int) -> tuple[Floats, Floats]:
    """Recall and precision after each hit, best score first.

    Parameters
    ----------
    hit : bool (n,), whether each detection is a true positive; ordered by falling score.
    weight : int (n,), how often each counts.
    total : number of truth boxes, counted as often as their images.

    Returns
    -------
    recall, precision : float64, one value per true. Between two hits recall stays and precision only falls, so
        nothing else is needed.

    Examples
    --------
    A hit, a false positive and a hit, of two truth boxes:

    >>> recall, precision = precision_recall(np.array([True, False, True]), np.array([1, 1, 1]), 2)
    >>> recall, precision.round(3)
    (array([0.5, 1. ]), array([1.   , 0.667]))
    """
    counted = np.cumsum(weight)[hit]
    hits = np.cumsum(weight[hit])
    return hits / total, hits / np.maximum(counted, 1)


def interpolated_precision(hit: Bools, weight: Ints, total: int) -> float:
    """COCO's average precision: the mean, over 101 recalls, of the best precision at that recall or a higher one.

    Takes what `precision_recall` takes. NaN if `total` is 0.

    References
    ----------
    T.-Y. Lin et al., "Microsoft COCO: common objects in context", ECCV 2014, and its evaluation code. Interpolation:
    M. Everingham et al., "The Pascal visual object classes (VOC) challenge", IJCV 88 (2010), section 4.2.

    Examples
    --------
    Precision is 1 at the 51 recalls from 0 to 0.5, and 2/3 at the 50 above: (51 + 50 · 2/3) / 101.

    >>> round(interpolated_precision(np.array([True, False, True]), np.array([1, 1, 1]), 2), 4)
    0.835
    """
    if total == 0:
        return float("nan")
    recall, precision = precision_recall(hit, weight, total)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    first = np.searchsorted(recall, RECALLS, side="left")
    return float(best[first[first < len(best)]].sum() / len(RECALLS))


def free_response(hit: Bools, score: Floats, weight: Ints, total: int, images: int) -> Froc:
    """FROC of detections ordered by falling score.

    The sensitivity at a rate is the highest that a score threshold reaches with no more false positives per image than
    that. Detections of the same score come and go together.

    Parameters
    ----------
    hit, score, weight : (n,), ordered by falling score.
    total, images : number of truth boxes and of images, counted as often as they are drawn.

    References
    ----------
    P. Bunch et al., "A free-response approach to the measurement and characterization of radiographic-observer
    performance", J. Appl. Photogr. Eng. 4 (1978). The seven rates: A. Setio et al., LUNA16, Med. Image Anal. 42 (2017).

    Examples
    --------
    One image with two truth boxes: the second is found for one false positive.

    >>> hit, score = np.array([True, False, True]), np.array([0.9, 0.8, 0.7])
    >>> free_response(hit, score, np.array([1, 1, 1]), 2, 1).sensitivity
    array([0.5, 0.5, 0.5, 1. , 1. , 1. , 1. ])
    """
    last = np.flatnonzero(np.append(score[1:] != score[:-1], True)) if len(score) else np.zeros(0, dtype=np.int64)
    found = np.append(0, np.cumsum(weight * hit)[last])
    false = np.append(0, np.cumsum(weight * ~hit)[last])
    share = found / total if total else np.full(len(found), np.nan)
    reached = np.searchsorted(false, np.asarray(RATES) * images, side="right") - 1
    return Froc(share[reached], float(share[reached].mean()), false / max(images, 1), share)
