"""Boundaries against closed forms, and a dense linear system for the random walker."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from medloc_lib.errors import InputError
from medloc_lib.metrics import dice
from medloc_lib.segmentation import (
    chan_vese,
    fill_edges,
    geodesic_contour,
    gradient,
    random_walker,
    snake,
    watershed,
)

ROWS, COLS = np.mgrid[:64, :64]
BALL = np.hypot(ROWS - 30, COLS - 34) < 14
NOISY = BALL + np.random.default_rng(0).normal(0, 0.15, BALL.shape)
SEED = np.hypot(ROWS - 30, COLS - 34) < 4
AROUND = np.hypot(ROWS - 30, COLS - 34) < 18
SOLID = np.linalg.norm(np.mgrid[:20, :20, :20] - 9.5, axis=0) < 6


def test_gradient_of_a_ramp_is_its_slope_and_of_an_edge_a_gaussian():
    ramp = 3.0 * COLS + 4.0 * ROWS
    np.testing.assert_allclose(gradient(ramp, sigma=2)[20:40, 20:40], 5.0, rtol=1e-3)
    edge = gradient((COLS >= 32).astype(float), sigma=3)[32]
    bell = np.exp(-((np.arange(64) - 31.5) ** 2) / 18) / np.sqrt(18 * np.pi)
    np.testing.assert_allclose(edge, bell, atol=0.002)


@pytest.mark.parametrize(("detector", "least"), [("canny", 0.9), ("gradient", 0.8)])  # whose edges are broad
def test_edges_that_enclose_a_ball_are_filled(detector, least):
    two = (
        BALL
        + ((ROWS > 50) & (ROWS < 60) & (COLS > 5) & (COLS < 20))
        + np.random.default_rng(1).normal(0, 0.05, BALL.shape)
    )
    labels = fill_edges(two, detector=detector)
    assert labels.max() == 2
    assert dice(labels == labels[30, 34], BALL) > least
    assert labels[55, 12] not in (0, labels[30, 34])


def test_an_open_line_encloses_nothing():
    image = np.zeros((40, 40))
    image[20, 5:35] = 1
    assert fill_edges(image, sigma=1.0, gap=1).max() == 0


def test_floods_meet_where_the_gradient_is_steepest():
    marks = np.where(SEED, 1, 0)
    marks[:3] = 2
    found = watershed(NOISY, marks, sigma=2)
    assert set(np.unique(found)) == {1, 2}
    assert dice(found == 1, BALL) > 0.93
    step = np.where(COLS < 41, 10.0, 20.0)
    marks = np.zeros((64, 64), int)
    marks[10, 2], marks[50, 60] = 5, 3
    np.testing.assert_array_equal(watershed(step, marks), np.where(COLS < 41, 5, 3))


def test_without_markers_every_valley_is_a_region():
    waves = np.cos(2 * np.pi * COLS / 16) + 1e-3 * ROWS * 0
    lonely = watershed(waves, sigma=0.5)
    minima = ndimage.label(gradient(waves, sigma=0.5)[0] == ndimage.minimum_filter1d(gradient(waves, sigma=0.5)[0], 3))[
        1
    ]
    assert lonely.max() == minima


def test_the_random_walker_solves_its_linear_system():
    rng = np.random.default_rng(3)
    image = rng.random((6, 5))
    marks = np.zeros((6, 5), int)
    marks[0, 0], marks[5, 4], marks[0, 4] = 1, 2, 7
    beta = 50.0
    n = image.size
    index = np.arange(n).reshape(image.shape)
    laplacian = np.zeros((n, n))
    down, across = (index[1:], index[:-1]), (index[:, 1:], index[:, :-1])
    for a, b in np.concatenate([np.stack(pair, axis=-1).reshape(-1, 2) for pair in (down, across)]):
        step = (image.ravel()[a] - image.ravel()[b]) / image.std()
        weight = np.exp(-beta * step**2 / 10) + 1e-10
        laplacian[[a, b], [a, b]] += weight
        laplacian[[a, b], [b, a]] -= weight
    seeded, free = np.flatnonzero(marks), np.flatnonzero(marks.ravel() == 0)
    likely = []
    for label in (1, 2, 7):
        there = (marks.ravel()[seeded] == label).astype(float)
        likely.append(np.linalg.solve(laplacian[np.ix_(free, free)], -laplacian[np.ix_(free, seeded)] @ there))
    wanted = marks.ravel().copy()
    wanted[free] = np.array([1, 2, 7])[np.argmax(likely, axis=0)]
    np.testing.assert_array_equal(random_walker(image, marks, beta=beta), wanted.reshape(image.shape))


def test_one_label_takes_all_and_a_constant_image_is_shared_by_nearness():
    marks = np.zeros((5, 9), int)
    marks[2, 1] = 4
    assert (random_walker(np.random.default_rng(0).random((5, 9)), marks) == 4).all()
    marks[2, 7] = 2
    found = random_walker(np.ones((5, 9)), marks)
    assert (found[:, :4] == 4).all() and (found[:, 5:] == 2).all()


@pytest.mark.parametrize(
    ("found", "least"),
    [
        (lambda: snake(NOISY, AROUND), 0.93),
        (lambda: geodesic_contour(NOISY, SEED), 0.93),
        (lambda: geodesic_contour(NOISY, AROUND, balloon=-1), 0.93),
        (lambda: chan_vese(NOISY), 0.95),
        (lambda: chan_vese(NOISY, SEED), 0.95),
        (lambda: random_walker(NOISY, np.where(SEED, 1, np.where(AROUND, 0, 2))), 0.95),
    ],
    ids=["snake", "geodesic, growing", "geodesic, shrinking", "Chan-Vese", "Chan-Vese from a seed", "random walker"],
)
def test_each_finds_a_ball_in_noise(found, least):
    assert dice(found() == 1, BALL) > least


@pytest.mark.parametrize(
    "found",
    [
        lambda: geodesic_contour(
            SOLID.astype(float), np.linalg.norm(np.mgrid[:20, :20, :20] - 9.5, axis=0) < 2, sigma=1
        ),
        lambda: chan_vese(SOLID.astype(float)),
        lambda: fill_edges(SOLID.astype(float), detector="gradient", gap=1, sigma=1) > 0,
        lambda: watershed(SOLID.astype(float), np.where(SOLID, 0, 2) + (np.indices(SOLID.shape) == 9).all(axis=0)),
    ],
    ids=["geodesic", "Chan-Vese", "edges", "watershed"],
)
def test_in_three_dimensions(found):
    assert dice(found() == 1, SOLID) > 0.7


def test_a_snake_smooths_corners_and_stays_on_a_constant_image():
    square = ((abs(ROWS - 32) < 14) & (abs(COLS - 32) < 14)).astype(float)
    found = snake(square, np.hypot(ROWS - 32, COLS - 32) < 20) == 1
    assert dice(found, square) > 0.9 and not found[19, 19]
    stays = snake(np.ones((64, 64)), AROUND)
    assert dice(stays == 1, AROUND) == 1


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: gradient(NOISY, sigma=0), "sigma must be over 0"),
        (lambda: fill_edges(NOISY, detector="sobel"), 'detector must be "canny" or "gradient"'),
        (lambda: fill_edges(SOLID), r"\(rows, cols\)"),
        (lambda: watershed(NOISY, np.zeros(NOISY.shape, int)), "got none that is marked"),
        (lambda: watershed(NOISY, SEED[:5].astype(int)), r"the picture's shape \(64, 64\)"),
        (lambda: snake(SOLID.astype(float), SOLID), r"\(rows, cols\)"),
        (lambda: random_walker(NOISY, -SEED.astype(int)), "count from 1"),
        (lambda: chan_vese(NOISY, iterations=1.5), "iterations must be a whole number"),
    ],
)
def test_refusals(call, words):
    with pytest.raises(InputError, match=words):
        call()
