"""Scores of boxes and points, straight from samples and detections."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medloc_lib.errors import InputError
from medloc_lib.geometry import centers
from medloc_lib.metrics.curves import AveragePrecision, Floats, Froc
from medloc_lib.metrics.masks import dice
from medloc_lib.metrics.matching import check_pairs, match
from medloc_lib.sample import Detections, Sample


def average_precision(
    truth: Sequence[Sample],
    detections: Sequence[Detections],
    *,
    iou: float = 0.5,
    size_mm: tuple[float, float] | None = None,
) -> AveragePrecision:
    """Average precision as COCO defines it: 101 points, at one IoU, for each class and as their mean.

    Unlike COCO's own figure, all detections of an image count, not the best 100. Equal scores are taken one after
    another, in the order given.

    Parameters
    ----------
    truth, detections, iou, size_mm : as `match` takes them.

    Returns
    -------
    `AveragePrecision` with `mean` and `per_class`. NaN for a class that has no truth box; the mean is over the others.
    A class with truth but no detections has 0.

    Examples
    --------
    Two lesions; the surer detection is right, the other is beside: 51 of the 101 recalls are reached.

    >>> truth = [Sample(np.zeros((1, 9, 9)), boxes=[[0, 0, 4, 4], [5, 5, 9, 9]])]
    >>> average_precision(truth, [Detections([[0, 0, 4, 4], [5, 0, 9, 4]], scores=[0.9, 0.8])])
    AP 0.505: label 0 0.505
    """
    return match(truth, detections, iou=iou, size_mm=size_mm).average_precision()


def froc(
    truth: Sequence[Sample],
    detections: Sequence[Detections],
    *,
    iou: float = 0.5,
    size_mm: tuple[float, float] | None = None,
) -> Froc:
    """Free-response ROC: sensitivity at 1/8, 1/4, 1/2, 1, 2, 4 and 8 false positives per image, and their mean.

    Classes are counted together, though a detection must have the right one to be a hit. False positives are counted
    over all images, with and without truth. NaN if there is no truth box.

    Parameters
    ----------
    truth, detections, iou, size_mm : as `match` takes them.

    Examples
    --------
    >>> truth = [Sample(np.zeros((1, 9, 9)), boxes=[[0, 0, 4, 4]])]
    >>> froc(truth, [Detections([[0, 5, 4, 9], [0, 0, 4, 4]], scores=[0.9, 0.8])]).sensitivity
    array([0., 0., 0., 1., 1., 1., 1.])
    """
    return match(truth, detections, iou=iou, size_mm=size_mm).froc()


def center_error(
    truth: Sequence[Sample],
    detections: Sequence[Detections],
    *,
    iou: float = 0.1,
    size_mm: tuple[float, float] | None = None,
) -> float:
    """Mean distance in mm between the centre of each truth box that is hit and the centre of the box that hit it.

    What is missed does not count: read it beside the sensitivity. NaN if nothing is hit.

    Parameters
    ----------
    truth, detections, iou, size_mm : as `match` takes them.

    Examples
    --------
    Two pixels beside, of 0.5 mm each.

    >>> truth = [Sample(np.zeros((1, 9, 9)), boxes=[[0, 0, 4, 4]], spacing=(0.5, 0.5))]
    >>> center_error(truth, [Detections([[0, 2, 4, 6]])])
    1.0
    """
    return match(truth, detections, iou=iou, size_mm=size_mm).center_error()


def pointing_game(truth: Sequence[Sample], detections: Sequence[Detections]) -> float:
    """Share of the images with truth in which one point, the localizer's best, lies in a truth box. NaN without any.

    See `pointing_hits` for the point and for what counts.

    Examples
    --------
    >>> truth = [Sample(np.zeros((1, 9, 9)), boxes=[[0, 0, 4, 4]])] * 2
    >>> pointing_game(truth, [Detections([[1, 1, 5, 5]]), Detections.none()])
    0.5
    """
    hits = pointing_hits(truth, detections)
    counted = hits[~np.isnan(hits)]
    return float(counted.mean()) if len(counted) else float("nan")


def pointing_hits(truth: Sequence[Sample], detections: Sequence[Detections]) -> Floats:
    """For each image 1 if the localizer's best point lies in a truth box, 0 if not, NaN if the image does not count.

    The point is the centre of the heat map's highest pixel (the first in array order), or the centre of the box with
    the highest score where there is no heat map. Without either there is no point, which is a 0. Classes are not
    looked at. An image does not count if it has no truth box, or if the point lies in an ignored one only.

    References
    ----------
    J. Zhang et al., "Top-down neural attention by excitation backprop", ECCV 2016, section 4.2.

    Examples
    --------
    >>> heat = np.zeros((9, 9))
    >>> heat[2, 3] = 1
    >>> truth = [Sample(np.zeros((1, 9, 9)), boxes=[[0, 0, 4, 4]]), Sample(np.zeros((1, 9, 9)), boxes=[])]
    >>> pointing_hits(truth, [Detections([], heatmap=heat)] * 2)
    array([ 1., nan])
    """
    check_pairs(truth, detections)
    hits = np.full(len(truth), np.nan)
    for i, (sample, found) in enumerate(zip(truth, detections, strict=True)):
        if sample.boxes is None or sample.ignore is None or sample.ignore.all():
            continue
        point = _best_point(sample, found)
        start, stop = np.split(sample.boxes, 2, axis=1)
        inside = np.zeros(len(start), dtype=bool) if point is None else ((start <= point) & (point < stop)).all(axis=1)
        if (inside & ~sample.ignore).any():
            hits[i] = 1
        elif not inside.any():
            hits[i] = 0
    return hits


def _best_point(sample: Sample, found: Detections) -> Floats | None:
    """Coordinate of the localizer's best point, (ndim,)."""
    if found.heatmap is not None:
        if found.heatmap.shape != sample.shape:
            raise InputError(f"{sample.id!r} is {sample.shape}; its heat map must be too; got {found.heatmap.shape}")
        peak = np.unravel_index(int(np.argmax(found.heatmap)), sample.shape)
        return np.asarray(peak, dtype=np.float64) + 0.5
    if len(found) == 0 or found.scores is None:
        return None
    return np.asarray(centers(found.boxes)[int(np.argmax(found.scores))])


def dice_by_class(truth: Sequence[Sample], detections: Sequence[Detections]) -> Floats:
    """Dice coefficient of each class in each image, (images, classes), from the masks of the detections.

    The masks of all detections of a class, however sure, are laid over each other and compared with the pixels of that
    class in the sample's mask (0 is background, 1 the first class). 1 where a class is neither there nor found.

    Parameters
    ----------
    truth : samples with masks and classes.
    detections : as many, with masks where there are any.

    Raises
    ------
    InputError
        If lengths differ, or something has no mask, or the samples name no classes.

    Examples
    --------
    >>> truth = [Sample(np.zeros((1, 2, 3)), mask=[[1, 1, 0], [0, 0, 0]], classes=("nerve", "vessel"))]
    >>> dice_by_class(truth, [Detections([[0, 1, 1, 2]], masks=np.array([[[0, 1, 0], [0, 0, 0]]], dtype=bool))])
    array([[0.66666667, 1.        ]])
    """
    if len(truth) != len(detections):
        raise InputError(f"each image needs its detections; got {len(truth)} samples and {len(detections)} detections")
    rows = []
    for sample, found in zip(truth, detections, strict=True):
        if sample.mask is None or not sample.classes:
            raise InputError(f"Dice needs a mask and the names of the classes; sample {sample.id!r} lacks one of them")
        if len(found) and found.masks is None:
            raise InputError(f"Dice needs the masks of the detections; those in sample {sample.id!r} are boxes alone")
        masks = np.zeros((0, *sample.shape), dtype=bool) if found.masks is None else found.masks.astype(bool)
        labels = np.asarray(found.labels)
        rows.append([dice(masks[labels == k].any(axis=0), sample.mask == k + 1) for k in range(len(sample.classes))])
    return np.asarray(rows, dtype=np.float64)
