"""Lesson 06: the second half of a step of k-means, and the error of what principal components rebuild."""

from __future__ import annotations

import warnings

import numpy as np

from medloc_lib.exercises.checker import Answer, Checker, expect_array


def _new_centres(answer: Answer) -> None:
    points = np.array([[0.0, 0.0], [2.0, 0.0], [10.0, 4.0], [10.0, 6.0], [10.0, 8.0]])
    label = np.array([0, 0, 1, 1, 1])
    old = np.array([[5.0, 5.0], [6.0, 6.0]])
    given = answer(points, label, old)
    call = "new_centres(points, [0, 0, 1, 1, 1], old)"
    hint = "Each centre becomes the mean of its own points, coordinate by coordinate"
    expect_array(given, [[1, 0], [10, 6]], call, hint=hint)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the mean of no point is what this asks for
        lonely = answer(points, label, np.array([[5.0, 5.0], [6.0, 6.0], [7.0, 3.0]]))
    hint = "A centre without points stays where it was"
    expect_array(
        lonely, [[1, 0], [10, 6], [7, 3]], "new_centres with a third centre that no point is nearest to", hint=hint
    )


def _rebuilding_error(answer: Answer) -> None:
    mean = np.array([1.0, 2.0, 3.0])
    axes = np.array([[1.0, 0.0, 0.0], [0.0, 0.6, 0.8]])
    given = answer(mean[None], mean, axes)
    expect_array(given, [0], "rebuilding_error of the mean itself", hint="The mean is rebuilt without any component")
    along = mean + np.array([[2.0, 0.0, 0.0], [0.0, 3.0, 4.0]])
    hint = "What lies along the components is rebuilt wholly: take the mean away, project, and put it back"
    expect_array(answer(along, mean, axes), [0, 0], "rebuilding_error of points along the components", hint=hint)
    off = mean + np.array([[5.0, 0.8 * 3, -0.6 * 3], [0.0, 0.0, 0.0]])
    hint = "One number for each row: the root of the mean square over its values"
    expect_array(
        answer(off, mean, axes), [np.sqrt(3), 0], "rebuilding_error of a point 3 off, among 3 values", hint=hint
    )


check = Checker({"new_centres": _new_centres, "rebuilding_error": _rebuilding_error})
