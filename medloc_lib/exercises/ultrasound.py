"""Case study 21: the loss that a U-Net learns by, and groups of pictures that must not be parted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from medloc_lib.exercises.checker import Answer, Checker, expect_array


def _dice_loss(answer: Answer) -> None:
    truth = np.array([[[1.0, 1.0], [0.0, 0.0]]])
    call = "dice_loss(the truth itself, truth)"
    expect_array(
        answer(truth, truth), 0.0, call, hint="Nothing is lost where every pixel is right: 2 · 2 / (2 + 2) is 1"
    )
    sure = np.array([[[0.8, 0.4], [0.2, 0.0]]])
    call = "dice_loss([[[.8, .4], [.2, 0]]], [[[1, 1], [0, 0]]])"
    hint = "Shared: .8 + .4 = 1.2; of both: 1.4 + 2. Do not round the probabilities: a step has no slope to learn from"
    expect_array(answer(sure, truth), 1 - 2.4 / 3.4, call, hint=hint)
    both = np.concatenate([truth, np.zeros_like(truth)]), np.concatenate([sure, sure / 10])
    call = "dice_loss(two pictures, of which the second has no vessel)"
    hint = (
        "Sum over the whole batch before dividing. A picture without the class would give 1 for the least trace of it, "
        "and its share of the loss would say nothing of how much was found"
    )
    expect_array(answer(both[1], both[0]), 1 - 2.4 / 3.54, call, hint=hint)


def _groups(answer: Answer) -> None:
    similar = np.eye(4)
    similar[0, 2] = similar[2, 0] = 0.8
    call = "groups(similar of 4 pictures, of which 0 and 2 are alike, 0.6)"
    _expect_groups(answer(similar, 0.6), [0, 1, 0, 2], call, "0 and 2 are of one group, 1 and 3 alone in theirs")
    similar[1, 3] = similar[3, 1] = 0.6
    call = "groups(the same, with 1 and 3 at 0.6, 0.6)"
    _expect_groups(answer(similar, 0.6), [0, 1, 0, 1], call, "What is just at the bound counts")
    chain = np.eye(7)
    for i, j in ((6, 0), (0, 5), (5, 1), (1, 4)):
        chain[i, j] = chain[j, i] = 0.9
    call = "groups(a chain 6-0-5-1-4, and 2 and 3 alone, 0.6)"
    hint = "6 is like 0, and 0 is like 5: all three are of one film. A chain may be long"
    _expect_groups(answer(chain, 0.6), [0, 0, 1, 2, 0, 0, 0], call, hint)


def _expect_groups(labels: Any, needed: Sequence[int], call: str, hint: str) -> None:
    """The right pictures together, whatever their groups are called."""
    given, right = np.asarray(labels), np.asarray(needed)
    if labels is None or given.shape != right.shape:
        expect_array(labels, needed, call)
    expect_array(given[:, None] == given, right[:, None] == right, f"groups a == groups b, of {call},", hint=hint)


check = Checker({"dice_loss": _dice_loss, "groups": _groups})
