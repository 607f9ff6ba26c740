"""The rules that hold for every function: what goes in, what comes out, and pictures that are unusual."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from medloc_lib import enhancement as en
from medloc_lib.errors import InputError
from tests.enhancement.pictures import ALL, FILTERS, FLAT, LEVELS, MAPS, OWN_RANGE, RESPONSES, VOLUME

every = pytest.mark.parametrize("name", ALL)


def function_of(name):
    """The name of the function that a key of `ALL` stands for."""
    return name.split(",")[0]


def test_every_public_function_is_tried():
    measures = {"air_noise", "cnr", "snr", "entropy", "psnr", "ssim"}
    assert {function_of(name) for name in (*ALL, *LEVELS)} | measures == set(en.__all__)


@every
@pytest.mark.parametrize("picture", [FLAT, VOLUME], ids=["2-D", "3-D"])
def test_a_new_float32_array_of_the_same_shape_comes_out_and_the_input_stays(name, picture):
    given_ = picture.copy()
    given_.flags.writeable = False
    result = ALL[name](given_)
    assert isinstance(result, np.ndarray)
    assert result.dtype == np.float32
    assert result.shape == picture.shape
    assert np.isfinite(result).all()
    assert not np.shares_memory(result, given_)
    np.testing.assert_array_equal(given_, picture)


@every
@pytest.mark.parametrize("picture", [FLAT, VOLUME], ids=["2-D", "3-D"])
def test_range_and_units_stay(name, picture):
    if name not in OWN_RANGE:  # of those the own tests say what the range is
        result = ALL[name](picture)
        assert picture.min() <= result.min()
        assert result.max() <= picture.max()


@every
def test_the_same_values_in_another_type_or_order_give_the_same(name):
    whole = FLAT.astype(np.int16)
    expected = ALL[name](whole.astype(np.float32))
    for other in (whole, whole.astype(np.float64), np.asfortranarray(whole), whole.astype(np.int64).tolist()):
        np.testing.assert_allclose(ALL[name](other), expected, rtol=1e-6, atol=1e-6)


@every
def test_a_picture_of_bytes_or_of_bools(name):
    assert np.isfinite(ALL[name](np.clip(FLAT / 4, 0, 255).astype(np.uint8))).all()
    assert np.isfinite(ALL[name](FLAT > 500)).all()


@every
@pytest.mark.parametrize("value", [0, -3.5, 7, 1e6])
def test_a_picture_of_one_value(name, value):
    if name == "window":
        wanted = np.clip((value - 350) / 300, 0, 1)
    elif name == "match":
        wanted = FLAT.max()
    else:
        wanted = RESPONSES.get(name, value)
    for shape in [(1, 1), (1, 1, 1), (6, 7), (3, 6, 7), (1, 9), (9, 1)]:
        np.testing.assert_allclose(ALL[name](np.full(shape, value)), np.full(shape, wanted), rtol=1e-5, atol=1e-6)


@every
def test_pictures_of_few_pixels(name):
    for shape in [(1, 2), (2, 1), (2, 2), (1, 2, 2), (2, 2, 2), (5, 3), (2, 1, 40)]:
        result = ALL[name](np.arange(np.prod(shape), dtype=float).reshape(shape) * 100)
        assert result.shape == shape
        assert np.isfinite(result).all()


@every
@pytest.mark.parametrize("picture", [FLAT, VOLUME], ids=["2-D", "3-D"])
def test_nan_stays_and_nothing_else_is_nan(name, picture):
    holes = np.zeros(picture.shape, bool)
    holes[..., 3:8, 5:15] = True
    holes[..., -1, -1] = True
    result = ALL[name](np.where(holes, np.nan, picture))
    np.testing.assert_array_equal(np.isnan(result), holes)


@pytest.mark.parametrize("name", MAPS)
def test_nan_does_not_count(name):
    """A map of the values that are there is the same when others that were not measured stand beside them."""
    wide = np.concatenate([FLAT, np.full_like(FLAT, np.nan)], axis=1)
    np.testing.assert_allclose(MAPS[name](wide)[:, : FLAT.shape[1]], MAPS[name](FLAT), rtol=1e-6)


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_fills_nan_with_the_nearest_value(name):
    holed, filled = FLAT.copy(), FLAT.copy()
    holed[0, :4] = np.nan
    filled[0, :4] = filled[1, :4]
    result = FILTERS[name](holed)
    np.testing.assert_allclose(result[1:], FILTERS[name](filled)[1:], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", LEVELS)
def test_nan_does_not_count_for_a_level(name):
    wide = np.concatenate([FLAT, np.full_like(FLAT, np.nan)], axis=1)
    np.testing.assert_allclose(LEVELS[name](wide), LEVELS[name](FLAT))


@pytest.mark.parametrize("name", sorted(set(LEVELS) - {"multi_otsu"}))
@pytest.mark.parametrize("value", [0, -3.5, 1e6])
def test_the_level_of_a_picture_of_one_value_is_that_value(name, value):
    assert LEVELS[name](np.full((4, 5), value)) == value


@pytest.mark.parametrize("name", sorted(set(ALL) - {"window"} | set(LEVELS)))
def test_infinity_is_refused(name):
    for value in (np.inf, -np.inf):
        picture = FLAT.copy()
        picture[2, 3] = value
        with pytest.raises(InputError, match="finite"):
            {**ALL, **LEVELS}[name](picture)


@pytest.mark.parametrize("name", sorted(set(ALL) - {"window"} | set(LEVELS)))
def test_nan_alone_is_refused(name):
    with pytest.raises(InputError, match="every pixel is NaN"):
        {**ALL, **LEVELS}[name](np.full((4, 4), np.nan))


@pytest.mark.parametrize("name", {**ALL, **LEVELS})
def test_what_is_no_picture_is_refused(name):
    for thing, says in (
        (np.zeros(5), r"got shape \(5,\)"),
        (np.zeros((0, 4)), r"got shape \(0, 4\)"),
        (np.zeros((2, 3, 4, 3)), "channel by channel"),
        (np.zeros((3, 3), complex), "real numbers; got complex128"),
        (np.array([["a", "b"]]), "real numbers"),
    ):
        with pytest.raises(InputError, match=says):
            {**ALL, **LEVELS}[name](thing)


@every
def test_what_float32_cannot_hold_is_refused(name):
    if name != "window":
        with pytest.raises(InputError, match=r"float32|3\.4e38"):
            ALL[name](np.array([[1e300, 0], [1, 2]]))


@pytest.mark.parametrize("name", sorted(set(MAPS) - {"window"}))
def test_a_span_that_float32_cannot_hold_is_refused(name):
    with pytest.raises(InputError, match=r"less than 3\.4e38"):
        MAPS[name](np.array([[3e38, -3e38]]))


pictures = hnp.arrays(
    np.float32,
    st.one_of(st.tuples(st.integers(1, 6), st.integers(1, 6)), st.tuples(*[st.integers(1, 4)] * 3)),
    elements=st.floats(-1e6, 1e6, width=32),
)


@pytest.mark.parametrize("name", sorted(set(ALL) - {"correct_bias", "bias_field"}))
@settings(max_examples=25)
@given(picture=pictures)
def test_any_picture_gives_a_finite_one_within_the_range(name, picture):
    result = ALL[name](picture)
    assert result.shape == picture.shape
    assert np.isfinite(result).all()
    if name not in OWN_RANGE:
        assert picture.min() <= result.min()
        assert result.max() <= picture.max()


@pytest.mark.parametrize("name", sorted(set(ALL) - {"hysteresis_threshold", "correct_bias", "bias_field", "match"}))
@pytest.mark.parametrize("scale", [1e-18, 1e15])
def test_small_and_large_units(name, scale):
    """Functions whose parameters are not in the image's units do the same in any."""
    parameters_in_units = set(MAPS) - {"stretch_percentiles", "gamma", "logarithm", "sigmoid", "equalize"}
    parameters_in_units |= {"bilateral", "non_local_means", "total_variation"}
    if name not in parameters_in_units:
        unit = scale if name != "frangi" else 1
        result = ALL[name](FLAT.astype(np.float64) * scale)
        expected = ALL[name](FLAT).astype(np.float64) * unit
        # A pixel on the edge between two steps of a histogram may fall to either side.
        np.testing.assert_allclose(result, expected, rtol=1e-3, atol=1e-3 * np.ptp(expected))
