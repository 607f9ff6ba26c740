"""Near-duplicates: pictures that were moved, brightened, cut, drawn smaller or left alone, and unrelated ones."""

import numpy as np
import pytest
from scipy import ndimage

from medloc_lib.data import duplicates as d
from medloc_lib.errors import InputError
from medloc_lib.sample import Sample


def scene(seed, shape=(300, 340)):
    """Bright layers above, darkness below, and grain of several sizes, as in ultrasound."""
    rng = np.random.default_rng(seed)
    grain = sum(s * ndimage.gaussian_filter(rng.normal(size=shape), (s, 2 * s)) for s in (4, 8, 16))
    depth = np.linspace(1.5, 0.3, shape[0])[:, None]
    return np.clip(60 * depth * (1 + grain), 0, 255).astype(np.uint8)


CHANGES = {
    "same": lambda x: x,
    "brighter": lambda x: (0.5 * x + 90).astype(np.uint8),
    "moved": lambda x: np.roll(x, (25, -40), axis=(0, 1)),
    "cut": lambda x: x[7:-7, 8:-8],
    "smaller": lambda x: x[::2, ::2],
    "noisy": lambda x: np.clip(x + np.random.default_rng(9).normal(0, 8, x.shape), 0, 255).astype(np.uint8),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_picture_is_a_near_duplicate_and_another_is_not(change):
    pictures = [scene(seed) for seed in range(6)]
    changed = [Sample(CHANGES[change](p)[None]) for p in pictures]
    similar = d.similarity(changed, [Sample(p[None]) for p in pictures])
    assert np.diag(similar).min() > 0.6
    assert similar[~np.eye(6, dtype=bool)].max() < 0.5
    assert [(p.first, p.second) for p in sorted(d.near_duplicates(similar))] == [(i, i) for i in range(6)]


def test_what_is_magnified_by_a_sixth_is_no_near_duplicate_any_more():
    pictures = [scene(seed) for seed in range(4)]
    magnified = [Sample(p[None, 21:-21, 24:-24]) for p in pictures]
    assert d.similarity(magnified, [Sample(p[None]) for p in pictures]).max() < 0.5


@pytest.mark.parametrize("change", ["same", "brighter", "smaller", "noisy"])
def test_the_hash_stays_where_nothing_moves(change):
    distance = [np.sum(d.perceptual_hash(scene(i)) != d.perceptual_hash(CHANGES[change](scene(i)))) for i in range(6)]
    assert max(distance) <= 8


def test_unrelated_hashes_differ_in_about_half_of_their_bits():
    bits = [d.perceptual_hash(np.random.default_rng(i).normal(size=(64, 64))) for i in range(40)]
    apart = [np.sum(a != b) for k, a in enumerate(bits) for b in bits[:k]]
    assert np.mean(apart) == pytest.approx(32, abs=1)
    assert [int(b.sum()) for b in bits] == [32] * 40  # over the median is one half


def test_the_hash_is_of_the_cosine_transform_as_its_definition_says():
    picture = np.random.default_rng(1).normal(size=(32, 32))
    wave = np.cos(np.pi * np.outer(np.arange(1, 9), 2 * np.arange(32) + 1) / 64)
    wanted = wave @ picture @ wave.T
    np.testing.assert_array_equal(d.perceptual_hash(picture), (wanted > np.median(wanted)).ravel())


def by_hand(a, b, shift):
    """The best correlation of two pictures, shift by shift."""
    n, best = len(a), -1.0
    for down in range(-shift, shift + 1):
        for right in range(-shift, shift + 1):
            x = a[max(-down, 0) : n - max(down, 0), max(-right, 0) : n - max(right, 0)].astype(float)
            y = b[max(down, 0) : n - max(-down, 0), max(right, 0) : n - max(-right, 0)].astype(float)
            best = max(best, (x * y).sum() / np.sqrt((x**2).sum() * (y**2).sum()))
    return best


@pytest.mark.parametrize("shift", [0, 1, 5, 6])
def test_all_shifts_at_once_are_as_one_after_another(shift):
    rng = np.random.default_rng(shift)
    a, b = (rng.normal(size=(n, 12, 12)).astype(np.float32) for n in (3, 4))
    wanted = [[by_hand(x, y, shift) for y in b] for x in a]
    np.testing.assert_allclose(d.best_correlation(a, b, shift=shift), wanted, atol=2e-5)


def test_a_thumbnail_knows_neither_brightness_nor_contrast():
    picture = scene(0).astype(float)
    np.testing.assert_allclose(d.thumbnail(2.5 * picture + 30), d.thumbnail(picture), atol=1e-4)
    np.testing.assert_allclose(d.thumbnail(np.full((50, 50), 7.0)), np.zeros((64, 64)), atol=0.1)
    np.testing.assert_allclose(d.thumbnail(np.stack([picture, 3 * picture])), d.thumbnail(picture), atol=1e-4)


def test_a_bound_is_met_by_what_is_just_on_it():
    similar = np.array([[0.6, 0.59], [0.1, 0.95]])
    assert [p[:2] for p in d.near_duplicates(similar, least=0.6)] == [(1, 1), (0, 0)]
    assert d.near_duplicates(similar, least=0.96) == []


def test_what_cannot_be_compared_is_refused():
    flat, volume = Sample(np.ones((1, 9, 9))), Sample(np.ones((1, 4, 9, 9)))
    with pytest.raises(InputError, match="at least one picture"):
        d.similarity([], [flat])
    with pytest.raises(InputError, match="a picture is"):
        d.similarity([volume], [flat])
    with pytest.raises(InputError, match="from 0 to half the side, 4; got 5"):
        d.best_correlation(np.ones((1, 8, 8), np.float32), np.ones((1, 8, 8), np.float32), shift=5)
