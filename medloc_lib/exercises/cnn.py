"""Lesson 08: how many numbers a layer learns, and how much of the picture one of its answers has seen."""

from __future__ import annotations

from medloc_lib.exercises.checker import Answer, Checker, expect


def _parameters(answer: Answer) -> None:
    cases = (
        (("dense", 4, 3), 15, "3 outputs, each with 4 weights and a bias"),
        (("conv", 3, 32, 3), 896, "32 kernels of 3×3×3 weights, each with a bias"),
        (("conv", 64, 128, 5), 204_928, "a kernel reaches through all 64 inputs: 128 × (5·5·64 + 1)"),
        (("dense", 86_528, 512), 44_302_848, "512 × (86,528 + 1): the layer that holds nearly all of the textbook CNN"),
    )
    for arguments, right, why in cases:
        given = answer(*arguments)
        expect(given == right, f"parameters{arguments} must be {right:,}: {why}; got {given}")


def _receptive_field(answer: Answer) -> None:
    convolution, pooling = (3, 1), (2, 2)
    cases: tuple[tuple[list[tuple[int, int]], int, str], ...] = (
        ([], 1, "without a layer an answer sees its own pixel"),
        ([convolution], 3, "one convolution of 3×3 sees 3 pixels"),
        ([convolution, convolution], 5, "the second one sees 3 answers that lie 1 pixel apart: 3 + 2·1"),
        ([pooling, convolution], 6, "after a pooling neighbours lie 2 pixels apart: 2 + 2·2"),
        ([convolution, pooling] * 3, 22, "the distance doubles with each pooling: 3, 4, 8, 10, 18, 22"),
    )
    for layers, right, why in cases:
        given = answer(layers)
        expect(given == right, f"receptive_field({layers}) must be {right}: {why}; got {given}")


check = Checker({"parameters": _parameters, "receptive_field": _receptive_field})
