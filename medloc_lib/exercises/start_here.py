"""Lesson 00: a point in a box, and precision and recall down a list."""

from __future__ import annotations

from medloc_lib.exercises.checker import Answer, Checker, expect, expect_array


def _pointing_hit(answer: Answer) -> None:
    lesion = (10, 20, 30, 60)
    cases = {
        (15, 30, 25, 50): (True, "its centre (20, 40) is inside"),
        (0, 0, 4, 4): (False, "its centre (2, 2) is outside"),
        (0, 30, 50, 50): (True, "its centre (25, 40) is inside, although the box itself reaches out"),
        (11, 58, 21, 70): (False, "its centre (16, 64) is outside, although the boxes overlap"),
        (25, 30, 35, 40): (False, "its centre (30, 35) lies on the lesion's end, and boxes are half-open"),
    }
    for box, (right, why) in cases.items():
        given = answer(box, lesion)
        expect(
            given is not None and bool(given) == right,
            f"pointing_hit({box}, {lesion}) must be {right}: {why}; got {given}",
        )


def _precision_recall(answer: Answer) -> None:
    hits = [True, False, True, True, False]
    given = answer(hits, 4)
    call = f"precision_recall({hits}, 4)"
    expect(
        isinstance(given, tuple) and len(given) == 2,
        f"{call} must give two arrays, precision and recall; it gave {type(given).__name__}",
    )
    hint = "After k finds, precision is the hits so far divided by k"
    expect_array(given[0], [1, 1 / 2, 2 / 3, 3 / 4, 3 / 5], f"the precision of {call}", hint=hint)
    hint = "Recall is the hits so far divided by the number of lesions, found or not"
    expect_array(given[1], [1 / 4, 1 / 4, 2 / 4, 3 / 4, 3 / 4], f"the recall of {call}", hint=hint)


check = Checker({"pointing_hit": _pointing_hit, "precision_recall": _precision_recall})
