"""Lesson 13: Holm's step-down test, and evidence of sources that may be missing added up."""

from __future__ import annotations

import numpy as np

from medloc_lib.exercises.checker import Answer, Checker, expect, expect_array


def _holm(answer: Answer) -> None:
    p = np.array([0.011, 0.6, 0.02, 0.001])
    given = answer(p, 0.05)
    expect(given is not None, "holm(p, 0.05) must give a bool for each p; it gave None")
    hint = "The smallest is compared with 0.05/4, the next with 0.05/3, then 0.05/2, and so on"
    expect_array(np.asarray(given, dtype=float), [1, 0, 1, 1], "holm([0.011, 0.6, 0.02, 0.001], 0.05)", hint=hint)
    stop = np.asarray(answer(np.array([0.03, 0.04, 0.045, 0.9]), 0.05), dtype=float)
    hint = "At the first that does not pass, stop: what comes after is not found either"
    expect_array(stop, [0, 0, 0, 0], "holm([0.03, 0.04, 0.045, 0.9], 0.05)", hint=hint)
    late = np.asarray(answer(np.array([0.001, 0.02, 0.024, 0.04]), 0.05), dtype=float)
    expect_array(late, [1, 0, 0, 0], "holm([0.001, 0.02, 0.024, 0.04], 0.05)", hint=hint)


def _fused(answer: Answer) -> None:
    evidence = np.array([[1.0, 0.5], [2.0, np.nan], [np.nan, np.nan]])
    given = answer(-1.0, evidence)
    call = "fused(-1, [[1, 0.5], [2, nan], [nan, nan]])"
    hint = "Add the evidence that is there to the log-odds before anything is known, then 1 / (1 + exp(-x))"
    expect_array(given, 1 / (1 + np.exp([-0.5, -1.0, 1.0])), call, hint=hint)
    expect(bool(np.isnan(evidence[2]).all()), "leave the evidence as it came: fused wrote into it")


check = Checker({"holm": _holm, "fused": _fused})
