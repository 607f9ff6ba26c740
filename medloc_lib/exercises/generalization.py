"""Lesson 10: when to stop, and boxes from a mirrored picture."""

from __future__ import annotations

import numpy as np

from medloc_lib.exercises.checker import Answer, Checker, expect, expect_array


def _stopped_at(answer: Answer) -> None:
    cases = (
        ([0.1, 0.3, 0.2, 0.25, 0.28], 2, (4, 2), "epochs 3 and 4 bring nothing better than epoch 2"),
        ([0.1, 0.3, 0.2, 0.4, 0.35], 2, (5, 4), "epoch 4 is better than epoch 2, and after it only one epoch is left"),
        ([0.2, 0.2, 0.2], 2, (3, 1), "a score that is as good is not better"),
        ([0.5, 0.4, 0.6], 5, (3, 3), "nothing waits that long, so all epochs are run"),
    )
    for scores, patience, right, why in cases:
        given = answer(scores, patience)
        call = f"stopped_at({scores}, {patience})"
        expect(
            isinstance(given, tuple | list) and len(given) == 2,
            f"{call} must give two numbers, (last epoch, best epoch); it gave {given!r}",
        )
        expect(
            tuple(given) == right,
            f"{call} must be {right}: {why}. Epochs are counted from 1; it gave {tuple(given)}",
        )


def _unmirror(answer: Answer) -> None:
    boxes = np.array([[2.0, 0.0, 6.0, 4.0], [1.0, 7.0, 3.0, 10.0]])
    before = boxes.copy()
    expect_array(
        answer(boxes, 10),
        [[2, 6, 6, 10], [1, 0, 3, 3]],
        "unmirror([[2, 0, 6, 4], [1, 7, 3, 10]], 10)",
        atol=1e-9,
        hint="a place x becomes 10 - x, and the right edge of a box becomes its left one; rows stay",
    )
    expect(np.array_equal(boxes, before), "unmirror changed the boxes that it was given; make new ones")


check = Checker({"stopped_at": _stopped_at, "unmirror": _unmirror})
