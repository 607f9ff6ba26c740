"""Lesson 01: a box in millimetres, and the side of the patient that it is on."""

from __future__ import annotations

import numpy as np

from medloc_lib.exercises.checker import Answer, Checker, expect, expect_array


def _size_mm(answer: Answer) -> None:
    given = answer((10, 20, 30, 60), (0.5, 2.0))
    hint = "The first number of spacing belongs to the rows, the second to the columns"
    expect_array(given, [10, 80], "size_mm((10, 20, 30, 60), (0.5, 2.0))", hint=hint)


def _side(answer: Answer) -> None:
    upright = np.array([[0.0, 0, 1, -100], [0, 1, 0, -100], [1, 0, 0, 0], [0, 0, 0, 1]])
    turned = upright * np.array([[-1.0], [1], [1], [1]])
    cases = (
        ("upright", upright, (0, 150, 10, 160), "left", "x is +54.5 mm there, and x grows to the patient's left"),
        ("upright", upright, (0, 20, 10, 30), "right", "x is -75.5 mm there, and x grows to the patient's left"),
        (
            "turned",
            turned,
            (0, 150, 10, 160),
            "right",
            "this affine counts columns to the patient's right, so the column alone does not tell",
        ),
    )
    for name, affine, box, right, why in cases:
        given = answer(box, affine)
        expect(given == right, f"side({box}, {name}) must be {right!r}: {why}; got {given!r}")


check = Checker({"size_mm": _size_mm, "side": _side})
