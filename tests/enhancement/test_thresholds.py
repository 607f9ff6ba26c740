"""Thresholds against their definitions, PyWavelets and region growing; levels against scikit-image and every split."""

from __future__ import annotations

import numpy as np
import pytest
import pywt
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage import filters

from medloc_lib import enhancement as en
from medloc_lib.errors import InputError
from tests.enhancement import reference
from tests.enhancement.pictures import FLAT, VOLUME

CASES = {
    "hard_threshold": {"level": 520},
    "soft_threshold": {"level": 520},
    "band_threshold": {"low": 450, "high": 560},
    "hysteresis_threshold": {"low": 540, "high": 700},
}
both = pytest.mark.parametrize("picture", [FLAT, VOLUME], ids=["2-D", "3-D"])


@both
@pytest.mark.parametrize("name", CASES)
def test_as_defined(name, picture):
    result, exact = getattr(en, name)(picture, **CASES[name]), getattr(reference, name)(picture, **CASES[name])
    np.testing.assert_allclose(result, exact, rtol=1e-6, atol=1e-4)
    assert 0 < (result > picture.min()).sum() < picture.size


@pytest.mark.parametrize("mode", ["hard", "soft"])
def test_hard_and_soft_are_those_of_wavelet_shrinkage_counted_from_the_lowest_value(mode):
    low = FLAT.min()
    wanted = low + pywt.threshold((FLAT - low).astype(np.float64), 100, mode)
    np.testing.assert_allclose(getattr(en, f"{mode}_threshold")(FLAT, level=low + 100), wanted, rtol=1e-6)


def test_what_is_kept_keeps_its_very_value():
    for name in ("hard_threshold", "band_threshold", "hysteresis_threshold"):
        result = getattr(en, name)(FLAT, **CASES[name])
        kept = result > FLAT.min()
        np.testing.assert_array_equal(result[kept], FLAT[kept])


def test_a_level_beyond_the_range():
    np.testing.assert_array_equal(en.hard_threshold(FLAT, level=1e6), np.full_like(FLAT, FLAT.min()))
    np.testing.assert_array_equal(en.soft_threshold(FLAT, level=-1e6), FLAT)
    np.testing.assert_array_equal(en.band_threshold(FLAT, low=-1e6, high=1e6), FLAT)


def test_corners_connect_and_a_weak_region_without_a_strong_pixel_goes():
    picture = np.zeros((6, 6))
    picture[1, 1], picture[2, 2], picture[3, 3] = 5, 5, 9
    picture[5, 0] = 5
    kept = en.hysteresis_threshold(picture, low=3, high=8) > 0
    np.testing.assert_array_equal(np.argwhere(kept), [[1, 1], [2, 2], [3, 3]])


@both
def test_otsu_is_the_best_of_all_splits(picture):
    below, above = reference.otsu(picture)
    step = np.ptp(picture) / 65535
    assert below - step <= en.otsu(picture) <= above + step


@both
@pytest.mark.parametrize("name", ["otsu", "li"])
def test_levels_near_those_of_scikit_image(name, picture):
    theirs = getattr(filters, f"threshold_{name}")(picture.astype(np.float64))
    assert getattr(en, name)(picture) == pytest.approx(theirs, abs=float(np.ptp(picture)) / 128)


def test_li_is_a_fixed_point_of_its_equation():
    level, low = en.li(FLAT), float(FLAT.min())
    under, over = FLAT[level >= FLAT].mean() - low, FLAT[level < FLAT].mean() - low
    assert level - low == pytest.approx((over - under) / np.log(over / under), abs=1e-4 * float(np.ptp(FLAT)))


@both
@pytest.mark.parametrize("classes", [2, 3, 4])
def test_multi_otsu(picture, classes):
    levels = np.array(en.multi_otsu(picture, classes=classes))
    np.testing.assert_allclose(levels, reference.multi_otsu(picture, classes=classes), atol=1e-3 * np.ptp(picture))
    part = np.digitize(picture, levels)
    means = np.array([picture[part == k].mean() for k in range(classes)])
    np.testing.assert_allclose(levels, (means[1:] + means[:-1]) / 2, atol=1e-3 * np.ptp(picture))


@given(hnp.arrays(np.float32, st.tuples(st.just(1), st.integers(2, 40)), elements=st.integers(0, 50).map(float)))
def test_two_classes_of_multi_otsu_are_otsu(values):
    if len(np.unique(values)) > 2:
        one, (other,) = en.otsu(values), en.multi_otsu(values, classes=2)
        # Both fulfil Otsu's condition; there may be two such splits.
        for level in (one, other):
            means = values[values <= level].mean(), values[values > level].mean()
            between = values[values <= level].max(), values[values > level].min()
            assert between[0] - 0.01 <= np.mean(means) <= between[1] + 0.01


@both
def test_triangle_as_defined(picture):
    tail = np.exp(np.float64(picture) / 100)
    for one in (tail, -tail):
        assert en.triangle(one) == pytest.approx(reference.triangle(one), abs=1e-3 * np.ptp(tail))
        assert en.triangle(one) == pytest.approx(filters.threshold_triangle(one), abs=np.ptp(tail) / 50)


def test_levels_of_two_clear_groups_part_them():
    picture = np.concatenate([np.full(60, 10.0), np.linspace(9, 11, 20), np.linspace(90, 110, 20)]).reshape(10, 10)
    for name in ("otsu", "li"):
        assert 11 < getattr(en, name)(picture) < 90
    assert 10 < en.triangle(picture) < 90


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda x: en.band_threshold(x, low=5, high=4), "high must not be below low; got 5 and 4"),
        (lambda x: en.hysteresis_threshold(x, low=5, high=4), "high must not be below low"),
        (lambda x: en.hysteresis_threshold(x, low=np.nan, high=4), "high must not be below low"),
        (lambda x: en.multi_otsu(x, classes=1), "classes must be 2 to 5; got 1"),
        (lambda x: en.multi_otsu(x, classes=6), "classes must be 2 to 5; got 6"),
        (lambda x: en.multi_otsu(x > 500), "3 classes need as many different values .* the picture has 2"),
        (lambda x: en.multi_otsu(np.zeros((4, 4))), "the picture has 1"),
    ],
)
def test_parameters_out_of_range_are_refused(call, says):
    with pytest.raises(InputError, match=says):
        call(FLAT)
