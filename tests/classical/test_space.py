"""Candidates as points: axes, operating points against the FROC, and the boundary of two axes."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.collections import PathCollection

from medloc_lib.classical import SupervisedLocalizer, describe
from medloc_lib.classical.space import COMPONENTS, GRID, TRUTHS, Space
from medloc_lib.classical.supervised import scaled, taught
from medloc_lib.errors import InputError
from medloc_lib.localizer import any_class
from medloc_lib.metrics import froc
from medloc_lib.plot import feature_space
from medloc_lib.plot.spaces import patch_of
from tests.classical import scenes


@pytest.fixture(scope="module")
def samples():
    return scenes.many(12)


@pytest.fixture(scope="module")
def space(samples):
    items = [describe(sample, n=20) for sample in samples]
    localizer = SupervisedLocalizer(candidates=20).fit(items)
    made = Space(localizer, items)
    made.localizer = localizer
    return made


def test_axes_are_features_and_principal_components(space):
    np.testing.assert_array_equal(space.axis("shape_area"), space.table.column("shape_area"))
    values = scaled().fit_transform(space.table.values).astype(float)
    centred = values - values.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    for k, name in enumerate(COMPONENTS):
        np.testing.assert_allclose(np.abs(space.axis(name)), np.abs(centred @ directions[k]), rtol=1e-3, atol=1e-3)
    with pytest.raises(InputError, match="there is no feature 'nose'"):
        space.axis("nose")


def test_operating_points_lie_on_the_froc(space):
    truth = [item.sample for item in space.items]
    curve = froc(*any_class(truth, space.localizer.predict(space.items)), iou=0.3)
    for threshold in np.quantile(space.scores, (0.5, 0.8, 0.95, 0.99)):
        found = space.operating(threshold)
        at = np.flatnonzero(np.isclose(curve.curve_false_positives, found.false_positives))
        assert np.isclose(curve.curve_sensitivity[at], found.sensitivity).any()
    assert space.operating(np.inf) == (0, 0)


def test_truth_is_what_is_taught(space):
    hit, miss = taught(space.table)
    np.testing.assert_array_equal(space.truth == TRUTHS.index("lesion"), hit)
    np.testing.assert_array_equal(space.truth == TRUTHS.index("background"), miss)


def test_the_boundary_lets_through_the_share_that_it_says(space):
    x, y = "suspicion/stat_mean", "suspicion/near_contrast"
    shares, (low_x, high_x, low_y, high_y) = space.boundary(x, y)
    assert shares.shape == (GRID, GRID) and 0 <= shares.min() < shares.max() <= 1
    col = np.clip(((space.axis(x) - low_x) / (high_x - low_x) * GRID).astype(int), 0, GRID - 1)
    row = np.clip(((space.axis(y) - low_y) / (high_y - low_y) * GRID).astype(int), 0, GRID - 1)
    for share in (0.1, 0.3, 0.6):
        assert (shares[row, col] <= share).mean() == pytest.approx(share, abs=0.08)


def test_what_is_wrong_is_said(space, samples):
    with pytest.raises(InputError, match="needs a localizer that is fitted"):
        Space(SupervisedLocalizer(), space.items)
    nobody = describe(samples[0].replace(boxes=None, labels=None, ignore=None), n=20)
    with pytest.raises(InputError, match="one has boxes=None"):
        Space(space.localizer, [nobody])
    with pytest.raises(InputError, match="needs the 12 pictures of the space; got 2"):
        feature_space(space, samples[:2])
    with pytest.raises(InputError, match="draws into 3 axes"):
        feature_space(space, samples, axes=[None])


def test_the_figure_shows_every_candidate_and_says_the_operating_point(space, samples):
    threshold = float(np.quantile(space.scores, 0.9))
    axes = feature_space(space, samples, threshold=threshold, selected=5)
    drawn = sum(len(c.get_offsets()) for c in axes[0].collections if isinstance(c, PathCollection))
    assert drawn == len(space)
    found = space.operating(threshold)
    assert f"{found.sensitivity:.2f}, {found.false_positives:.2f} false" in axes[0].get_title()
    assert len(feature_space(space, color="score")) == 1


def test_a_patch_holds_its_box():
    picture = np.arange(900).reshape(30, 30)
    for box in ([0, 0, 3, 3], [25, 26, 30, 30], [10, 4, 16, 28], [0, 0, 30, 30]):
        patch, inside = patch_of(picture, box)
        r0, c0, r1, c1 = inside.astype(int)
        np.testing.assert_array_equal(patch[r0:r1, c0:c1], picture[box[0] : box[2], box[1] : box[3]])
