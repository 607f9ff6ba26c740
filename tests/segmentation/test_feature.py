"""Thresholds, clusters, superpixels and growing regions against brute force and scikit-image's flood."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.segmentation import flood

from medloc_lib.errors import InputError
from medloc_lib.segmentation import grow, kmeans, multi_otsu, superpixels


def spread(values, labels):
    """Sum of squares around the class means, which Otsu's thresholds and k-means make least."""
    return sum(((values[labels == k] - values[labels == k].mean()) ** 2).sum() for k in np.unique(labels))


def least(values, classes):
    """By trying every way to cut the sorted values."""
    ordered = np.sort(values)
    cuts = [i for i in range(1, len(ordered)) if ordered[i] > ordered[i - 1]]
    best = np.inf
    for places in combinations(cuts, classes - 1):
        labels = np.searchsorted(places, np.arange(len(ordered)), side="right")
        best = min(best, spread(ordered, labels))
    return best


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 500), st.sampled_from([2, 3, 4]))
def test_classes_have_the_least_spread_there_is(seed, classes):
    values = np.random.default_rng(seed).integers(0, 40, (1, 18)).astype(float)
    labels = multi_otsu(values, classes=classes)
    # By a histogram of 256 bins, in which values lie at the middles of their bins.
    assert spread(values, labels) <= 1.03 * least(values.ravel(), classes) + 0.1
    clusters = kmeans(values, classes=classes)
    assert spread(values, clusters) <= 1.35 * least(values.ravel(), classes)  # k-means finds a near one
    means = [values[clusters == k].mean() for k in range(1, classes + 1)]
    assert means == sorted(means)


def test_kmeans_looks_at_all_channels_each_in_its_own_deviations():
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 3, (30, 30))
    middle = np.array([[0, 0], [0, 6], [6, 0]])[kind]
    channels = np.moveaxis(middle + rng.normal(0, 0.5, (30, 30, 2)), -1, 0) * np.array([1, 1e4]).reshape(2, 1, 1)
    labels = kmeans(channels)
    for k in range(3):
        assert len(np.unique(labels[kind == k])) == 1
    assert (labels[kind == 2] == 3).all()  # the brightest in the first channel


def test_masks_and_volumes():
    volume = np.random.default_rng(0).random((4, 5, 6))
    volume[2:] += 5
    mask = np.ones(volume.shape, bool)
    mask[0] = False
    for labels in (multi_otsu(volume, classes=2, mask=mask), kmeans(volume[None], classes=2, mask=mask)):
        assert (labels[0] == 0).all() and (labels[1] == 1).all() and (labels[2:] == 2).all()
    with pytest.raises(InputError, match="no pixel to look at"):
        multi_otsu(volume, mask=np.zeros(volume.shape))
    with pytest.raises(InputError, match="mask must have the picture's shape"):
        kmeans(volume[None], mask=mask[0])


def test_superpixels_are_connected_many_as_asked_and_keep_to_edges():
    rng = np.random.default_rng(0)
    image = np.where(np.indices((60, 60))[1] < 27, 0.0, 4.0) + rng.normal(0, 0.1, (60, 60))
    labels = superpixels(image, regions=36)
    assert 18 <= labels.max() <= 72
    assert all(ndimage.label(labels == k)[1] == 1 for k in np.unique(labels))
    assert not set(np.unique(labels[:, :27])) & set(np.unique(labels[:, 27:]))
    mask = np.hypot(*(np.indices((60, 60)) - 30)) < 20
    inside = superpixels(np.stack([image, -image]), regions=20, mask=mask)
    np.testing.assert_array_equal(inside > 0, mask)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 4))
def test_one_seed_grows_as_a_flood_does(seed, tolerance):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 9, (7, 8)).astype(float)
    at = int(rng.integers(7)), int(rng.integers(8))
    seeds = np.zeros(image.shape, int)
    seeds[at] = 3
    wanted = flood(image, at, tolerance=tolerance, connectivity=1)
    np.testing.assert_array_equal(grow(image, seeds, tolerance=tolerance), 3 * wanted)


def test_the_nearer_label_has_what_two_claim_and_seeds_keep_theirs():
    line = np.array([[0.0, 1, 2, 3, 4, 5]])
    seeds = np.array([[1, 0, 0, 0, 0, 2]])
    np.testing.assert_array_equal(grow(line, seeds, tolerance=5), [[1, 1, 1, 2, 2, 2]])
    np.testing.assert_array_equal(grow(line, seeds, tolerance=1), [[1, 1, 0, 0, 2, 2]])
    volume = np.zeros((3, 4, 5))
    volume[1] = 9
    marks = np.zeros(volume.shape, int)
    marks[0, 0, 0] = 1
    np.testing.assert_array_equal(grow(volume, marks, tolerance=1)[:, 0, 0], [1, 0, 0])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: multi_otsu(x, classes=1), "classes must be a whole number from 2"),
        (lambda x: kmeans(x, classes=0), "classes must be a whole number from 1"),
        (lambda x: superpixels(x, regions=0), "regions must be"),
        (lambda x: grow(x, np.ones(x.shape, int), tolerance=-1), "tolerance must be a number from 0"),
        (lambda x: kmeans(x[None, None, None]), r"channels must be numbers"),
        (lambda x: grow(x, x.astype(int) * 0, tolerance=1), "none that is marked"),
    ],
)
def test_refusals(call, words):
    with pytest.raises(InputError, match=words):
        call(np.random.default_rng(0).random((6, 6)))
