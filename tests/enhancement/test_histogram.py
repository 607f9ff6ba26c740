"""Equalization, bi-histogram equalization, matching and CLAHE against their definitions on exact values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage import exposure

from medloc_lib import enhancement as en
from medloc_lib.errors import InputError
from tests.enhancement import reference
from tests.enhancement.pictures import FLAT, VOLUME, smooth

both = pytest.mark.parametrize("picture", [FLAT, VOLUME], ids=["2-D", "3-D"])


@both
@pytest.mark.parametrize("name", ["equalize", "equalize_bihistogram"])
def test_as_defined(name, picture):
    exact = getattr(reference, name)(picture)
    np.testing.assert_allclose(getattr(en, name)(picture), exact, atol=1e-3 * np.ptp(exact))
    whole = np.rint(picture)  # whole numbers fall into steps of their own: then it is exact
    exact = getattr(reference, name)(whole)
    np.testing.assert_allclose(getattr(en, name)(whole), exact, atol=1e-5 * np.ptp(exact))


@pytest.mark.parametrize("change", [lambda x: x + 1e6, lambda x: -x, lambda x: x * 1e-15], ids=["far", "dark", "small"])
def test_equalization_in_other_units(change):
    picture = change(np.rint(FLAT).astype(np.float64))
    exact = reference.equalize(picture.astype(np.float32))
    np.testing.assert_allclose(en.equalize(picture), exact, atol=2e-4 * np.ptp(exact))


def test_all_values_become_equally_frequent_and_both_ends_stay():
    result = en.equalize(smooth((200, 200)))
    counts = np.histogram(result, bins=20)[0]
    assert counts.max() / counts.min() < 1.05
    assert result.min(), result.max() == (smooth((200, 200)).min(), smooth((200, 200)).max())


def test_near_scikit_image_on_a_picture_without_a_large_background():
    theirs = exposure.equalize_hist(FLAT, nbins=4096)
    ours = (en.equalize(FLAT) - FLAT.min()) / np.ptp(FLAT)
    np.testing.assert_allclose(ours, theirs, atol=2e-3)


def test_a_mask_says_what_is_counted():
    mask = np.zeros(FLAT.shape, bool)
    mask[:, :40] = True
    picture = FLAT.copy()
    picture[:, 60:] = 0
    result = en.equalize(picture, mask=mask)
    np.testing.assert_allclose(result, reference.equalize(picture, mask=mask), atol=1e-3 * np.ptp(picture))
    assert (result[:, 60:] == picture.min()).all()


@given(st.integers(0, 50))
def test_brightness_is_preserved_better_by_halves(seed):
    dark = np.exp(smooth((40, 40), seed).astype(np.float64) / 150)
    moved = {name: abs(getattr(en, name)(dark).mean() - dark.mean()) for name in ("equalize", "equalize_bihistogram")}
    assert moved["equalize_bihistogram"] < moved["equalize"]


def test_matching_is_scikit_images():
    whole = np.rint(FLAT)  # values that do not share a step
    for model in (np.rint(smooth((50, 70), 1)), np.rint(FLAT[::-1]) - 2000, np.rint(VOLUME / 7)):
        exact = exposure.match_histograms(whole.astype(np.float64).ravel(), np.float64(model).ravel())
        result = en.match(whole, model)
        np.testing.assert_allclose(result.ravel(), exact, atol=1e-4 * np.ptp(exact))
        assert result.min() >= model.min()
        assert result.max() == pytest.approx(model.max(), rel=1e-6)


def test_matching_to_itself_changes_nothing():
    np.testing.assert_allclose(en.match(FLAT, FLAT), FLAT, atol=1e-4 * np.ptp(FLAT))


class TestClahe:
    @pytest.mark.parametrize("clip", [1, 2, 4.5, 100])
    @pytest.mark.parametrize("tiles", [1, 2, 5, 8, (3, 7)])
    def test_as_defined_in_2d(self, clip, tiles):
        # A value on the edge of a bin may be counted on either side: one pixel of a tile.
        exact = reference.clahe(FLAT, clip=clip, tiles=tiles)
        most = np.prod([-(-n // t) for n, t in zip(FLAT.shape, np.broadcast_to(tiles, 2), strict=True)])
        np.testing.assert_allclose(en.clahe(FLAT, clip=clip, tiles=tiles), exact, atol=1.1 / most * np.ptp(exact))

    @pytest.mark.parametrize("tiles", [1, 3, (2, 4, 5), (1, 6, 1), (40, 2, 2)])
    def test_as_defined_in_3d(self, tiles):
        exact = reference.clahe(VOLUME, clip=3, tiles=tiles)
        error = np.abs(en.clahe(VOLUME, clip=3, tiles=tiles) - exact) / np.ptp(exact)
        assert error.max() < 0.03
        assert np.median(error) < 1e-6

    def test_whole_numbers_from_0_to_256_are_exact(self):
        picture = np.random.default_rng(0).integers(0, 257, (64, 80)).astype(float)
        picture[0, :2] = 0, 256
        np.testing.assert_allclose(en.clahe(picture, clip=3), reference.clahe(picture, clip=3), atol=1e-3)

    def test_a_volume_of_equal_planes_is_like_one_plane(self):
        stack = np.repeat(FLAT[None], 4, axis=0)
        np.testing.assert_allclose(en.clahe(stack, tiles=(2, 6, 6))[1], en.clahe(FLAT, tiles=6), rtol=1e-5)

    def test_one_tile_without_limit_is_equalization(self):
        alike = en.clahe(FLAT, clip=1e6, tiles=1), reference.equalize(FLAT)
        assert np.abs(alike[0] - alike[1]).max() < 0.02 * np.ptp(FLAT)

    def test_the_limit_limits_contrast(self):
        steps = np.linspace(0, 255, 64 * 64).reshape(64, 64)
        steps[20:24, 20:24] = 128
        rise = [np.abs(np.diff(en.clahe(steps, clip=clip, tiles=1), axis=1)).max() for clip in (1, 2, 8)]
        before = np.abs(np.diff(steps, axis=1)).max()
        assert rise[0] <= rise[1] <= rise[2]
        assert rise[0] <= 2 * before

    @pytest.mark.parametrize(
        ("options", "says"),
        [
            ({"clip": 0.5}, "clip must be 1 or more; got 0.5"),
            ({"clip": np.nan}, "clip must be 1 or more"),
            ({"tiles": 0}, "tiles must be a number from 1"),
            ({"tiles": (2, 2, 2)}, "one for each of the 2 axes"),
        ],
    )
    def test_parameters_out_of_range_are_refused(self, options, says):
        with pytest.raises(InputError, match=says):
            en.clahe(FLAT, **options)


@pytest.mark.parametrize("mask", [np.ones((2, 2)), np.zeros(FLAT.shape), np.ones(FLAT.shape[0])])
def test_a_mask_that_does_not_fit_is_refused(mask):
    with pytest.raises(InputError, match="mask must have the picture's shape"):
        en.equalize(FLAT, mask=mask)
