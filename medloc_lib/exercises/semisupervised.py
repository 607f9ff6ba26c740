"""Lesson 07: a probability for another share of lesions, and pseudo-labels that two views agree on."""

from __future__ import annotations

import numpy as np

from medloc_lib.exercises.checker import Answer, Checker, expect_array


def _reweighted(answer: Answer) -> None:
    p = np.array([0.0, 0.5, 0.9])
    call = "reweighted([0, 0.5, 0.9], 0.5, 0.5)"
    expect_array(answer(p, 0.5, 0.5), p, call, hint="The same share, no change: divide by the sum of both")
    hint = "Weigh p and 1 - p by new over old share, divide by the sum of both. The rarer lesions are here, the less"
    expect_array(answer(p, 0.5, 0.1), [0, 0.1, 0.5], "reweighted([0, 0.5, 0.9], 0.5, 0.1)", hint=hint)


def _checked(answer: Answer) -> None:
    one, two = np.array([0.95, 0.95, 0.02, 0.6, 0.05]), np.array([0.91, 0.03, 0.05, 0.97, 0.5])
    call = "checked([0.95, 0.95, 0.02, 0.6, 0.05], [0.91, 0.03, 0.05, 0.97, 0.5], 0.9)"
    hint = "Both views must be sure, over 0.9 or under 0.1; -1 where the views do not agree"
    expect_array(answer(one, two, 0.9), [1, -1, 0, -1, -1], call, hint=hint)


check = Checker({"reweighted": _reweighted, "checked": _checked})
