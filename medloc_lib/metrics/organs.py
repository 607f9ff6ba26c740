"""Scores of organs and their parts, each of which a picture has once: masks, surfaces and places, class by class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medloc_lib.errors import InputError
from medloc_lib.geometry import area, boxes_to_mask, centers
from medloc_lib.metrics.curves import Floats
from medloc_lib.metrics.masks import dice, hausdorff, surface_distance
from medloc_lib.metrics.matching import check_pairs
from medloc_lib.sample import Detections, Sample


class OrganScores(NamedTuple):
    """Scores (samples, classes): Dice, and in mm the 95th percentile of the Hausdorff distance, the mean distance of
    the surfaces, and the distance of the boxes' centres. NaN where a sample does not have the class."""

    dice: Floats
    hausdorff: Floats
    surface: Floats
    center: Floats


def organ_scores(samples: Sequence[Sample], found: Sequence[Detections]) -> OrganScores:
    """How well each class of each sample was found.

    Of several boxes of a class the largest is compared, of several detections the surest. A class that was missed, or
    told where it is not, has a Dice coefficient of 0; a missed one is as far away as the picture is long, so that it
    does not drop out of a mean.

    Parameters
    ----------
    samples : with masks, whose value k is class k - 1.
    found : with masks; where there are none their boxes are painted.

    Raises
    ------
    InputError
        If a sample has no mask or no boxes, or there are not as many of both.

    Examples
    --------
    >>> mask = np.array([[1, 1, 2, 2]])
    >>> sample = Sample(np.zeros((1, 1, 4)), boxes=[[0, 0, 1, 2], [0, 2, 1, 4]], labels=[0, 1], mask=mask,
    ...                 classes=("head", "tail"), spacing=(2, 2))
    >>> scores = organ_scores([sample], [Detections([[0, 0, 1, 1], [0, 2, 1, 4]], labels=[0, 1])])
    >>> scores.dice.round(2), scores.center
    (array([[0.67, 1.  ]]), array([[1., 0.]]))
    """
    check_pairs(samples, found)
    return OrganScores(*np.stack([_of_one(s, f) for s, f in zip(samples, found, strict=True)], axis=1))


def label_map(found: Detections, shape: Sequence[int]) -> NDArray[np.uint8]:
    """The masks of detections as one label map, 0 the background, 1 the first class; the surer lies on top.

    Parameters
    ----------
    found : with masks; where there are none their boxes are painted.
    shape : of the picture.

    Examples
    --------
    >>> masks = np.array([[[1, 1, 0]], [[0, 1, 1]]], dtype=bool)
    >>> label_map(Detections([[0, 0, 1, 2], [0, 1, 1, 3]], [0.9, 0.4], [0, 1], masks=masks), (1, 3))
    array([[1, 1, 2]], dtype=uint8)
    """
    told: Any = found
    order = np.argsort(told.scores, kind="stable")
    if told.masks is None:
        return boxes_to_mask(told.boxes[order], shape, values=told.labels[order] + 1).astype(np.uint8)
    painted = np.zeros(tuple(shape), dtype=np.uint8)
    for i in order:
        painted[told.masks[i].astype(bool)] = told.labels[i] + 1
    return painted


def _of_one(sample: Any, found: Any) -> Floats:
    """Four scores of each class, (4, classes)."""
    if sample.mask is None or sample.boxes is None:
        raise InputError(f"organs are scored by masks and boxes; sample {sample.id!r} lacks one of them")
    painted = label_map(found, sample.shape)
    highest = max(int(sample.mask.max()), int(painted.max()))
    made = np.full((4, len(sample.classes) or highest), np.nan)
    farthest = float(np.linalg.norm(np.multiply(sample.shape, sample.spacing)))
    for k in range(made.shape[1]):
        truth, told = sample.mask == k + 1, painted == k + 1
        if truth.any() or told.any():
            made[0, k] = dice(truth, told)
        if truth.any():
            made[1, k] = min(hausdorff(truth, told, spacing=sample.spacing), farthest)
            made[2, k] = min(surface_distance(truth, told, spacing=sample.spacing), farthest)
            made[3, k] = _center(sample, found, k, farthest)
    return made


def _center(sample: Any, found: Any, label: int, farthest: float) -> float:
    """Distance in mm between the centres of a class's largest truth box and its surest detection."""
    truth, here = sample.boxes[sample.labels == label], found.labels == label
    if not len(truth) or not here.any():
        return farthest
    box = found.boxes[here][np.argmax(found.scores[here])]
    step = centers(box[None])[0] - centers(truth)[np.argmax(area(truth))]
    return float(np.linalg.norm(step * sample.spacing))
