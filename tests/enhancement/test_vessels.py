"""Vesselness against its definition in float64, and on tubes, plates and blobs."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import filters

from medloc_lib import enhancement as en
from medloc_lib.errors import InputError
from tests.enhancement import reference
from tests.enhancement.pictures import FLAT, VOLUME


def tube(shape, radius=2.0):
    """A bright Gaussian tube along the last axis."""
    place = np.indices(shape)
    distance = sum((place[k] - n // 2) ** 2 for k, n in enumerate(shape[:-1]))
    return 100 + 50 * np.exp(-distance / (2 * radius**2))


@pytest.mark.parametrize("picture", [FLAT, VOLUME, tube((40, 50)), tube((21, 24, 20))], ids=["2", "3", "line", "tube"])
@pytest.mark.parametrize("bright", [True, False])
def test_as_defined(picture, bright):
    exact = reference.frangi(picture, sigmas=(1.5, 2.5), bright=bright)
    error = np.abs(en.frangi(picture, sigmas=(1.5, 2.5), bright=bright) - exact)
    # Where the largest eigenvalue changes sign V jumps, and a rounding error decides on which side a pixel is.
    assert np.quantile(error, 0.995) < 1e-3
    assert exact.min() >= 0
    assert exact.max() <= 1


def test_near_scikit_image():
    """It takes differences of the blurred picture for derivatives, and answers on a straight tube's flanks."""
    theirs = filters.frangi(tube((60, 70)), sigmas=[3], black_ridges=False)
    here = (slice(28, 33), slice(10, -10))
    np.testing.assert_allclose(en.frangi(tube((60, 70)), sigmas=[3])[here], theirs[here], atol=0.05)


def test_tubes_answer_and_blobs_and_plates_do_not():
    shape = (31, 31, 31)
    line, place = tube(shape), np.indices(shape) - 15
    blob = 100 + 50 * np.exp(-(place**2).sum(axis=0) / 8)
    plate = 100 + 50 * np.exp(-(place[0] ** 2) / 8)
    middle = (15, 15, 15)
    answers = {name: en.frangi(x, sigmas=[2])[middle] for name, x in {"t": line, "b": blob, "p": plate}.items()}
    assert answers["t"] > 0.5
    assert answers["b"] < 0.3 * answers["t"]
    assert answers["p"] < 0.1 * answers["t"]


def test_dark_is_bright_upside_down():
    np.testing.assert_allclose(en.frangi(-FLAT, bright=False), en.frangi(FLAT), atol=1e-6)


def test_more_scales_give_the_largest_answer():
    parts = [en.frangi(FLAT, sigmas=[s]) for s in (1, 3)]
    np.testing.assert_array_equal(en.frangi(FLAT, sigmas=(1, 3)), np.maximum(*parts))


@pytest.mark.parametrize("sigmas", [[], [0], [2, -1], [np.nan]])
def test_sigmas_that_are_no_radius_are_refused(sigmas):
    with pytest.raises(InputError, match="sigmas must"):
        en.frangi(FLAT, sigmas=sigmas)
