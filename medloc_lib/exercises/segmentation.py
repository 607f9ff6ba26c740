"""Lesson 04: a region that grows step by step, and the co-occurrence matrix of neighbours."""

from __future__ import annotations

import numpy as np

from medloc_lib.exercises.checker import Answer, Checker, expect, expect_array


def _grown(answer: Answer) -> None:
    image = np.array([[5.0, 6, 9, 5, 5], [5, 9, 9, 5, 6], [6, 6, 5, 9, 9], [9, 9, 9, 5, 5]])
    seed = np.zeros(image.shape, dtype=bool)
    seed[0, 0] = True
    kept = seed.copy()
    given = answer(image, seed, 1.0)
    expect(np.array_equal(seed, kept), "grown must not change the seed that it is given: work on a copy")
    hint = "Two pixels hang together if they share a side. Go on until nothing is added"
    right = [[1, 1, 0, 0, 0], [1, 0, 0, 0, 0], [1, 1, 1, 0, 0], [0, 0, 0, 0, 0]]
    far = np.asarray(given, dtype=np.float64) if np.shape(given) == image.shape else np.zeros(image.shape)
    expect(not far[:2, 3:].any(), "grown(image, seed, 1.0) took pixels that are alike but do not hang with the seed")
    expect_array(given, right, "grown(image, seed, 1.0)", hint=hint)
    expect_array(
        answer(image, seed, 0.0),
        [[1, 0, 0, 0, 0], [1, 0, 0, 0, 0], [0] * 5, [0] * 5],
        "grown(image, seed, 0.0)",
        hint=hint,
    )


def _neighbors(answer: Answer) -> None:
    levels = np.array([[0, 0, 1], [2, 1, 1]])
    right = np.array([[2, 1, 0], [1, 2, 1], [0, 1, 0]]) / 8
    given = answer(levels, 3)
    shape = np.shape(given)
    if shape == (3, 3):
        total = float(np.sum(given))
        expect(np.isclose(total, 1), f"the shares of all pairs must add up to 1; they add up to {total:.4g}")
        both = "each pair counts in both orders: a 0 beside a 1 is also a 1 beside a 0"
        expect(np.allclose(given, np.transpose(given)), f"neighbors(levels, 3) must be symmetric: {both}")
    expect_array(given, right, "neighbors(levels, 3)", hint="Row i, column j: how often level j lies to the right of i")
    expect_array(answer(np.array([[1, 1, 1]]), 2), [[0, 0], [0, 1]], "neighbors(np.array([[1, 1, 1]]), 2)")


check = Checker({"grown": _grown, "neighbors": _neighbors})
