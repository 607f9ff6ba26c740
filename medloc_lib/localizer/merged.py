"""Fusion of decisions: what several localizers found in one image, merged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from medloc_lib.errors import InputError
from medloc_lib.geometry import iou as overlap
from medloc_lib.localizer.contract import Localizer, any_class
from medloc_lib.metrics import match
from medloc_lib.sample import Detections, Sample


def weighted_box_fusion(found: Sequence[Detections], *, iou: float = 0.55) -> Detections:
    """Merge what N models found in one image by weighted boxes fusion.

    All boxes, surest first, are put into clusters of one class: a box joins the cluster whose fused box it overlaps
    most, if by more than `iou`, else it opens one. After each step a cluster's fused box is the mean of its boxes,
    weighted by their scores, and its score is the mean of theirs. At the end each score is multiplied by
    min(T, N) / N, with T the number of boxes in the cluster: what few of the models see is less sure.

    Parameters
    ----------
    found : one `Detections` per model, with scores from 0 that mean the same in all (such as probabilities). Masks and
        heat maps are dropped.
    iou : lowest overlap of boxes of one cluster; 0.55 is the paper's choice.

    Returns
    -------
    `Detections`, surest first. Boxes with equal scores come in the order of the models.

    Raises
    ------
    InputError
        If there is no model, a score is negative, some boxes are 2-D and some 3-D, or `iou` is not between 0 and 1.

    References
    ----------
    R. Solovyev, W. Wang and T. Gabruseva, "Weighted boxes fusion: ensembling boxes from different object detection
    models", Image and Vision Computing 107 (2021), section 3.

    Examples
    --------
    Two of two models see the first, one the second: its score is halved.

    >>> a = Detections([[0, 0, 10, 10], [20, 20, 30, 30]], scores=[0.8, 0.6])
    >>> b = Detections([[0, 2, 10, 12]], scores=[0.4])
    >>> merged = weighted_box_fusion([a, b])
    >>> merged.boxes.round(2), merged.scores
    (array([[ 0.  ,  0.67, 10.  , 10.67],
           [20.  , 20.  , 30.  , 30.  ]]), array([0.6, 0.3]))
    """
    if not found:
        raise InputError("needs the finds of at least one model; got none")
    if not 0 <= iou <= 1:
        raise InputError(f"iou must be between 0 and 1; got {iou}")
    some = [d for d in found if len(d)]
    if not some:
        return found[0]
    if len({d.boxes.shape[1] for d in some}) > 1:
        raise InputError("the models must all give 2-D or all give 3-D boxes; got both")
    boxes = np.concatenate([d.boxes for d in some])
    scores = np.concatenate([np.asarray(d.scores) for d in some])
    labels = np.concatenate([np.asarray(d.labels) for d in some])
    if scores.min() < 0:
        raise InputError(f"scores must be 0 or more, to weight boxes by; the lowest is {scores.min():g}")
    clusters: list[list[int]] = []
    fused = np.zeros((0, boxes.shape[1]))
    kinds = np.zeros(0, dtype=np.int64)
    for i in np.argsort(-scores, kind="stable"):
        shared = np.where(kinds == labels[i], overlap(boxes[i : i + 1], fused)[0], 0.0)
        if shared.max(initial=0.0) > iou:
            k = int(shared.argmax())
            clusters[k].append(i)
            fused[k] = _mean_box(boxes[clusters[k]], scores[clusters[k]])
        else:
            clusters.append([i])
            fused, kinds = np.concatenate([fused, boxes[i : i + 1]]), np.append(kinds, labels[i])
    n = len(found)
    sure = np.array([scores[c].mean() * min(len(c), n) / n for c in clusters])
    order = np.argsort(-sure, kind="stable")
    return Detections(fused[order], sure[order], kinds[order])


class MergedLocalizer(Localizer):
    """Decision-level fusion: several localizers look on their own, and their finds are merged (`weighted_box_fusion`).

    Scores of different localizers mean different things, so `fit` learns for each how a score becomes the probability
    of a hit at IoU 0.3: a logistic curve through the finds on `validation`, or else on the training samples (Platt's
    scaling; it keeps the order of a localizer's own finds). One without a hit or without a miss to learn from gets its
    share of hits throughout.

    Parameters
    ----------
    localizers : each is fitted on its own.
    iou : as in `weighted_box_fusion`.

    Attributes
    ----------
    localizers_ : fitted. curves_ : (localizers, 2), slope and offset of each logistic curve.

    References
    ----------
    J. Platt, "Probabilistic outputs for support vector machines", Advances in Large Margin Classifiers (1999).
    """

    def __init__(self, localizers: Sequence[Any], iou: float = 0.55) -> None:
        self.localizers = localizers
        self.iou = iou

    def fit(self, samples: Sequence[Sample], y: None = None, *, validation: Sequence[Sample] | None = None) -> Self:
        """Fit each localizer, and learn what its scores are worth.

        Raises
        ------
        InputError
            If there is no localizer, or nobody looked at any of the samples.
        """
        from sklearn.base import clone

        if not self.localizers:
            raise InputError("needs localizers to merge; got none")
        self.localizers_ = [clone(one).fit(samples, validation=validation) for one in self.localizers]
        known = [s for s in (samples if validation is None else validation) if s.boxes is not None]
        curves = [_curve(known, one.predict(known)) for one in self.localizers_]
        self.curves_ = np.array(curves)
        inner = sum(int(getattr(one, "n_parameters_", 0)) for one in self.localizers_)
        self.n_parameters_ = inner + self.curves_.size
        return self

    def predict(self, samples: Sequence[Sample]) -> list[Detections]:
        """The merged finds of each sample.

        Raises
        ------
        InputError
            If it is not fitted.
        """
        if not hasattr(self, "localizers_"):
            raise InputError("this MergedLocalizer is not fitted: call fit(samples) first")
        each = [
            [_as_probability(d, *curve) for d in one.predict(samples)]
            for one, curve in zip(self.localizers_, self.curves_, strict=True)
        ]
        return [weighted_box_fusion(found, iou=self.iou) for found in zip(*each, strict=True)]


def _curve(truth: list[Sample], found: list[Detections]) -> tuple[float, float]:
    """Slope and offset of the logistic curve from score to probability of a hit."""
    from sklearn.linear_model import LogisticRegression

    matches = match(*any_class(truth, found), iou=0.3)
    hits, score = matches.hit, matches.score
    if hits.all() or not hits.any() or np.ptp(score) == 0:
        share = (hits.sum() + 0.5) / (len(hits) + 1)  # never quite 0 or 1
        return 0.0, float(np.log(share / (1 - share)))
    middle, spread = score.mean(), score.std()
    fitted = LogisticRegression().fit(((score - middle) / spread)[:, None], hits)
    slope = float(fitted.coef_[0, 0]) / spread
    return slope, float(fitted.intercept_[0]) - slope * middle


def _as_probability(found: Detections, slope: float, offset: float) -> Detections:
    scores = np.asarray(found.scores)
    return Detections(found.boxes, 1 / (1 + np.exp(-np.clip(slope * scores + offset, -500, 500))), found.labels)


def _mean_box(boxes: Any, scores: Any) -> Any:
    """Mean weighted by the scores; plain where all are 0."""
    return np.average(boxes, axis=0, weights=scores if scores.any() else None)
