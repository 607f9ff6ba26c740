"""Case study 20: boxes of a picture that is turned, and detections where nobody drew a box."""

from __future__ import annotations

import numpy as np

from medloc_lib.exercises.checker import Answer, Checker, expect_array


def _turned(answer: Answer) -> None:
    boxes = np.array([[0.0, 0.0, 1.0, 1.0]])
    call = "turned([[0, 0, 1, 1]], (4, 6))"
    hint = "np.rot90 brings the top left pixel to the bottom left: row 5 of 6, column 0"
    expect_array(answer(boxes, (4, 6)), [[5, 0, 6, 1]], call, hint=hint)
    boxes = np.array([[1.0, 2.0, 3.0, 6.0], [0.0, 0.0, 4.0, 6.0]])
    call = "turned([[1, 2, 3, 6], [0, 0, 4, 6]], (4, 6))"
    hint = "The stops stay larger than the starts, and the box of the whole picture is the whole turned picture"
    expect_array(answer(boxes, (4, 6)), [[0, 1, 4, 3], [0, 0, 6, 4]], call, hint=hint)
    rng = np.random.default_rng(0)
    start = rng.integers(0, (20, 30), (8, 2))
    boxes = np.concatenate([start, start + rng.integers(1, 11, (8, 2))], axis=1).astype(np.float64)
    wanted = []
    for row0, col0, row1, col1 in boxes.astype(int):
        picture = np.zeros((30, 40))
        picture[row0:row1, col0:col1] = 1
        rows, cols = np.nonzero(np.rot90(picture))
        wanted.append([rows.min(), cols.min(), rows.max() + 1, cols.max() + 1])
    hint = "Paint a box, turn the picture by np.rot90, and look where the paint is"
    expect_array(answer(boxes, (30, 40)), wanted, "turned(eight boxes, (30, 40))", hint=hint)


def _unlabelled(answer: Answer) -> None:
    overlap = np.array([[0.8, 0.0], [0.05, 0.0], [0.0, 0.3], [0.0, 0.0]])
    scores = np.array([0.9, 0.8, 0.7, 0.2])
    call = "unlabelled(overlap, [.9, .8, .7, .2], sure=0.5)"
    hint = "Detection 1 is sure and touches its nearest box by 0.05 only; 2 overlaps one by 0.3, and 3 is not sure"
    expect_array(answer(overlap, scores, 0.5), [0, 1, 0, 0], call, hint=hint)
    call = "unlabelled(overlap, [.9, .8, .7, .2], sure=0.2)"
    hint = "A score of just 0.2 counts too"
    expect_array(answer(overlap, scores, 0.2), [0, 1, 0, 1], call, hint=hint)
    call = "unlabelled(overlap with no box, [.9, .4], sure=0.5)"
    hint = "Where there is no box at all, whatever is sure has none: a maximum over nothing needs initial=0"
    expect_array(answer(np.zeros((2, 0)), np.array([0.9, 0.4]), 0.5), [1, 0], call, hint=hint)


check = Checker({"turned": _turned, "unlabelled": _unlabelled})
