"""Measures against scikit-image in float64 and hand-computed cases."""

from __future__ import annotations

import math

import numpy as np
import pytest
from skimage import metrics

from medloc_lib import enhancement as en
from medloc_lib.errors import InputError
from tests.enhancement import reference
from tests.enhancement.pictures import FLAT, VOLUME, smooth

both = pytest.mark.parametrize("picture", [FLAT, VOLUME], ids=["2-D", "3-D"])


def worse(picture):
    return picture + np.random.default_rng(3).normal(0, 30, picture.shape).astype(np.float32)


@both
@pytest.mark.parametrize("shift", [0, -1000, 1e5])
def test_ssim_is_scikit_images(picture, shift):
    x, y = worse(picture) + np.float32(shift), picture + np.float32(shift)
    exact = metrics.structural_similarity(
        *(z.astype(np.float64) for z in (x, y)),
        data_range=float(np.ptp(y)),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert en.ssim(x, y) == pytest.approx(exact, abs=2e-4)


@both
def test_psnr_is_scikit_images(picture):
    x = worse(picture)
    wide = (picture.astype(np.float64), x.astype(np.float64))
    exact = metrics.peak_signal_noise_ratio(*wide, data_range=float(np.ptp(picture)))
    assert en.psnr(x, picture) == pytest.approx(exact, abs=1e-4)


def test_equal_pictures():
    assert en.psnr(FLAT, FLAT) == math.inf
    assert en.ssim(FLAT, FLAT) == pytest.approx(1, abs=1e-6)


def test_a_picture_smaller_than_the_window():
    assert -1 <= en.ssim(FLAT[:4, :5], FLAT[:4, :5][::-1]) < 1


def test_not_measured_does_not_count():
    holed, wide = FLAT.copy(), FLAT.copy()
    holed[10:20, 10:20] = np.nan
    wide[10:20, 10:20] = 0
    x = worse(FLAT)
    here = ~np.isnan(holed)
    error = np.mean((x - FLAT)[here].astype(np.float64) ** 2)
    assert en.psnr(x, holed) == pytest.approx(10 * np.log10(float(np.ptp(FLAT[here])) ** 2 / error), abs=1e-3)
    assert en.ssim(x, holed) == pytest.approx(en.ssim(x, FLAT), abs=0.02)
    assert en.entropy(holed) == pytest.approx(en.entropy(FLAT[here][None]))
    lesion = np.zeros(FLAT.shape, bool)
    lesion[15:25, 15:25] = True
    assert en.cnr(holed, lesion) == pytest.approx(en.cnr(wide, lesion & here, surroundings=here & ring(lesion)))
    assert en.snr(holed, lesion) == pytest.approx(en.snr(wide, lesion & here))


def ring(lesion):
    """Within 5 pixels, along the axes or diagonally."""
    place = np.argwhere(lesion)
    (r0, c0), (r1, c1) = place.min(axis=0), place.max(axis=0)
    around = np.zeros_like(lesion)
    around[max(r0 - 5, 0) : r1 + 6, max(c0 - 5, 0) : c1 + 6] = True
    return around & ~lesion


def test_cnr_and_snr_by_hand():
    picture = np.array([[10.0, 14, 10, 14, 30, 34]])
    lesion = np.array([[0, 0, 0, 0, 1, 1]])
    assert en.cnr(picture, lesion, surroundings=1 - lesion) == 10  # (32 - 12) / 2
    assert en.cnr(picture, lesion) == 10  # all four are within 5 pixels
    assert en.cnr(-picture, lesion) == 10
    assert en.snr(picture, lesion) == 16  # 32 / 2


def test_without_noise():
    picture = np.array([[1.0, 1, 1, 5]])
    assert en.cnr(picture, [[0, 0, 0, 1]]) == math.inf
    assert math.isnan(en.cnr(picture, [[0, 0, 1, 0]], surroundings=[[1, 1, 0, 0]]))
    assert en.snr(picture, [[1, 1, 0, 0]]) == math.inf
    assert math.isnan(en.snr(picture * 0, [[1, 1, 0, 0]]))


def test_snr_of_known_noise():
    even = 100 + np.random.default_rng(0).normal(0, 4, (200, 200))
    assert en.snr(even, np.ones(even.shape)) == pytest.approx(25, rel=0.02)


@pytest.mark.parametrize("signal", [0, 200])
def test_noise_from_the_air_is_that_of_the_signal(signal):
    real, imaginary = np.random.default_rng(1).normal(0, 7, (2, 300, 300))
    air = en.air_noise(np.hypot(real, imaginary), np.ones(real.shape))
    assert air == pytest.approx(7, rel=0.01)
    if signal:
        assert np.hypot(real + signal, imaginary).std() == pytest.approx(air, rel=0.01)


@both
def test_entropy_is_that_of_the_histogram(picture):
    assert en.entropy(picture) == pytest.approx(reference.entropy(picture), abs=1e-3)


def test_entropy_by_hand():
    assert en.entropy(np.zeros((3, 3))) == 0
    assert en.entropy(np.arange(256.0).reshape(16, 16)) == 8
    assert en.entropy([[0, 0, 0, 1]]) == pytest.approx(0.8113, abs=1e-4)


def test_equalization_does_not_raise_entropy():
    """It only moves values, and may merge steps."""
    picture = np.rint(smooth((80, 80)) / 10)
    assert en.entropy(en.equalize(picture)) <= en.entropy(picture) + 1e-6


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda x: en.psnr(x, x[:-1]), "both pictures must have the same shape"),
        (lambda x: en.ssim(x, x[:-1]), "both pictures must have the same shape"),
        (lambda x: en.psnr(x, x * 0), "the clean picture must have a range"),
        (lambda x: en.ssim(x, x * 0 + 3), "it is 3 throughout"),
        (lambda x: en.psnr(x * np.inf, x), "finite"),
        (lambda x: en.ssim(np.where(x > 500, np.inf, x), x), "finite"),
        (lambda x: en.cnr(x, np.zeros(x.shape)), "lesion holds no pixel that was measured"),
        (lambda x: en.cnr(x, np.ones(x.shape)), "surroundings holds no pixel"),
        (lambda x: en.cnr(x, np.ones((2, 2))), r"lesion must have the picture's shape \(90, 110\); got \(2, 2\)"),
        (lambda x: en.snr(x, np.ones((2, 2))), "region must have the picture's shape"),
        (lambda x: en.snr(x, np.zeros(x.shape)), "region holds no pixel"),
        (lambda x: en.air_noise(x, np.zeros(x.shape)), "air holds no pixel"),
    ],
)
def test_what_cannot_be_measured_is_refused(call, says):
    with pytest.raises(InputError, match=says):
        call(FLAT)
