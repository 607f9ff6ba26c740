"""The classifier that learns from strokes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from medloc_lib.errors import InputError
from medloc_lib.metrics import dice
from medloc_lib.segmentation import PixelClassifier, pixel_features

RNG = np.random.default_rng(0)
ROWS, COLS = np.mgrid[:64, :64]
LEFT = COLS < 30
TEXTURED = RNG.normal(0, 1, LEFT.shape) * np.where(LEFT, 1.0, 0.1)
STROKES = np.zeros(LEFT.shape, int)
STROKES[10:50, 10:14], STROKES[10:50, 50:54] = 1, 4


def test_features_are_gaussians_and_their_differences():
    image = RNG.random((2, 40, 41))
    found = pixel_features(image, scales=[2.0])
    assert found.shape == (8, 40, 41) and found.dtype == np.float32
    inner = (slice(10, 30), slice(10, 30))
    for k in range(2):
        smooth = ndimage.gaussian_filter(image[k], 2, mode="nearest")
        down, across = np.gradient(smooth)
        bend = np.gradient(down, axis=0) + np.gradient(across, axis=1)
        wanted = [image[k], smooth, 2 * np.hypot(down, across), 4 * bend]
        for maps, exact in zip(found[4 * k : 4 * k + 4], wanted, strict=True):
            np.testing.assert_allclose(maps[inner], exact[inner], atol=1e-5)
    assert pixel_features(RNG.random((1, 5, 6, 7)), scales=[1.0]).shape == (4, 5, 6, 7)
    assert np.isfinite(pixel_features(np.full((1, 1), np.nan))).all()


def test_two_strokes_part_two_textures_and_labels_stay():
    features = pixel_features(TEXTURED)
    learned = PixelClassifier().fit(features, STROKES)
    found = learned.predict(features)
    assert learned.labels_ == (1, 4) and found.dtype == np.int32
    assert dice(found == 1, LEFT) > 0.9
    shares = learned.shares(features)
    assert shares.shape == (2, 64, 64)
    np.testing.assert_allclose(shares.sum(axis=0), 1, atol=1e-5)
    np.testing.assert_array_equal(np.array([1, 4])[shares.argmax(axis=0)], found)


def test_the_same_seed_gives_the_same_and_several_pictures_teach_one_classifier():
    features = pixel_features(TEXTURED)
    one = PixelClassifier(seed=1).fit(features, STROKES).predict(features)
    np.testing.assert_array_equal(one, PixelClassifier(seed=1).fit(features, STROKES).predict(features))
    first, second = np.where(STROKES == 1, 1, 0), np.where(STROKES == 4, 4, 0)
    apart = PixelClassifier(seed=1).fit([features, features], [first, second]).predict(features)
    assert dice(apart == 1, LEFT) > 0.9


def test_one_label_alone_is_everywhere():
    features = pixel_features(TEXTURED)
    assert (PixelClassifier().fit(features, np.where(STROKES == 4, 4, 0)).predict(features) == 4).all()


def test_refusals():
    features = pixel_features(TEXTURED)
    with pytest.raises(InputError, match="has not learned anything"):
        PixelClassifier().predict(features)
    with pytest.raises(InputError, match="it learned from 10 features; got 4"):
        PixelClassifier().fit(features, STROKES).predict(features[:4])
    with pytest.raises(InputError, match="none that is marked"):
        PixelClassifier().fit(features, STROKES * 0)
    with pytest.raises(InputError, match="a list of 1 features needs a list of as many strokes"):
        PixelClassifier().fit([features], STROKES)
    with pytest.raises(InputError, match="features must be finite"):
        PixelClassifier().fit(features[0], STROKES)
