"""Lesson 12: what a cue rules over, and the loss that brings sentences to their pictures."""

from __future__ import annotations

import numpy as np

from medloc_lib.exercises.checker import Answer, Checker, expect, expect_array


def _negated(answer: Answer) -> None:
    cases = (
        ("no mass", 1, True, "no stands before mass"),
        ("a mass but no stroke", 1, False, "no stands behind mass, and rules forward only"),
        ("no mass , plaque or stroke", 5, True, "a denial goes on across commas and or"),
        ("no mass but a stroke", 4, False, "but ends what no rules over"),
        ("no mass . a stroke", 4, False, "the full stop ends what no rules over"),
        (
            "without any other sign of a fresh large stroke",
            8,
            False,
            "without is 8 words away; a cue rules over 5 words",
        ),
        ("no sign of a stroke", 4, True, "no is 4 words away; a cue rules over 5 words"),
        ("no plaque but no stroke", 4, True, "a second no follows the turn"),
    )
    for text, at, right, why in cases:
        given = answer(text.split(), at)
        expect(
            isinstance(given, bool | np.bool_) and bool(given) == right,
            f"negated({text.split()}, {at}) must be {right}: {why}; it gave {given!r}",
        )


def _contrastive(answer: Answer) -> None:
    even = np.zeros((4, 4))
    hint = (
        "each sentence (a column) asks all pictures (rows): the softmax goes down the column, the mean over sentences"
    )
    expect_array(answer(even), np.log(4), "contrastive(np.zeros((4, 4)))", atol=1e-6, hint=hint)
    lopsided = np.array([[2.0, 2.0, 2.0], [0.0, 2.0, 0.0], [0.0, 0.0, 2.0]])
    right = (np.log(1 + 2 * np.exp(-2.0)) + 2 * np.log(2 + np.exp(-2.0))) / 3
    expect_array(answer(lopsided), right, f"contrastive({lopsided.tolist()})", atol=1e-6, hint=hint)
    large = np.array([[1000.0, 0.0], [0.0, 1000.0]])
    hint = "exp(1000) is too large for a number: take away each column's highest value first"
    expect_array(answer(large), 0.0, f"contrastive({large.tolist()})", atol=1e-6, hint=hint)


check = Checker({"negated": _negated, "contrastive": _contrastive})
