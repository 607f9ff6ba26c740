"""Contrast: numbers against the definitions and against scikit-image; order and ends."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage import exposure

from medloc_lib import enhancement as en
from medloc_lib.errors import InputError
from tests.enhancement import reference
from tests.enhancement.pictures import FLAT, VOLUME

CASES = {
    "window": {"center": 500, "width": 300},
    "stretch": {"low": 420, "high": 610},
    "stretch_percentiles": {"low": 2, "high": 97},
    "gamma": {"exponent": 0.6},
    "logarithm": {"strength": 25},
    "sigmoid": {"center": 450, "gain": 12},
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("picture", [FLAT, VOLUME, FLAT - 1e5, FLAT * 1e-6], ids=["2-D", "3-D", "far", "small"])
def test_as_defined(name, picture):
    scale, shift = float(np.ptp(picture) / np.ptp(FLAT)), float(picture.min() - FLAT.min())
    options = dict(CASES[name])
    if name in ("window", "stretch", "sigmoid"):  # parameters in the image's units
        low = float(FLAT.min())
        moved = {k: (v - low) * scale + low + shift for k, v in options.items() if k in ("center", "low", "high")}
        options |= moved | ({"width": options["width"] * scale} if "width" in options else {})
    result, exact = getattr(en, name)(picture, **options), getattr(reference, name)(picture, **options)
    np.testing.assert_allclose(result, exact, atol=1e-5 * np.ptp(exact), rtol=1e-6)


def test_window_is_the_dicom_function_at_both_edges_and_outside():
    result = en.window([[-1e9, 0, 1, 79, 80, 1e9, np.inf, -np.inf, np.nan]], center=40, width=80)
    np.testing.assert_allclose(result, [[0, 0, 1 / 80, 79 / 80, 1, 1, 1, 0, np.nan]], rtol=1e-6)


def test_the_same_as_scikit_image_on_shares():
    share = ((FLAT - FLAT.min()) / np.ptp(FLAT)).astype(np.float64)
    ends = share.min(), share.max()
    assert ends == (0, 1)
    np.testing.assert_allclose(en.gamma(share, exponent=2.2), exposure.adjust_gamma(share, 2.2), atol=1e-6)
    np.testing.assert_allclose(en.logarithm(share, strength=1), exposure.adjust_log(share), atol=1e-6)
    np.testing.assert_allclose(en.sigmoid(share), exposure.adjust_sigmoid(share), atol=1e-6)
    rescaled = exposure.rescale_intensity(share, (0.2, 0.7), (0, 1))
    np.testing.assert_allclose(en.stretch(share, low=0.2, high=0.7), rescaled, atol=1e-6)


@pytest.mark.parametrize("name", ["gamma", "logarithm", "sigmoid", "stretch_percentiles"])
@given(parameter=st.floats(0.05, 20))
def test_they_rise_and_most_keep_both_ends(name, parameter):
    ramp = np.linspace(-3, 8, 200).reshape(10, 20)
    option = {"gamma": "exponent", "logarithm": "strength", "sigmoid": "gain", "stretch_percentiles": "low"}[name]
    result = getattr(en, name)(ramp, **{option: parameter}).ravel()
    assert (np.diff(result) >= -1e-5).all()
    if name != "sigmoid":
        np.testing.assert_allclose(result[[0, -1]], [-3, 8], atol=1e-5)


def test_a_few_extreme_pixels_do_not_decide_the_percentile_stretch():
    picture = FLAT.copy()
    picture[0, 0], picture[5, 5] = 1e9, -1e9
    spread = en.stretch_percentiles(picture)
    inner = spread[1:, 1:][np.abs(spread[1:, 1:]) < 1e9]
    assert inner.std() > 0.2 * 2e9 / 2


def test_percentiles_of_one_value_leave_the_picture():
    mostly = np.zeros((20, 20))
    mostly[0, 0] = 5
    np.testing.assert_array_equal(en.stretch_percentiles(mostly), mostly)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda x: en.window(x, center=0, width=0), "width must be a number above 0; got 0"),
        (lambda x: en.window(x, center=0, width=np.nan), "width must be a number above 0"),
        (lambda x: en.window(x, center=1e30, width=1), "high must be above low"),
        (lambda x: en.stretch(x, low=5, high=5), "high must be above low; got 5 and 5"),
        (lambda x: en.stretch(x, low=0, high=np.inf), "high must be above low"),
        (lambda x: en.stretch_percentiles(x, low=-1), "percentiles lie between 0 and 100"),
        (lambda x: en.stretch_percentiles(x, high=101), "percentiles lie between 0 and 100"),
        (lambda x: en.stretch_percentiles(x, low=50, high=50), "high must be above low"),
        (lambda x: en.gamma(x, exponent=0), "exponent must be a number above 0"),
        (lambda x: en.gamma(x, exponent=-1), "exponent must be a number above 0"),
        (lambda x: en.logarithm(x, strength=0), "strength must be a number above 0"),
        (lambda x: en.sigmoid(x, gain=-2), "gain must be a number above 0"),
    ],
)
def test_parameters_out_of_range_are_refused(call, says):
    with pytest.raises(InputError, match=says):
        call(FLAT)
