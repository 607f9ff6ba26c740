"""Case study 21: how alike two pictures are at a shift, and groups of pictures that must not be parted."""

from __future__ import annotations

import numpy as np

from medloc_lib.exercises.checker import Answer, Checker, expect_array


def _alike(answer: Answer) -> None:
    a = np.array([[1.0, 2.0, 3.0], [0.0, 1.0, -1.0]])
    call = "alike([[1, 2, 3], [0, 1, -1]], the same, 0)"
    expect_array(answer(a, a, 0), 1.0, call, hint="Divide by the root of the product of both sums of squares")
    call = "alike(a, 2 * a + 0, 0)"
    hint = "Twice the contrast changes nothing: the sums of squares belong under the root"
    expect_array(answer(a, 2 * a, 0), 1.0, call, hint=hint)
    b = np.array([[9.0, 1.0, 2.0], [-9.0, 0.0, 1.0]])
    call = "alike([[1, 2, 3], [0, 1, -1]], [[9, 1, 2], [-9, 0, 1]], 1)"
    hint = (
        "b shows in its columns 1 and 2 what a shows in 0 and 1. Only these count, above and below the fraction bar: "
        "the 9, the -9, the 3 and the -1 lie on nothing"
    )
    expect_array(answer(a, b, 1), 1.0, call, hint=hint)
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 8, 8))
    x, y = a[:, :5], b[:, 3:]
    wanted = (x * y).sum() / np.sqrt((x**2).sum() * (y**2).sum())
    expect_array(answer(a, b, 3), wanted, "alike(two pictures of 8×8, right=3)", hint="Cut both to where they overlap")


def _groups(answer: Answer) -> None:
    similar = np.eye(4)
    similar[0, 2] = similar[2, 0] = 0.8
    call = "groups(similar of 4 pictures, of which 0 and 2 are alike, 0.6)"
    hint = "Pictures 0 and 2 are of one group, 1 and 3 of one of their own each"
    expect_array(_together(answer(similar, 0.6), 4), _together([0, 1, 0, 2], 4), call, hint=hint)
    similar[1, 3] = similar[3, 1] = 0.6
    call = "groups(the same, with 1 and 3 at 0.6, 0.6)"
    hint = "What is just at the bound counts"
    expect_array(_together(answer(similar, 0.6), 4), _together([0, 1, 0, 1], 4), call, hint=hint)
    chain = np.eye(7)
    for i, j in ((6, 0), (0, 5), (5, 1), (1, 4)):
        chain[i, j] = chain[j, i] = 0.9
    call = "groups(a chain 6-0-5-1-4, and 2 and 3 alone, 0.6)"
    hint = "6 is like 0, and 0 is like 5: all three are of one film. A chain may be long"
    expect_array(_together(answer(chain, 0.6), 7), _together([0, 0, 1, 2, 0, 0, 0], 7), call, hint=hint)


def _together(labels: object, n: int) -> object:
    """Which pictures share a group, (n, n); what is no array of n numbers is given back as it is."""
    given = np.asarray(labels)
    return labels if labels is None or given.shape != (n,) else given[:, None] == given


check = Checker({"alike": _alike, "groups": _groups})
