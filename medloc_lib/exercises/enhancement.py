"""Lesson 02: the new levels of an equalized histogram, and the contrast-to-noise ratio."""

from __future__ import annotations

import numpy as np

from medloc_lib.exercises.checker import Answer, Checker, expect, expect_array


def _equalized(answer: Answer) -> None:
    hint = "Level k rises with the pixels counted up to it, less those of the lowest level"
    given = answer(np.array([4, 0, 2, 2]))
    expect_array(given, [0, 0, 1.5, 3], "equalized([4, 0, 2, 2])", hint=hint)
    given = answer(np.array([1, 1, 1, 1, 1]))
    expect_array(given, [0, 1, 2, 3, 4], "equalized([1, 1, 1, 1, 1])", hint="An even histogram stays as it is")
    given = answer(np.array([10, 0, 0, 1, 9]))
    expect_array(given, [0, 0, 0, 0.4, 4], "equalized([10, 0, 0, 1, 9])", hint=hint)


def _contrast_to_noise(answer: Answer) -> None:
    image = np.array([[10.0, 14, 10, 14, 32, 40, 99, 0]])
    around = np.array([[True, True, True, True, False, False, False, False]])
    bright, dark = np.zeros((2, 1, 8), dtype=bool)
    bright[0, 4:6], dark[0, 7] = True, True
    cases = (
        ("bright", bright, 12.0, "the means are 36 and 12, and the standard deviation of the surroundings is 2"),
        ("dark", dark, 6.0, "a lesion that is darker than its surroundings has contrast too"),
    )
    for name, lesion, right, why in cases:
        given = answer(image, lesion, around)
        fine = np.ndim(given) == 0 and given is not None and bool(np.isclose(given, right))
        expect(fine, f"contrast_to_noise(image, {name}, around) must be {right:g}: {why}; got {given}")


check = Checker({"equalized": _equalized, "contrast_to_noise": _contrast_to_noise})
