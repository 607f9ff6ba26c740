"""What lies around a region, against masks drawn by hand and SciPy's distances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from medloc_lib.classical.features import from_masks
from medloc_lib.classical.features.context import LIMIT, PLACE_NAMES, RINGS, mirrored, place, rings
from medloc_lib.classical.scene import Scene, axis_of, mirror, mm_inside


def ellipse(shape=(60, 50), middle=(30.0, 24.0), radii=(26.0, 19.0)):
    row, col = np.indices(shape)
    return np.hypot((row - middle[0]) / radii[0], (col - middle[1]) / radii[1]) < 1


@given(st.integers(0, 2**31))
def test_rings_are_what_a_grown_box_holds_of_the_head_beside_the_region(seed):
    rng = np.random.default_rng(seed)
    picture, where = rng.normal(0, 4, (40, 36)), ellipse((40, 36), (20, 18), (17, 15))
    height, width = rng.integers(2, 9, 2)
    row, col = rng.integers(6, 40 - 9), rng.integers(6, 36 - 9)
    mask = rng.random((height, width)) < 0.7
    mask[0, 0] = True
    box = [row, col, row + height, col + width]
    found = rings(picture, where, from_masks([box], [mask], picture.shape))[0].reshape(2, 3)
    whole = np.zeros(picture.shape, bool)
    whole[row : row + height, col : col + width] = mask
    values = np.clip(picture, -LIMIT, LIMIT)
    mine = values[whole & where].mean() if (whole & where).any() else 0
    for (least, share), (mean, sd, contrast) in zip(RINGS, found, strict=True):
        by = int(max(least, np.round(share * np.sqrt(mask.sum()))))
        wide = np.zeros(picture.shape, bool)
        wide[max(row - by, 0) : row + height + by, max(col - by, 0) : col + width + by] = True
        ring = values[wide & where & ~whole]
        if len(ring) == 0:
            assert mean == pytest.approx(0, abs=1e-6)
            continue
        assert (mean, sd) == (pytest.approx(ring.mean(), abs=1e-4), pytest.approx(ring.std(), abs=1e-3))
        assert contrast == pytest.approx(mine - ring.mean(), abs=1e-4)


def test_the_mirror_stands_along_the_long_axis():
    where = ellipse()
    picture = np.zeros(where.shape, np.float32)
    picture[20:25, 10:14] = 5
    other = mirror(picture[None], where)[0]
    twin = np.zeros_like(picture)
    twin[20:25, 2 * 24 - 13 : 2 * 24 - 9] = 5
    np.testing.assert_allclose(other, twin, atol=0.3)
    here = from_masks([[20, 10, 25, 14]], [np.ones((5, 4), bool)], where.shape)
    there, contrast = mirrored(picture, other, here)[0]
    assert there == pytest.approx(0, abs=0.1) and contrast == pytest.approx(5, abs=0.1)


@pytest.mark.parametrize("degrees", [0, 12, -20])
def test_a_head_that_is_turned_is_mirrored_about_its_own_axis(degrees):
    where = ndimage.rotate(np.pad(ellipse(), 10), degrees, reshape=False, order=0) > 0
    _, along = axis_of(where)
    assert along[0] > 0.9
    assert np.rad2deg(np.arctan2(along[1], along[0])) == pytest.approx(degrees, abs=2)
    np.testing.assert_allclose(mirror(where[None].astype(np.float32), where)[0] > 0.5, where, atol=1)
    assert ((mirror(where[None].astype(np.float32), where)[0] > 0.5) != where).mean() < 0.02


def test_depth_is_scipys_distance():
    where = ellipse()
    expected = ndimage.distance_transform_edt(np.pad(where, 1), sampling=1.5)[1:-1, 1:-1]
    np.testing.assert_allclose(mm_inside(where, (1.5, 1.5)), expected, atol=1e-4)


def test_place_by_hand():
    where = ellipse()
    blank = np.zeros((1, *where.shape), np.float32)
    scene = Scene(blank, where, blank, blank[0], 0, ("a",), (2.0, 2.0))
    region = from_masks([[40, 30, 43, 33]], [np.ones((3, 3), bool)], where.shape)
    found = dict(zip(PLACE_NAMES, place(scene, region)[0], strict=True))
    radius = np.sqrt(where.sum() / np.pi)
    depth = ndimage.distance_transform_edt(np.pad(where, 1), sampling=2.0)[1:-1, 1:-1][40:43, 30:33]
    assert found["place_depth"] == pytest.approx(depth.mean(), abs=1e-3)
    assert found["place_depth_min"] == pytest.approx(depth.min(), abs=1e-3)
    assert found["place_depth_max"] == pytest.approx(depth.max(), abs=1e-3)
    assert found["place_front"] == pytest.approx((41 - 30) / radius, abs=1e-2)
    assert found["place_side"] == pytest.approx((31 - 24) / radius, abs=1e-2)
    assert found["place_head"] == pytest.approx(2 * radius)
