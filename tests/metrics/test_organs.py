"""Scores of organs against what each is defined by, and what a miss costs."""

from __future__ import annotations

import numpy as np
import pytest

from medloc_lib.errors import InputError
from medloc_lib.metrics import dice, hausdorff, label_map, organ_scores, surface_distance
from medloc_lib.sample import Detections, Sample

SHAPE, SPACING = (9, 12, 10), (2.0, 1.0, 0.5)


def organs(*boxes, classes=("head", "tail")):
    """A sample with a block for each box of a class in turn."""
    mask = np.zeros(SHAPE, np.uint8)
    for k, box in enumerate(boxes):
        mask[tuple(map(slice, box[:3], box[3:]))] = k + 1
    return Sample(
        np.zeros((1, *SHAPE)), boxes=boxes, labels=range(len(boxes)), mask=mask, classes=classes, spacing=SPACING
    )


def found(sample, labels=(0, 1)):
    masks = np.stack([sample.mask == k + 1 for k in labels])
    return Detections(sample.boxes[list(labels)], np.ones(len(labels)), labels, masks=masks)


HEAD, TAIL = (1, 1, 1, 4, 5, 6), (4, 5, 2, 8, 11, 7)


def test_each_score_is_that_of_the_masks_and_boxes():
    truth, told = organs(HEAD, TAIL), organs((1, 1, 2, 5, 5, 6), (4, 6, 2, 8, 11, 9))
    scores = organ_scores([truth], [found(told)])
    for k in range(2):
        a, b = truth.mask == k + 1, told.mask == k + 1
        assert scores.dice[0, k] == dice(a, b)
        assert scores.hausdorff[0, k] == hausdorff(a, b, spacing=SPACING)
        assert scores.surface[0, k] == surface_distance(a, b, spacing=SPACING)
    assert scores.center[0] == pytest.approx([np.hypot(0.5 * 2, 0.5 * 0.5), np.hypot(0.5, 0.5)])


def test_all_right():
    truth = organs(HEAD, TAIL)
    scores = organ_scores([truth] * 3, [found(truth)] * 3)
    assert (scores.dice == 1).all() and scores.dice.shape == (3, 2)
    assert not np.any([scores.hausdorff, scores.surface, scores.center])


def test_what_is_missed_counts_as_wrong_and_far():
    truth = organs(HEAD, TAIL)
    scores = organ_scores([truth, truth], [found(truth, labels=(0,)), Detections.none(3)])
    far = np.linalg.norm(np.multiply(SHAPE, SPACING))
    assert scores.dice.tolist() == [[1, 0], [0, 0]]
    for distances in (scores.hausdorff, scores.surface, scores.center):
        assert distances.tolist() == [[0, far], [far, far]]


def test_a_class_that_is_not_there_is_not_scored_unless_it_is_told():
    truth = organs(HEAD)
    right, wrong = organ_scores([truth] * 2, [found(truth, labels=(0,)), found(organs(HEAD, TAIL))]).dice
    assert right[0] == wrong[0] == 1 and np.isnan(right[1]) and wrong[1] == 0


def test_without_masks_the_boxes_are_painted_the_surer_on_top():
    told = Detections([[0, 0, 2, 3], [1, 1, 3, 4]], scores=[0.3, 0.8], labels=[1, 0])
    assert label_map(told, (3, 4)).tolist() == [[2, 2, 2, 0], [2, 1, 1, 1], [0, 1, 1, 1]]


def test_of_several_the_largest_truth_and_the_surest_detection():
    truth = organs(HEAD)
    stray = np.concatenate([[[8, 11, 9, 9, 12, 10]], truth.boxes])
    truth = truth.replace(boxes=stray, labels=[0, 0], ignore=[False, False])
    both = Detections([[0, 0, 0, 2, 2, 2], HEAD], scores=[0.2, 0.9], labels=[0, 0])
    assert organ_scores([truth], [both]).center[0, 0] == 0


def test_it_needs_masks():
    bare = Sample(np.zeros((1, *SHAPE)), boxes=[], id="bare")
    with pytest.raises(InputError, match="'bare' lacks one of them"):
        organ_scores([bare], [Detections.none(3)])
    with pytest.raises(InputError):
        organ_scores([bare], [])
