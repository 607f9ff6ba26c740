"""Noise filters against their definitions in float64, and against scikit-image where it defines them alike."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import restoration

from medloc_lib import enhancement as en
from medloc_lib.errors import InputError
from tests.enhancement import reference
from tests.enhancement.pictures import FLAT, VOLUME

both = pytest.mark.parametrize("picture", [FLAT, VOLUME], ids=["2-D", "3-D"])
CLEAN = np.where(np.hypot(*(np.indices((64, 64)) - 32)) < 20, 200.0, 100.0)
NOISY = CLEAN + np.random.default_rng(0).normal(0, 15, CLEAN.shape)


def close(result, exact, share=1e-5):
    np.testing.assert_allclose(result, exact, rtol=0, atol=share * np.ptp(exact))


@both
@pytest.mark.parametrize("size", [1, 3, 5, 7])
def test_median(picture, size):
    np.testing.assert_array_equal(en.median(picture, size=size), reference.median(picture, size=size))


@both
@pytest.mark.parametrize(("sigma", "contrast"), [(0.4, 50), (1.5, 30), (2.0, 300)])
def test_bilateral(picture, sigma, contrast):
    exact = reference.bilateral(picture, sigma=sigma, contrast=contrast)
    close(en.bilateral(picture, sigma=sigma, contrast=contrast), exact)


def test_bilateral_in_units_of_any_size():
    close(en.bilateral(FLAT * 1e-12, contrast=60e-12) * 1e12, reference.bilateral(FLAT, contrast=60))


@both
@pytest.mark.parametrize(("patch", "reach"), [(1, 2), (3, 2), (5, 1)])
def test_non_local_means(picture, patch, reach):
    exact = reference.non_local_means(picture, noise=20, patch=patch, reach=reach)
    close(en.non_local_means(picture, noise=20, patch=patch, reach=reach), exact)


def test_non_local_means_is_near_scikit_images():
    """It leaves out weights under exp(-5), and has another border."""
    theirs = restoration.denoise_nl_means(NOISY, 5, 6, h=0.8 * 15, sigma=15, fast_mode=True)
    inner = (slice(10, -10),) * 2
    assert np.abs(en.non_local_means(NOISY, noise=15) - theirs)[inner].mean() < 0.015 * np.ptp(NOISY)


@both
@pytest.mark.parametrize("weight", [3, 15])
def test_total_variation(picture, weight):
    exact = reference.total_variation(picture, weight=weight)
    result = en.total_variation(picture, weight=weight)
    assert np.sqrt(np.mean((result - exact) ** 2)) < 3e-4 * np.ptp(picture)
    close(result, exact, share=3e-3)  # the promise is on the root mean square: a single pixel may be farther


def test_total_variation_of_a_disc_is_known():
    """A disc of radius r and height h loses weight · 2 / r of its height (Strong and Chan 2003), up to the grid's own
    way to measure a length; its surroundings gain weight · perimeter / their area.
    """
    weight, radius = 100.0, 20
    result = en.total_variation(CLEAN, weight=weight)
    inside, outside = result[CLEAN > 150].mean(), result[CLEAN < 150].mean()
    area = (CLEAN > 150).sum()
    assert 200 - inside == pytest.approx(weight * 2 / radius, rel=0.15)
    assert (outside - 100) * (CLEAN.size - area) == pytest.approx((200 - inside) * area, rel=0.01)  # the mean stays


@pytest.mark.parametrize(
    "denoise",
    [
        lambda x: en.median(x, size=5),
        lambda x: en.bilateral(x, contrast=45),
        lambda x: en.non_local_means(x, noise=15),
        lambda x: en.total_variation(x, weight=15),
    ],
    ids=["median", "bilateral", "non_local_means", "total_variation"],
)
def test_each_takes_most_of_the_noise_and_keeps_the_edge(denoise):
    result = denoise(NOISY)
    assert en.psnr(result, CLEAN) > en.psnr(NOISY, CLEAN) + 5
    assert result[CLEAN > 150].mean() - result[CLEAN < 150].mean() > 95


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda x: en.median(x, size=2), "odd number of pixels; got 2"),
        (lambda x: en.median(x, size=0), "odd number of pixels; got 0"),
        (lambda x: en.median(x, size=3.5), "odd number of pixels"),
        (lambda x: en.bilateral(x, sigma=0, contrast=1), "sigma must be a number above 0"),
        (lambda x: en.bilateral(x, contrast=-1), "contrast must be a number above 0"),
        (lambda x: en.non_local_means(x, noise=0), "noise must be a number above 0"),
        (lambda x: en.non_local_means(x, noise=1, patch=4), "patch must be odd and reach from 1, in pixels; got 4"),
        (lambda x: en.non_local_means(x, noise=1, reach=0), "reach from 1"),
        (lambda x: en.total_variation(x, weight=0), "weight must be a number above 0"),
        (lambda x: en.total_variation(x, weight=np.inf), "weight must be a number above 0"),
    ],
)
def test_parameters_out_of_range_are_refused(call, says):
    with pytest.raises(InputError, match=says):
        call(FLAT)
