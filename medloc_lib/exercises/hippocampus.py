"""Case study 22: the Dice coefficient of each class, and the largest part of a mask."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from medloc_lib.exercises.checker import Answer, Checker, expect_array


def _dice_by_class(answer: Answer) -> None:
    truth, told = np.array([[[1, 1, 2, 2]]]), np.array([[[1, 2, 2, 0]]])
    call = "dice_by_class([1, 1, 2, 2], [1, 2, 2, 0], 2)"
    hint = "Class 1 shares one voxel of 2 + 1, class 2 one of 2 + 2: twice what is shared over the sum of both"
    expect_array(answer(truth, told, 2), [2 / 3, 1 / 2], call, hint=hint)
    truth, told = np.array([[[0, 1, 1, 1]]]), np.array([[[2, 2, 1, 1]]])
    call = "dice_by_class([0, 1, 1, 1], [2, 2, 1, 1], 3)"
    hint = "Class 2 is told and not there: 0. Class 3 is neither, so both masks are empty and agree: 1, not 0 / 0"
    expect_array(answer(truth, told, 3), [4 / 5, 0, 1], call, hint=hint)
    rng = np.random.default_rng(0)
    truth, told = rng.integers(0, 4, (2, 6, 7, 8))
    wanted = [2 * ((truth == k) & (told == k)).sum() / ((truth == k).sum() + (told == k).sum()) for k in (1, 2, 3)]
    hint = "Value k of the maps is class k; 0 is background, which no score counts"
    expect_array(answer(truth, told, 3), wanted, "dice_by_class(two volumes of 6×7×8, 3)", hint=hint)


def _largest(answer: Answer) -> None:
    mask = np.array([[1, 0, 1, 1, 0, 1, 1, 1, 0, 1, 1]], dtype=bool)
    call = "largest([1 0 1 1 0 1 1 1 0 1 1])"
    hint = "The parts have 1, 2, 3 and 2 pixels; the largest need not be the first or the last"
    expect_array(answer(mask), np.array([[0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0]]), call, hint=hint)
    mask = np.zeros((5, 5, 5), dtype=bool)
    mask[0, 0, :3] = mask[3, 3, 3] = mask[4, 4, 4] = mask[2, 2, 2] = mask[3, 2, 2] = True
    wanted = mask.copy()
    wanted[0, 0] = False
    hint = "Voxels that touch by an edge or a corner hang together too: give ndimage.label a structure of 3×3×3 ones"
    expect_array(answer(mask), wanted, "largest(a staircase of voxels beside a straight line)", hint=hint)
    expect_array(
        answer(np.zeros((3, 4), dtype=bool)), np.zeros((3, 4)), "largest(nothing)", hint="Nothing stays nothing"
    )
    noise = ndimage.uniform_filter(np.random.default_rng(0).normal(size=(12, 12, 12)), 3) > 0.15
    parts, n = ndimage.label(noise, np.ones((3, 3, 3)))
    sizes = [(parts == k).sum() for k in range(1, n + 1)]
    hint = "np.bincount counts the voxels of every part; its first entry is the background, which is no part"
    expect_array(answer(noise), parts == 1 + int(np.argmax(sizes)), "largest(noise)", hint=hint)


check = Checker({"dice_by_class": _dice_by_class, "largest": _largest})
