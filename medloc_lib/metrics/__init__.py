"""How good an answer is: scores of boxes, masks and points, and how sure one can be of them.

Boxes
    `match` pairs detections with truth boxes once; `Matches` then gives average precision, FROC and the error of the
    centre, over all images or over a resampled set of them. `average_precision`, `froc` and `center_error` do both
    steps in one call. `pointing_game` asks only whether the brightest point is right.
Whole images
    `auroc` and `balanced_accuracy` of a yes or no.
Masks
    `dice`, `hausdorff`, `surface_distance`; `dice_by_class` of the masks of detections; `organ_scores`
    gives Dice, distances and the error of the centre, class by class, where each is there once.
Meaning of scores
    `reliability` compares what scores promise with what they keep; `find_temperature` and `rescale` make them keep it.
Mistakes
    `mistakes` sorts the false alarms and the misses by kind.
Certainty
    `bootstrap` puts an interval around a score; `paired_difference` says whether one method is better than another.

>>> import numpy as np
>>> from medloc_lib.sample import Detections, Sample
>>> truth = [Sample(np.zeros((1, 9, 9)), boxes=[[0, 0, 4, 4]], classes=("lesion",))]
>>> found = [Detections([[0, 0, 4, 3], [5, 5, 9, 9]], scores=[0.9, 0.4])]
>>> average_precision(truth, found)
AP 1.000: lesion 1.000
>>> froc(truth, found).mean
1.0
"""

from __future__ import annotations

from medloc_lib.geometry import iou
from medloc_lib.metrics.calibration import Reliability, find_temperature, reliability, rescale
from medloc_lib.metrics.classification import auroc, balanced_accuracy
from medloc_lib.metrics.curves import AveragePrecision, Froc
from medloc_lib.metrics.detection import (
    average_precision,
    center_error,
    dice_by_class,
    froc,
    pointing_game,
    pointing_hits,
)
from medloc_lib.metrics.masks import dice, hausdorff, surface_distance
from medloc_lib.metrics.matching import Matches, box_size_mm, match
from medloc_lib.metrics.mistakes import Mistake, mistakes
from medloc_lib.metrics.organs import OrganScores, label_map, organ_scores
from medloc_lib.metrics.resampling import Interval, bootstrap, paired_difference

__all__ = [
    "AveragePrecision",
    "Froc",
    "Interval",
    "Matches",
    "Mistake",
    "OrganScores",
    "Reliability",
    "auroc",
    "average_precision",
    "balanced_accuracy",
    "bootstrap",
    "box_size_mm",
    "center_error",
    "dice",
    "dice_by_class",
    "find_temperature",
    "froc",
    "hausdorff",
    "iou",
    "label_map",
    "match",
    "mistakes",
    "organ_scores",
    "paired_difference",
    "pointing_game",
    "pointing_hits",
    "reliability",
    "rescale",
    "surface_distance",
]
