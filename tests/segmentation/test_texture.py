"""Texture maps against loops over windows, scikit-image's `graycomatrix` first of all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, stats
from skimage.feature import graycomatrix, graycoprops

from medloc_lib.errors import InputError
from medloc_lib.segmentation import binary_patterns, cooccurrence, gabor, local_entropy
from medloc_lib.segmentation.cooccurrence import ANGLES, PROPERTIES, quantized


def looped(codes, window, levels, distance):
    """(properties, rows, cols), one `graycomatrix` a window; directions without a pair do not count."""
    half, maps = window // 2, np.zeros((len(PROPERTIES), *codes.shape))
    for row, col in np.ndindex(codes.shape):
        patch = codes[max(0, row - half) : row + half + 1, max(0, col - half) : col + half + 1]
        counts = graycomatrix(patch.astype(np.uint8), [distance], ANGLES, levels, symmetric=True)
        some = counts.sum(axis=(0, 1))[0] > 0
        if not some.any():
            continue
        shares = graycomatrix(patch.astype(np.uint8), [distance], ANGLES, levels, symmetric=True, normed=True)
        for k, name in enumerate(PROPERTIES):
            maps[k, row, col] = graycoprops(shares, name)[0, some].mean()
    return maps


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    window=st.sampled_from([3, 5, 7]),
    levels=st.sampled_from([2, 5, 16]),
    distance=st.integers(1, 3),
)
def test_cooccurrence_is_that_of_a_loop_over_windows(seed, shape, window, levels, distance):
    distance = min(distance, window // 2)
    image = np.random.default_rng(seed).integers(0, levels, shape)
    found = cooccurrence(image, window=window, levels=levels, distance=distance, limits=(0, levels))
    np.testing.assert_allclose(found, looped(image, window, levels, distance), rtol=1e-9, atol=1e-9)


def test_cooccurrence_in_a_large_window_and_of_some_properties():
    image = np.random.default_rng(0).random((24, 24))
    codes = quantized(image, 8)
    wanted = looped(codes, 17, 8, 2)
    found = cooccurrence(image, window=17, levels=8, distance=2, properties=("entropy", "contrast"))
    np.testing.assert_allclose(found, wanted[[PROPERTIES.index("entropy"), PROPERTIES.index("contrast")]], rtol=1e-9)


def test_a_pixel_without_value_is_in_no_pair():
    image = np.arange(25.0).reshape(5, 5) % 7
    holed = image.copy()
    holed[:, 2] = np.nan
    found = cooccurrence(holed, window=3, levels=7, limits=(0, 7))
    left = cooccurrence(image[:, :2], window=3, levels=7, limits=(0, 7))
    np.testing.assert_allclose(found[:, :, 0], left[:, :, 0])
    assert np.isfinite(found).all()


def test_levels_are_equal_steps_between_the_limits():
    np.testing.assert_array_equal(quantized([[0.0, 0.9, 1.0, 3.9, 4.0]], 4), [[0, 0, 1, 3, 3]])
    np.testing.assert_array_equal(quantized([[-5.0, 0.9, 9.0]], 2, limits=(0, 2)), [[0, 0, 1]])
    np.testing.assert_array_equal(quantized([[3, 3]], 4), [[0, 0]])


def test_binary_patterns_count_the_kinds_of_corners():
    image = np.random.default_rng(1).integers(0, 4, (12, 11))
    around = [(0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1)]
    found = binary_patterns(image, window=1)
    kind = found.argmax(axis=0)
    diagonal = 1 - np.sqrt(0.5)  # neighbours across lie on the circle, between pixels
    for row, col in np.ndindex(10, 9):
        r, c = row + 1, col + 1
        values = []
        for dr, dc in around:
            if dr and dc:
                near, far = image[r, c], image[r + dr, c + dc]
                sides = image[r + dr, c] + image[r, c + dc]
                a = diagonal
                values.append(a * a * near + a * (1 - a) * sides + (1 - a) ** 2 * far)
            else:
                values.append(image[r + dr, c + dc])
        ones = [v >= image[r, c] - 1e-9 for v in values]
        changes = sum(ones[i] != ones[i - 1] for i in range(8))
        assert kind[r, c] == (sum(ones) if changes <= 2 else 9), (r, c)
    np.testing.assert_allclose(binary_patterns(image, window=5).sum(axis=0), 1)
    np.testing.assert_array_equal(binary_patterns(3.0 * image + 7), binary_patterns(image))


def test_entropy_of_the_histogram_in_each_window():
    image = np.random.default_rng(2).integers(0, 6, (9, 10))
    found = local_entropy(image, window=5, levels=6, limits=(0, 6))[0]
    for row, col in np.ndindex(image.shape):
        patch = image[max(0, row - 2) : row + 3, max(0, col - 2) : col + 3]
        np.testing.assert_allclose(found[row, col], stats.entropy(np.bincount(patch.ravel()), base=2), atol=1e-9)


def test_gabor_is_a_convolution_with_a_wave_under_a_gaussian():
    image = np.random.default_rng(3).random((40, 41))
    found = gabor(image, wavelengths=[4], angles=4)
    rows, cols = np.mgrid[-6:7, -6:7]
    envelope = np.exp(-(rows**2 + cols**2) / 8)
    envelope /= envelope.sum()
    for k in range(4):
        wave = np.exp(2j * np.pi * (cols * np.cos(np.pi * k / 4) + rows * np.sin(np.pi * k / 4)) / 4)
        kernel = envelope * wave
        kernel = kernel - envelope * kernel.real.sum()
        parts = [ndimage.correlate(image, part, mode="reflect") for part in (kernel.real, kernel.imag)]
        np.testing.assert_allclose(found[k], np.hypot(*parts), atol=1e-9)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: cooccurrence(x, window=4), "window must be odd"),
        (lambda x: cooccurrence(x, window=3, distance=2), "at most half"),
        (lambda x: cooccurrence(x, properties=("colour",)), "properties must be some of"),
        (lambda x: cooccurrence(x, levels=65), "64 or less"),
        (lambda x: cooccurrence(x, limits=(2, 1)), "limits must rise"),
        (lambda x: binary_patterns(x, window=2), "window must be odd"),
        (lambda x: gabor(x, wavelengths=[1]), "2 pixels or more"),
        (lambda x: gabor(x[None]), r"\(rows, cols\)"),
    ],
)
def test_refusals(call, words):
    with pytest.raises(InputError, match=words):
        call(np.random.default_rng(0).random((8, 8)))
