"""Lesson 05: the gradient of the logistic loss, and a box moved by what a regression says."""

from __future__ import annotations

import numpy as np

from medloc_lib.exercises.checker import Answer, Checker, expect_array


def _loss_gradient(answer: Answer) -> None:
    x = np.array([[1.0, 2.0], [1.0, -1.0], [1.0, 0.5]])
    lesion = np.array([1.0, 0.0, 0.0])
    given = answer(np.zeros(2), x, lesion)
    call = "loss_gradient([0, 0], x, lesion)"
    expect_array(given, [1 / 6, -5 / 12], call, hint="With weights 0 every probability is 1/2, and the loss is a mean")
    weights = np.array([0.3, -1.2])
    step = 1e-6

    def loss(w: np.ndarray) -> float:
        p = 1 / (1 + np.exp(-x @ w))
        return float(-np.mean(lesion * np.log(p) + (1 - lesion) * np.log(1 - p)))

    slopes = [(loss(weights + step * e) - loss(weights - step * e)) / (2 * step) for e in np.eye(2)]
    hint = "A tiny step in each weight changes the loss by that much"
    expect_array(answer(weights, x, lesion), slopes, "loss_gradient([0.3, -1.2], x, lesion)", atol=1e-5, hint=hint)


def _refined(answer: Answer) -> None:
    still = answer((10, 20, 14, 30), (0, 0, 0, 0))
    expect_array(still, [10, 20, 14, 30], "refined((10, 20, 14, 30), (0, 0, 0, 0))", hint="No offset, no change")
    shifted = answer((10, 20, 14, 30), (0.5, -0.1, 0, 0))
    hint = "Shares of the box's own height and width: half of 4 rows down, a tenth of 10 columns to the left"
    expect_array(shifted, [12, 19, 16, 29], "refined((10, 20, 14, 30), (0.5, -0.1, 0, 0))", hint=hint)
    grown = answer((10, 20, 14, 30), (0, 0, np.log(2), np.log(0.5)))
    hint = "Twice as high and half as wide, about the same centre"
    expect_array(grown, [8, 22.5, 16, 27.5], "refined((10, 20, 14, 30), (0, 0, log 2, log 0.5))", hint=hint)
    both = answer((0, 0, 4, 4), (0.25, 0, np.log(2), 0))
    hint = "The shift is a share of the old height"
    expect_array(both, [-1, 0, 7, 4], "refined((0, 0, 4, 4), (0.25, 0, log 2, 0))", hint=hint)


check = Checker({"loss_gradient": _loss_gradient, "refined": _refined})
