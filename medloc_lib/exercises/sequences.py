"""Lesson 11: the cell state of an LSTM, and how far a range of slices is off."""

from __future__ import annotations

import numpy as np

from medloc_lib.exercises.checker import Answer, Checker, expect, expect_array


def _cell_state(answer: Answer) -> None:
    cases = (
        (([1, 1, 1], [1, 0, 0], [5, 7, 9]), [5, 5, 5], "with the forget gate at 1 the state is kept"),
        (([0.5, 0.5, 0.5], [1, 0, 1], [4, 9, 2]), [4, 2, 3], "half of the state is kept, and i * g comes on top"),
        (([0, 0, 0], [1, 1, 0.5], [3, 4, 6]), [3, 4, 3], "with the forget gate at 0 nothing is kept"),
    )
    for (f, i, g), right, why in cases:
        given = answer(np.array(f, dtype=float), np.array(i, dtype=float), np.array(g, dtype=float))
        expect_array(given, right, f"cell_state({f}, {i}, {g})", hint=f"Before the first step it is 0; {why}")


def _ends_off(answer: Answer) -> None:
    wanted = np.array([False, False, True, True, True, False])
    told = np.array([False, True, False, True, False, False])
    right = answer(told, wanted, 3.0)
    expect(right is not None, "ends_off(told, wanted, 3.0) must give a number; it gave None")
    expect(np.ndim(right) == 0, f"ends_off must give one number; it gave {right!r}")
    expect(
        abs(float(right) - 3.0) < 1e-9,
        "told slices 1 and 3, wanted 2 to 4, 3 mm apart: the first is off by one slice, the last by one, so 3.0 mm; "
        f"it gave {float(right):g}. What lies between first and last does not count",
    )
    alike = answer(wanted, wanted, 3.0)
    expect(abs(float(alike)) < 1e-9, f"the same slices twice are off by 0 mm; it gave {float(alike):g}")
    shifted = answer(np.roll(wanted, 1), wanted, 2.0)
    expect(
        abs(float(shifted) - 2.0) < 1e-9,
        f"a range that is one slice too high, with slices 2 mm apart, is off by 2 mm; it gave {float(shifted):g}",
    )


check = Checker({"cell_state": _cell_state, "ends_off": _ends_off})
