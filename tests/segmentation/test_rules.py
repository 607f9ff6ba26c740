"""The rules that hold for every segmenter: what goes in, what comes out, and pictures that are unusual."""

from __future__ import annotations

import numpy as np
import pytest

from medloc_lib import segmentation as sg
from medloc_lib.data.lesions import simulate
from medloc_lib.metrics import dice

ROWS, COLS = np.mgrid[:24, :26]
FLAT = np.round(100 * (np.hypot(ROWS - 12, COLS - 12) < 6) + np.random.default_rng(0).normal(20, 5, ROWS.shape))
VOLUME = np.stack([FLAT] * 5)


def middle(image):
    """Seeds: an object in the middle, and the rest in a corner."""
    marks = np.zeros(np.shape(image), int)
    marks[tuple(n // 2 for n in marks.shape)] = 1
    if marks.size > 1:
        marks[(0,) * marks.ndim] = 2
    return marks


def around(image):
    marks = np.ones(np.shape(image), bool)
    if min(marks.shape) > 2:
        inner = (slice(1, -1),) * marks.ndim
        marks = np.zeros(marks.shape, bool)
        marks[inner] = True
    return marks


def learned(image):
    features = sg.pixel_features(np.asarray(image)[None])
    return np.where(
        np.isfinite(np.asarray(image, float)),
        sg.PixelClassifier(trees=3).fit(features, middle(image)).predict(features),
        0,
    )


SEGMENTERS = {
    "fill_edges": lambda x: sg.fill_edges(x, detector="gradient"),
    "watershed": sg.watershed,
    "watershed, markers": lambda x: sg.watershed(x, middle(x)),
    "geodesic_contour": lambda x: sg.geodesic_contour(x, around(x), balloon=-1, iterations=5),
    "chan_vese": lambda x: sg.chan_vese(x, iterations=5),
    "random_walker": lambda x: sg.random_walker(x, middle(x)),
    "multi_otsu": sg.multi_otsu,
    "kmeans": lambda x: sg.kmeans(np.asarray(x)[None]),
    "mixture": lambda x: sg.mixture(np.asarray(x)[None]),
    "superpixels": lambda x: sg.superpixels(np.asarray(x)[None], regions=9),
    "grow": lambda x: sg.grow(x, middle(x), tolerance=20),
    "brain": sg.brain,
}
FLAT_ONLY = {
    "fill_edges, Canny": sg.fill_edges,
    "snake": lambda x: sg.snake(x, around(x)),
    "pixel classifier": learned,
}
MAPS = {
    "cooccurrence": sg.cooccurrence,
    "binary_patterns": sg.binary_patterns,
    "gabor": lambda x: sg.gabor(x, wavelengths=[4]),
    "local_entropy": sg.local_entropy,
}
ALL = SEGMENTERS | FLAT_ONLY
every = pytest.mark.parametrize("name", ALL)
every_map = pytest.mark.parametrize("name", MAPS)


def test_every_public_function_is_tried():
    named = {name.split(",")[0] for name in (*ALL, *MAPS)} - {"pixel classifier"}
    others = {"Mixture", "PixelClassifier", "gradient", "mixture_model", "pixel_features", "white_cells"}
    assert named | others == set(sg.__all__)


@every
def test_a_label_map_comes_out_and_the_picture_stays(name):
    for image in (FLAT, VOLUME) if name in SEGMENTERS else (FLAT,):
        given = image.copy()
        given.flags.writeable = False
        labels = ALL[name](given)
        assert labels.dtype == np.int32 and labels.shape == image.shape and labels.min() >= 0
        np.testing.assert_array_equal(given, image)


@every
def test_integers_and_lists_are_as_good_as_floats(name):
    wanted = ALL[name](FLAT)
    np.testing.assert_array_equal(ALL[name](FLAT.astype(np.int16)), wanted)
    np.testing.assert_array_equal(ALL[name](FLAT.astype(np.float32)), wanted)


@every
def test_a_pixel_without_value_is_zero(name):
    holed = FLAT.copy()
    holed[3, 4], holed[20, 5], holed[9, 9] = np.nan, np.inf, -np.inf
    labels = ALL[name](holed)
    assert labels[3, 4] == labels[20, 5] == labels[9, 9] == 0


@every
@pytest.mark.parametrize("shape", [(9, 8), (1, 1), (1, 7)])
def test_a_constant_image_has_no_edge_and_one_cluster(name, shape):
    labels = ALL[name](np.full(shape, 3.0))
    assert labels.shape == shape
    if name in ("multi_otsu", "kmeans", "mixture", "brain"):
        assert (labels == 1).all()
    if name in ("fill_edges", "fill_edges, Canny", "chan_vese"):
        assert (labels == 0).all()


@every_map
@pytest.mark.parametrize(
    "image", [FLAT, FLAT.astype(np.uint8), np.full((9, 8), 3.0), np.full((1, 1), 3), np.full((5, 5), np.nan)]
)
def test_maps_are_finite_floats_of_the_same_size(name, image):
    given = image.copy()
    maps = MAPS[name](given)
    assert maps.dtype == np.float64 and maps.shape[1:] == image.shape and np.isfinite(maps).all()
    np.testing.assert_array_equal(given, image)


@every_map
def test_maps_of_a_picture_with_a_hole(name):
    holed = FLAT.copy()
    holed[3, 4] = np.nan
    far = (slice(14, None), slice(16, None))
    maps, whole = MAPS[name](holed), MAPS[name](FLAT)
    assert np.isfinite(maps).all()
    if name in ("cooccurrence", "local_entropy"):
        np.testing.assert_allclose(maps[(slice(None), *far)], whole[(slice(None), *far)])


def test_textures_part_where_brightness_does_not():
    rng = np.random.default_rng(0)
    coarse = np.kron(rng.random((16, 8)), np.ones((4, 4)))
    fine = rng.random((64, 32))
    image = np.concatenate([coarse, fine], axis=1)
    right = np.indices(image.shape)[1] >= 32
    assert dice(sg.multi_otsu(image, classes=2) == 2, right) < 0.6
    for name in ("cooccurrence", "binary_patterns"):
        labels = sg.kmeans(MAPS[name](image), classes=2)
        assert max(dice(labels == k, right) for k in (1, 2)) > 0.8, name


@pytest.mark.parametrize("dims", [2, 3])
def test_the_brain_in_a_simulated_head(dims):
    sample = simulate(3, dims=dims)
    truth = np.isin(sample.layers["tissue"], (1, 2, 3, 4))
    assert dice(sg.brain(sample["T2"], spacing=sample.spacing), truth) > (0.97 if dims == 2 else 0.93)


def test_two_white_cells_and_no_platelet():
    rows, cols = np.mgrid[:200, :240]
    image = np.full((200, 240, 3), 225)

    def stain(row, col, radius, color):
        image[np.hypot(rows - row, cols - col) < radius] = color

    for row, col in ((60, 60), (140, 170)):
        stain(row, col, 34, (200, 170, 205))
        stain(row, col, 24, (120, 60, 160))
    stain(60, 180, 30, (225, 150, 150))  # a red cell
    stain(150, 50, 8, (120, 60, 160))  # a platelet
    labels = sg.white_cells(image)
    assert labels.max() == 2 and labels[60, 180] == labels[150, 50] == 0
    for row, col in ((60, 60), (140, 170)):
        assert dice(labels == labels[row, col], np.hypot(rows - row, cols - col) < 34) > 0.95
    np.testing.assert_array_equal(sg.white_cells(np.moveaxis(image, -1, 0)), labels)
    assert sg.white_cells(np.full((30, 30, 3), 200)).max() == 0
