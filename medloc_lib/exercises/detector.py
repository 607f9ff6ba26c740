"""Lesson 09: what a cell must answer for a box, and the peaks of a heat map."""

from __future__ import annotations

import numpy as np

from medloc_lib.exercises.checker import Answer, Checker, expect, expect_array


def _encode(answer: Answer) -> None:
    cases = (
        ((0, 0, 2, 2), 2, (0, 0, 0, 0, 0, 0), "the box is the cell itself"),
        (
            (4, 4, 12, 8),
            2,
            (4, 3, -0.5, -0.5, np.log(4), np.log(2)),
            "its centre is at (8, 6), that is (4, 3) in cells",
        ),
        (
            (3, 10, 5, 16),
            4,
            (1, 3, -0.5, -0.25, np.log(0.5), np.log(1.5)),
            "its centre is at (4, 13), (1, 3.25) in cells",
        ),
    )
    for box, stride, right, why in cases:
        given = answer(box, stride)
        call = f"encode({box}, {stride})"
        hint = f"{why}. Centre and sides are counted in cells; a cell's own centre lies at its index + 0.5"
        expect_array(given, right, call, atol=1e-3, hint=hint)


def _peaks(answer: Answer) -> None:
    heat = np.zeros((7, 9))
    heat[1, 2], heat[1, 3], heat[5, 7], heat[4, 0] = 0.9, 0.8, 0.6, 0.2
    given = answer(heat, 0.5)
    expect(given is not None, "peaks(heat, 0.5) must give an array of (row, col); it gave None")
    rows = np.asarray(given).reshape(-1, 2) if np.size(given) else np.zeros((0, 2))
    places = sorted((int(r), int(c)) for r, c in rows)
    expect(
        (1, 3) not in places,
        f"(1, 3) is no peak: its neighbour (1, 2) is hotter; peaks gave {places}",
    )
    expect((4, 0) not in places, f"(4, 0) is under the threshold of 0.5; peaks gave {places}")
    expect(places == [(1, 2), (5, 7)], f"peaks(heat, 0.5) must be [(1, 2), (5, 7)]; it gave {places}")
    heat[2, 3] = 0.95
    places = sorted((int(r), int(c)) for r, c in np.asarray(answer(heat, 0.5)).reshape(-1, 2))
    expect(
        places == [(2, 3), (5, 7)],
        f"with heat[2, 3] = 0.95 the peaks must be [(2, 3), (5, 7)]: (1, 2) has a hotter neighbour across the corner; "
        f"got {places}",
    )


check = Checker({"encode": _encode, "peaks": _peaks})
