"""First-order, shape and co-occurrence measures against published values, other libraries, and plain loops."""

from __future__ import annotations

import itertools
from math import atan2, cos, exp, hypot, log2, pi, sin, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from skimage.feature import graycomatrix, graycoprops, hog, local_binary_pattern
from skimage.measure import find_contours, regionprops

from medloc_lib.classical.features import (
    cooccurrence,
    cooccurrence_matrices,
    first_order,
    firstorder,
    from_masks,
    glcm,
    local_patterns,
    oriented_gradients,
    shape,
    shapes,
)
from medloc_lib.errors import InputError

PHANTOM = np.array(
    [
        [[1, 4, 4, 1, 1], [1, 4, 6, 1, 1], [4, 1, 6, 4, 1], [4, 4, 6, 4, 1]],
        [[1, 4, 4, 1, 1], [1, 1, 6, 1, 1], [0, 1, 3, 1, 1], [4, 4, 6, 1, 1]],
        [[1, 4, 4, 0, 0], [1, 1, 1, 1, 1], [1, 1, 0, 1, 1], [1, 1, 6, 1, 1]],
        [[1, 4, 4, 0, 0], [1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [1, 1, 6, 1, 1]],
    ]
)
"""The IBSI's digital phantom, (4 slices, 4 rows, 5 columns); 0 is outside the region."""

PUBLISHED_FIRST_ORDER = "2.15 3.05 1.08 -0.355 1 1 1 4 6 3 5 1.55 1.11 1.15 0.812 0.6 567 2.77"
"""Its intensity-based statistics in the reference manual, in the order of NAMES."""

PUBLISHED_COOCCURRENCE = (
    "0.512 2.14 2.71 2.24 1.4 3.06 1.49 4.29 5.66 1.79 0.352 5.19 1.4 0.683 0.854 0.625 0.901 0.0553 0.0173 5.14 5.66 "
    "6.98 80.4 -0.0341 0.263"
)
"""Its co-occurrence measures there, 2-D, directions merged in each slice, mean over the slices."""


def region(mask):
    """One region, cut to its bounding box, at its place."""
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = (rows[0], cols[0], rows[-1] + 1, cols[-1] + 1)
    return from_masks([box], [mask[box[0] : box[2], box[1] : box[3]]], mask.shape)


def as_published(values, published):
    """Values rounded to as many digits as the published ones have."""
    return [float(f"{v:.{len(p.lstrip('-0.').replace('.', ''))}g}") for v, p in zip(values, published, strict=True)]


def test_first_order_of_the_digital_phantom_is_as_published():
    values = PHANTOM[PHANTOM > 0][None]
    found = first_order(values, region(np.ones(values.shape, dtype=bool)))[0]
    published = PUBLISHED_FIRST_ORDER.split()
    assert as_published(found, published) == [float(p) for p in published]


def test_cooccurrence_of_the_digital_phantom_is_as_published():
    side_by_side = np.concatenate(list(PHANTOM), axis=1)
    boxes = [[0, 5 * k, 4, 5 * k + 5] for k in range(4)]
    slices = from_masks(boxes, [part > 0 for part in PHANTOM], side_by_side.shape)
    matrices = cooccurrence_matrices(np.maximum(side_by_side, 1), slices, levels=6)
    found = cooccurrence(matrices).mean(axis=0)
    published = PUBLISHED_COOCCURRENCE.split()
    np.testing.assert_allclose(found, [float(p) for p in published], rtol=0.006)


def random_case(seed):
    """A picture of whole numbers from 1 to 6 and a ragged mask in it."""
    rng = np.random.default_rng(seed)
    size = tuple(rng.integers(2, 9, 2))
    mask = rng.random(size) < rng.uniform(0.2, 1)
    mask.ravel()[rng.integers(mask.size)] = True
    return rng.integers(1, 7, size), mask


masks = st.integers(0, 2**31).map(random_case)


def loops_first_order(values):
    """The manual's formulas, one value at a time."""
    x = sorted(float(v) for v in values)
    n = len(x)

    def percentile(share):
        place = share * (n - 1)
        low = int(place)
        return x[low] + (place - low) * (x[min(low + 1, n - 1)] - x[low])

    mean = sum(x) / n
    var = sum((v - mean) ** 2 for v in x) / n
    p10, p25, p50, p75, p90 = (percentile(p) for p in (0.1, 0.25, 0.5, 0.75, 0.9))
    inner = [v for v in x if p10 <= v <= p90]
    robust = sum(inner) / len(inner) if inner else 0  # of two values none lies between the 10th and the 90th percentile
    energy = sum(v * v for v in x)
    return [
        mean,
        var,
        sum((v - mean) ** 3 for v in x) / n / var**1.5 if var else 0,
        sum((v - mean) ** 4 for v in x) / n / var**2 - 3 if var else 0,
        p50,
        x[0],
        p10,
        p90,
        x[-1],
        p75 - p25,
        x[-1] - x[0],
        sum(abs(v - mean) for v in x) / n,
        sum(abs(v - robust) for v in inner) / max(len(inner), 1),
        sum(abs(v - p50) for v in x) / n,
        sqrt(var) / mean,
        (p75 - p25) / (p75 + p25),
        energy,
        sqrt(energy / n),
    ]


def loops_cooccurrence(picture, mask, levels):
    """The manual's formulas, pair by pair."""
    rows, cols = mask.shape
    p = [[0.0] * (levels + 1) for _ in range(levels + 1)]
    for r in range(rows):
        for c in range(cols):
            for dr, dc in ((0, 1), (1, 0), (1, 1), (1, -1), (0, -1), (-1, 0), (-1, -1), (-1, 1)):
                a, b = r + dr, c + dc
                if 0 <= a < rows and 0 <= b < cols and mask[r, c] and mask[a, b]:
                    p[picture[r, c]][picture[a, b]] += 1
    total = sum(map(sum, p))
    if total == 0:
        return [0.0] * 25
    cells = [(i, j, p[i][j] / total) for i in range(1, levels + 1) for j in range(1, levels + 1)]
    px = {i: sum(q for a, _, q in cells if a == i) for i in range(1, levels + 1)}
    diff = {k: sum(q for i, j, q in cells if abs(i - j) == k) for k in range(levels)}
    both = {k: sum(q for i, j, q in cells if i + j == k) for k in range(2, 2 * levels + 1)}

    def entropy(shares):
        return -sum(q * log2(q) for q in shares if q > 0)

    mean = sum(i * q for i, _, q in cells)
    var = sum((i - mean) ** 2 * q for i, _, q in cells)
    d_mean = sum(k * q for k, q in diff.items())
    s_mean = sum(k * q for k, q in both.items())
    hxy, hx = entropy(q for _, _, q in cells), entropy(px.values())
    hxy1 = -sum(q * log2(px[i] * px[j]) for i, j, q in cells if q > 0)
    hxy2 = entropy(a * b for a in px.values() for b in px.values())
    return [
        max(q for _, _, q in cells),
        mean,
        var,
        hxy,
        d_mean,
        sum((k - d_mean) ** 2 * q for k, q in diff.items()),
        entropy(diff.values()),
        s_mean,
        sum((k - s_mean) ** 2 * q for k, q in both.items()),
        entropy(both.values()),
        sum(q * q for _, _, q in cells),
        sum((i - j) ** 2 * q for i, j, q in cells),
        sum(abs(i - j) * q for i, j, q in cells),
        sum(q / (1 + abs(i - j)) for i, j, q in cells),
        sum(q / (1 + abs(i - j) / levels) for i, j, q in cells),
        sum(q / (1 + (i - j) ** 2) for i, j, q in cells),
        sum(q / (1 + (i - j) ** 2 / levels**2) for i, j, q in cells),
        sum(q / (i - j) ** 2 for i, j, q in cells if i != j),
        sum((i - mean) * (j - mean) * q for i, j, q in cells) / var if var > 1e-12 else 1,
        sum(i * j * q for i, j, q in cells),
        sum((i + j - 2 * mean) ** 2 * q for i, j, q in cells),
        sum((i + j - 2 * mean) ** 3 * q for i, j, q in cells),
        sum((i + j - 2 * mean) ** 4 * q for i, j, q in cells),
        (hxy - hxy1) / hx if hx > 1e-12 else 0,
        sqrt(max(1 - exp(-2 * (hxy2 - hxy)), 0)),
    ]


@given(masks)
def test_first_order_equals_the_formulas(case):
    picture, mask = case
    found = first_order(picture, region(mask))[0]
    np.testing.assert_allclose(found, loops_first_order(picture[mask]), rtol=1e-9, atol=1e-9)


@given(masks)
def test_cooccurrence_equals_the_formulas(case):
    picture, mask = case
    found = cooccurrence(cooccurrence_matrices(picture, region(mask), levels=6))[0]
    np.testing.assert_allclose(found, loops_cooccurrence(picture, mask, 6), rtol=1e-7, atol=1e-7)


def test_first_order_equals_scipy():
    x = np.random.default_rng(1).gamma(2, 3, (7, 9))
    found = dict(zip(firstorder.NAMES, first_order(x, region(np.ones(x.shape, dtype=bool)))[0], strict=True))
    flat = x.ravel()
    expected = {
        "stat_skew": stats.skew(flat),
        "stat_kurt": stats.kurtosis(flat),
        "stat_iqr": stats.iqr(flat),
        "stat_var": flat.var(),
        "stat_p10": np.percentile(flat, 10),
        "stat_rms": np.sqrt((flat**2).mean()),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-9), name


def test_cooccurrence_equals_scikit_image():
    picture = np.random.default_rng(2).integers(1, 9, (12, 10))
    matrix = graycomatrix(
        (picture - 1).astype(np.uint8), [1], [0, pi / 4, pi / 2, 3 * pi / 4], levels=8, symmetric=True
    )
    total = matrix.sum(axis=(2, 3), keepdims=True) / matrix.sum()
    mine = cooccurrence_matrices(picture, region(np.ones(picture.shape, dtype=bool)), levels=8)
    np.testing.assert_allclose(mine[0], total[..., 0, 0], atol=1e-12)
    found = dict(zip(glcm.NAMES, cooccurrence(mine)[0], strict=True))
    names = {"contrast": "cm_contrast", "dissimilarity": "cm_dissimilarity", "homogeneity": "cm_inv_diff_mom"}
    for theirs, ours in (names | {"ASM": "cm_energy", "correlation": "cm_corr"}).items():
        assert found[ours] == pytest.approx(graycoprops(total, theirs)[0, 0], abs=1e-9), ours


@given(masks, st.sampled_from([(1.0, 1.0), (0.5, 2.0), (1.4, 1.375)]))
def test_shape_equals_the_formulas(case, spacing):
    mask = case[1]
    dy, dx = spacing
    found = dict(zip(shapes.NAMES, shape(region(mask), spacing)[0], strict=True))
    points = [((r + 0.5) * dy, (c + 0.5) * dx) for r, c in zip(*np.nonzero(mask), strict=True)]
    n = len(points)
    my, mx = sum(y for y, _ in points) / n, sum(x for _, x in points) / n
    a = sum((y - my) ** 2 for y, _ in points) / n
    b = sum((x - mx) ** 2 for _, x in points) / n
    c = sum((y - my) * (x - mx) for y, x in points) / n
    # The eigenvalues of the covariance, by turning the axes until it is diagonal.
    angle = 0.5 * atan2(2 * c, a - b)
    one = a * cos(angle) ** 2 + 2 * c * sin(angle) * cos(angle) + b * sin(angle) ** 2
    two = a * sin(angle) ** 2 - 2 * c * sin(angle) * cos(angle) + b * cos(angle) ** 2
    major, minor = max(one, two, 0), max(min(one, two), 0)
    corners = [(y + s * dy / 2, x + t * dx / 2) for y, x in points for s in (-1, 1) for t in (-1, 1)]
    outline = sum(
        hypot(*((end - start) * spacing))
        for line in find_contours(np.pad(mask, 1).astype(float), 0.5)
        for start, end in itertools.pairwise(line)
    )
    assert found["shape_area"] == pytest.approx(n * dy * dx)
    assert found["shape_perimeter"] == pytest.approx(outline)
    assert found["shape_circularity"] == pytest.approx(4 * pi * n * dy * dx / outline**2)
    assert found["morph_pca_maj_axis"] == pytest.approx(4 * sqrt(major), abs=1e-4)
    assert found["morph_pca_min_axis"] == pytest.approx(4 * sqrt(minor), abs=1e-4)
    assert found["morph_pca_elongation"] == pytest.approx(sqrt(minor / major) if major > 1e-12 else 1, abs=1e-4)
    assert found["morph_diam"] == pytest.approx(max(hypot(p[0] - q[0], p[1] - q[1]) for p in corners for q in corners))
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    height, width = (rows[-1] + 1 - rows[0]) * dy, (cols[-1] + 1 - cols[0]) * dx
    assert (found["shape_height"], found["shape_width"]) == (pytest.approx(height), pytest.approx(width))
    assert found["shape_extent"] == pytest.approx(n * dy * dx / (height * width))


@given(masks)
def test_solidity_of_hand_checked_and_bounded_shapes(case):
    mask = case[1]
    found = dict(zip(shapes.NAMES, shape(region(mask), (1, 1))[0], strict=True))
    assert 0 < found["shape_solidity"] <= 1 + 1e-9
    l_shape = np.array([[1, 0], [1, 1]], dtype=bool)  # its hull cuts a triangle of half a pixel off the square
    assert shape(region(l_shape), (1, 1))[0][shapes.NAMES.index("shape_solidity")] == pytest.approx(3 / 3.5)
    assert regionprops(l_shape.astype(int))[0].area == 3


def test_regions_that_overlap_are_measured_each_for_itself():
    picture = np.random.default_rng(3).integers(1, 7, (9, 9))
    one, other = np.zeros((2, 9, 9), dtype=bool)
    one[1:6, 2:7], other[3:9, 0:5] = True, True
    both = from_masks([[1, 2, 6, 7], [3, 0, 9, 5]], [np.ones((5, 5), bool), np.ones((6, 5), bool)], (9, 9))
    np.testing.assert_allclose(
        first_order(picture, both), np.concatenate([first_order(picture, region(m)) for m in (one, other)])
    )
    np.testing.assert_allclose(
        cooccurrence_matrices(picture, both, levels=6),
        np.concatenate([cooccurrence_matrices(picture, region(m), levels=6) for m in (one, other)]),
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_constant_and_single_pixels_have_values_by_rule(dtype):
    picture = np.full((5, 5), 3, dtype=dtype)
    lone = from_masks([[0, 0, 1, 1], [0, 0, 5, 5]], [np.ones((1, 1), bool), np.ones((5, 5), bool)], (5, 5))
    first = first_order(picture, lone)
    assert np.isfinite(first).all()
    for name in ("stat_var", "stat_skew", "stat_kurt", "stat_range", "stat_cov"):
        assert (first[:, firstorder.NAMES.index(name)] == 0).all(), name
    texture = cooccurrence(cooccurrence_matrices(picture, lone, levels=6))
    assert (texture[0] == 0).all()
    assert texture[1][glcm.NAMES.index("cm_corr")] == 1
    assert texture[1][glcm.NAMES.index("cm_joint_entr")] == 0
    assert np.isfinite(shape(lone, (1, 1))).all()


def test_local_patterns_are_those_of_scikit_image():
    picture = np.random.default_rng(4).integers(-300, 300, (20, 20)) / 100
    mask = np.random.default_rng(5).random((20, 20)) < 0.5
    codes = local_binary_pattern((100 * picture).round().astype(int), 8, 1, "uniform")
    expected = np.bincount(codes[mask].astype(int), minlength=10) / mask.sum()
    np.testing.assert_allclose(local_patterns(picture, region(mask))[0], expected)


def test_oriented_gradients_are_those_of_scikit_image():
    picture = np.random.default_rng(6).normal(size=(24, 16))
    theirs = hog(picture, 9, (12, 8), (2, 2), block_norm="L2-Hys", channel_axis=None)
    mine = oriented_gradients(picture, np.array([[0, 0, 24, 16]]))[0]
    # Theirs has (cell row, cell col, orientation), 5e-6 less strict about zero; the same order as ours.
    np.testing.assert_allclose(mine, theirs, atol=1e-4)


def test_masks_must_fit_their_boxes():
    with pytest.raises(InputError, match=r"region 0 needs a mask .* its box's size"):
        from_masks([[0, 0, 2, 2]], [np.ones((3, 2), bool)], (5, 5))
    with pytest.raises(InputError, match="0 pixels"):
        from_masks([[0, 0, 2, 2]], [np.zeros((2, 2), bool)], (5, 5))
    with pytest.raises(InputError, match=r"inside \(5, 5\)"):
        from_masks([[4, 4, 6, 6]], [np.ones((2, 2), bool)], (5, 5))


def test_grey_levels_out_of_range_are_refused():
    with pytest.raises(InputError, match="grey levels must be 1 to 4; got 0 to 5"):
        cooccurrence_matrices(np.array([[0, 5]]), region(np.ones((1, 2), dtype=bool)), levels=4)


def test_no_regions_give_no_rows():
    nothing = from_masks(np.zeros((0, 4)), [], (5, 5))
    picture = np.ones((5, 5), dtype=int)
    assert first_order(picture, nothing).shape == (0, 18)
    assert cooccurrence(cooccurrence_matrices(picture, nothing, levels=3)).shape == (0, 25)
    assert shape(nothing, (1, 1)).shape == (0, 11)
