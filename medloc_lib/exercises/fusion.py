"""Lesson 03: a product that no zero can silence, and the shift at which two pictures know most of each other."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from medloc_lib.exercises.checker import Answer, Checker, expect, expect_array


def _soft_product(answer: Answer) -> None:
    channels = np.array([[[0.0, 0.5, 1.0]], [[1.0, 0.5, 0.05]]])
    call = "soft_product([[[0, 0.5, 1]], [[1, 0.5, 0.05]]], 0.2)"
    before = channels.copy()
    given = answer(channels, 0.2)
    hint = "Lift each channel to the floor first, then multiply: a zero counts as 0.2, and 0.5 stays 0.5"
    expect_array(given, [[0.2, 0.25, 0.2]], call, hint=hint)
    expect(np.array_equal(channels, before), f"{call} must leave its input as it is: make a new array (np.maximum)")
    three = np.array([[[0.0]], [[0.0]], [[0.8]]])
    hint = "Lift each channel to the floor first: with three channels each zero is lifted on its own"
    expect_array(answer(three, 0.5), [[0.2]], "soft_product([[[0]], [[0]], [[0.8]]], 0.5)", hint=hint)


def _best_shift(answer: Answer) -> None:
    rng = np.random.default_rng(0)
    fixed = ndimage.gaussian_filter(rng.normal(size=(40, 40)), 2)
    cases = (
        (np.roll(fixed, 3, axis=1), -3, "moving is fixed, rolled by +3, so rolling it by -3 undoes that"),
        (
            -np.roll(fixed, -2, axis=1),
            2,
            "moving is fixed with its greys turned over, rolled by -2: same shape, other greys",
        ),
        (fixed, 0, "the pictures lie on each other"),
    )
    for moving, right, why in cases:
        given = answer(fixed, moving, 5)
        expect(
            given is not None and np.ndim(given) == 0 and given == right,
            f"best_shift(fixed, moving, 5) must be {right}: {why}; it gave {given}",
        )


check = Checker({"soft_product": _soft_product, "best_shift": _best_shift})
