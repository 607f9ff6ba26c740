"""Geometry against pixel counting, scikit-image and SimpleITK; properties by hypothesis."""

from itertools import product

import numpy as np
import pytest
import SimpleITK
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation
from skimage import measure

from medloc_lib import geometry as g
from medloc_lib.errors import InputError

QUARTERS = st.integers(-60, 60).map(lambda i: i / 4)  # exact in floating point, so that equality can be asked for
FINITE = st.floats(-1e3, 1e3)


@st.composite
def boxes(draw, ndim=None, min_size=0, numbers=QUARTERS):
    ndim = ndim or draw(st.sampled_from([2, 3]))
    n = draw(st.integers(min_size, 6))
    corners = draw(arrays(float, (n, 2, ndim), elements=numbers))
    return np.sort(corners, axis=1).reshape(n, 2 * ndim)


@st.composite
def two_sets(draw, **options):
    ndim = draw(st.sampled_from([2, 3]))
    return draw(boxes(ndim, **options)), draw(boxes(ndim, **options))


def halves(array):
    return np.split(array, 2, axis=1)


# ---- IoU, area, centres, clip


@given(two_sets(numbers=FINITE))
def test_iou_is_symmetric_and_between_0_and_1(pair):
    a, b = pair
    overlap = g.iou(a, b)
    assert overlap.shape == (len(a), len(b))
    assert np.array_equal(overlap, g.iou(b, a).T)
    assert ((overlap >= 0) & (overlap <= 1)).all()


@given(two_sets(), arrays(float, 3, elements=st.integers(-100, 100).map(float)))
def test_iou_does_not_change_when_all_boxes_move(pair, shift):
    a, b = pair
    move = np.tile(shift[: a.shape[1] // 2], 2)
    assert np.array_equal(g.iou(a + move, b + move), g.iou(a, b))


@given(boxes(min_size=1))
def test_iou_of_a_box_with_itself_is_1_unless_it_has_no_area(array):
    assert np.array_equal(np.diag(g.iou(array, array)), (g.area(array) > 0).astype(float))


@given(two_sets(numbers=st.integers(0, 9).map(float)))
def test_iou_and_area_are_what_counting_pixels_gives(pair):
    a, b = pair
    shape = (9,) * (a.shape[1] // 2)

    def painted(box):
        start, stop = np.split(box.astype(int), 2)
        mask = np.zeros(shape, dtype=bool)
        mask[tuple(map(slice, start, stop))] = True
        return mask

    assert g.area(a).tolist() == [painted(box).sum() for box in a]
    for i, j in np.ndindex(len(a), len(b)):
        one, other = painted(a[i]), painted(b[j])
        union = (one | other).sum()
        assert g.iou(a, b)[i, j] == (pytest.approx((one & other).sum() / union) if union else 0)


def test_iou_of_boxes_that_only_touch_is_0():
    assert g.iou([[0, 0, 2, 2]], [[0, 2, 2, 4], [2, 2, 4, 4]]).tolist() == [[0, 0]]


def test_iou_refuses_2d_with_3d():
    with pytest.raises(InputError, match="same dimension"):
        g.iou([[0, 0, 2, 2]], [[0, 0, 0, 2, 2, 2]])


@given(boxes())
def test_centers_lie_halfway(array):
    start, stop = halves(array)
    assert np.array_equal(g.centers(array) - start, stop - g.centers(array))


@given(boxes(), st.tuples(*[st.integers(1, 12)] * 3))
def test_clip_is_the_part_inside_and_clipping_again_changes_nothing(array, shape):
    shape = shape[: array.shape[1] // 2]
    clipped = g.clip(array, shape)
    assert np.array_equal(g.clip(clipped, shape), clipped)
    assert (clipped >= 0).all()
    assert (clipped <= np.tile(shape, 2)).all()
    start, stop = halves(array)
    inside = np.clip(np.minimum(stop, shape) - np.maximum(start, 0), 0, None).prod(axis=1)
    assert np.array_equal(g.area(clipped), inside)


# ---- transform


@given(st.data(), boxes(min_size=1, numbers=FINITE))
def test_transform_holds_every_moved_corner_tightly(data, array):
    ndim = array.shape[1] // 2
    matrix = np.eye(ndim + 1)
    matrix[:ndim] = data.draw(arrays(float, (ndim, ndim + 1), elements=st.floats(-3, 3)))
    start, stop = halves(g.transform(array, matrix))
    sides = np.array(list(product((0, 1), repeat=ndim)))
    low, high = halves(array)
    corners = low[:, None] + sides * (high - low)[:, None]
    moved = corners @ matrix[:ndim, :ndim].T + matrix[:ndim, ndim]
    assert np.allclose(moved.min(axis=1), start, atol=1e-6)
    assert np.allclose(moved.max(axis=1), stop, atol=1e-6)
    inner = (low + data.draw(st.floats(0, 1)) * (high - low)) @ matrix[:ndim, :ndim].T + matrix[:ndim, ndim]
    assert ((inner >= start - 1e-6) & (inner <= stop + 1e-6)).all()


def test_transform_of_two_corners_would_be_too_small():
    turn = np.eye(3)
    turn[:2, :2] = [[0.5**0.5, -(0.5**0.5)], [0.5**0.5, 0.5**0.5]]
    assert g.area(g.transform([[0, 0, 1, 1]], turn))[0] == pytest.approx(2)  # the two corners alone bound no area


@given(boxes())
def test_transform_by_the_identity_changes_nothing(array):
    assert np.array_equal(g.transform(array, np.eye(array.shape[1] // 2 + 1)), array)


# ---- non-maximum suppression


@given(st.data(), boxes(), st.floats(0, 1))
def test_nms_keeps_what_no_better_kept_box_overlaps(data, array, threshold):
    n = len(array)
    scores = data.draw(arrays(float, n, elements=st.sampled_from([0.1, 0.2, 0.3])))
    labels = data.draw(arrays(int, n, elements=st.integers(0, 1)))
    kept = g.nms(array, scores, threshold=threshold, labels=labels)
    best_first = sorted(range(n), key=lambda i: (-scores[i], i))
    assert kept.tolist() == [i for i in best_first if i in set(kept.tolist())]
    overlap = g.iou(array, array) > threshold
    for place, i in enumerate(best_first):
        better = [j for j in best_first[:place] if j in kept and labels[j] == labels[i] and overlap[i, j]]
        assert (i in kept) == (not better)


def test_nms_without_labels_lets_all_suppress_all():
    pair = [[0, 0, 4, 4], [0, 0, 4, 3]]
    assert g.nms(pair, [0.1, 0.2]).tolist() == [1]
    assert g.nms(pair, [0.1, 0.2], labels=[0, 1]).tolist() == [1, 0]
    assert g.nms([], []).tolist() == []


@pytest.mark.parametrize(("scores", "labels"), [([0.5], None), ([0.5, 0.4], [1]), ([0.5, np.nan], None)])
def test_nms_refuses_scores_and_labels_that_do_not_fit(scores, labels):
    with pytest.raises(InputError):
        g.nms([[0, 0, 1, 1], [0, 0, 2, 2]], scores, labels=labels)


# ---- formats


@pytest.mark.parametrize("name", ["coco", "voc", "xyxy"])
@given(array=boxes(ndim=2))
def test_formats_come_back(name, array):
    there, back = getattr(g, f"boxes_to_{name}"), getattr(g, f"boxes_from_{name}")
    assert np.array_equal(back(there(array)), array)


def test_formats_of_one_box():
    box = [[20.0, 10.0, 25.0, 30.0]]  # rows 20 to 24, columns 10 to 29
    assert g.boxes_to_xyxy(box).tolist() == [[10, 20, 30, 25]]
    assert g.boxes_to_coco(box).tolist() == [[10, 20, 20, 5]]
    assert g.boxes_to_voc(box).tolist() == [[11, 21, 30, 25]]  # first and last pixel, counted from 1


@pytest.mark.parametrize("name", ["coco", "voc", "xyxy"])
@pytest.mark.parametrize("bad", [[[1, 2, 3]], [1, 2, 3, 4], [["a", 0, 1, 1]], [[1], [1, 2]], [[5, 5, -9, -9]]])
def test_formats_refuse_what_is_no_box(name, bad):
    with pytest.raises(InputError):
        getattr(g, f"boxes_from_{name}")(bad)


# ---- masks and boxes


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("connectivity", [1, None])
def test_mask_to_boxes_equals_regionprops(ndim, connectivity):
    rng = np.random.default_rng(ndim)
    for density in (0, 0.1, 0.3, 0.6, 1):
        mask = rng.integers(1, 4, (14, 11, 9)[:ndim]) * (rng.random((14, 11, 9)[:ndim]) < density)
        found, values = g.mask_to_boxes(mask, connectivity=connectivity)
        regions = measure.regionprops(measure.label(mask, connectivity=connectivity or ndim))
        expected = sorted((*r.bbox, mask[tuple(r.coords[0])]) for r in regions)
        assert sorted((*box, value) for box, value in zip(found.tolist(), values.tolist(), strict=True)) == expected
        assert found.shape == (len(regions), 2 * ndim)


@given(st.data(), st.sampled_from([2, 3]))
def test_boxes_to_mask_and_back(data, ndim):
    """Boxes in cells of their own, which keep a pixel between them."""
    cells = data.draw(st.lists(st.tuples(*[st.integers(0, 2)] * ndim), unique=True, max_size=4))
    inner = data.draw(arrays(int, (len(cells), 2, ndim), elements=st.integers(0, 2)))
    inner[:, 1] += inner[:, 0] + 1  # from one to three pixels long
    array = (inner + 6 * np.reshape(cells, (-1, 1, ndim))).reshape(-1, 2 * ndim).astype(float)
    values = np.arange(1, len(array) + 1)
    found, got = g.mask_to_boxes(g.boxes_to_mask(array, (17,) * ndim, values=values))
    assert np.array_equal(found, g.as_boxes(array, ndim=ndim))
    assert np.array_equal(got, values)


@given(boxes(), st.tuples(*[st.integers(1, 9)] * 3))
def test_boxes_to_mask_paints_pixels_whose_centre_is_inside(array, shape):
    shape = shape[: array.shape[1] // 2]
    mask = g.boxes_to_mask(array, shape, values=np.arange(1, len(array) + 1))
    for index in np.ndindex(*shape):
        center = np.asarray(index) + 0.5
        start, stop = halves(array)
        inside = np.flatnonzero(((start <= center) & (center < stop)).all(axis=1))
        assert mask[index] == (inside[-1] + 1 if len(inside) else 0)


def test_boxes_to_mask_needs_a_value_per_box():
    with pytest.raises(InputError, match="as many values"):
        g.boxes_to_mask([[0, 0, 1, 1]], (3, 3), values=[1, 2])


@pytest.mark.parametrize("mask", [np.zeros(4), np.full((2, 2), 0.5), np.full((2, 2), np.nan), [["a", "b"]]])
def test_a_label_map_is_2d_or_3d_and_whole(mask):
    with pytest.raises(InputError):
        g.mask_to_boxes(mask)


# ---- index, coordinate and millimetre


def oblique(seed, left_handed):
    """A SimpleITK image with an oblique direction, and our affine of it."""
    rng = np.random.default_rng(seed)
    direction = Rotation.random(random_state=seed).as_matrix()  # columns: along (plane, row, col)
    if left_handed:
        direction[:, 0] *= -1
    assert np.linalg.det(direction) == pytest.approx(-1 if left_handed else 1)
    spacing, origin = rng.uniform(0.3, 5, 3), rng.uniform(-200, 200, 3)
    image = SimpleITK.Image(9, 8, 7, SimpleITK.sitkUInt8)  # columns, rows, planes
    image.SetSpacing(spacing[::-1].tolist())
    image.SetOrigin(origin.tolist())
    image.SetDirection(direction[:, ::-1].ravel().tolist())
    return image, g.affine_from(spacing.tolist(), origin=origin, direction=direction)


ORIENTATIONS = [(seed, left) for seed in range(4) for left in (False, True)]


def to_mm_by_sitk(image, index):
    """(plane, row, col) to (x, y, z) in mm; SimpleITK counts the other way round."""
    return np.array([image.TransformContinuousIndexToPhysicalPoint(row[::-1].tolist()) for row in np.asarray(index)])


@pytest.mark.parametrize(("seed", "left_handed"), ORIENTATIONS)
def test_index_to_mm_and_back_equals_simpleitk(seed, left_handed):
    image, affine = oblique(seed, left_handed)
    index = np.random.default_rng(seed).uniform(-3, 12, (20, 3))
    mm = g.index_to_mm(index, affine)
    assert np.allclose(mm, to_mm_by_sitk(image, index), atol=1e-9)
    by_sitk = [image.TransformPhysicalPointToContinuousIndex(p.tolist())[::-1] for p in mm]
    assert np.allclose(g.mm_to_index(mm, affine), by_sitk, atol=1e-9)
    assert np.allclose(g.mm_to_index(mm, affine), index, atol=1e-9)
    assert np.allclose(g.spacing_of(affine), image.GetSpacing()[::-1])


@pytest.mark.parametrize(("seed", "left_handed"), ORIENTATIONS)
@pytest.mark.parametrize("ndim", [2, 3])
def test_boxes_to_mm_holds_all_corners(seed, left_handed, ndim):
    image, affine = oblique(seed, left_handed)
    corners = np.sort(np.random.default_rng(seed).uniform(0, 7, (10, 2, ndim)), axis=1)
    found = g.boxes_to_mm(corners.reshape(10, -1), affine)
    for box, (start, stop) in zip(found, corners, strict=True):
        edges = list(zip(start, stop, strict=True))
        edges = [(0.0, 1.0), *edges] if ndim == 2 else edges  # a 2-D box is one plane thick
        points = to_mm_by_sitk(image, np.array(list(product(*edges))) - 0.5)  # coordinate to index
        assert np.allclose(box, [*points.min(axis=0), *points.max(axis=0)], atol=1e-9)


def test_a_2d_index_is_in_plane_0():
    affine = oblique(1, True)[1]
    assert np.array_equal(g.index_to_mm([[2, 5]], affine), g.index_to_mm([[0, 2, 5]], affine))


def test_an_upright_stack_goes_left_posterior_superior():
    affine = g.affine_from((5, 0.5, 0.7), origin=(1, 2, 3))
    assert g.index_to_mm(np.eye(3), affine).tolist() == [[1, 2, 8], [1, 2.5, 3], [1.7, 2, 3]]


def test_a_tiny_voxel_is_not_singular_and_a_flat_one_is():
    tiny = g.affine_from((1e-5, 1e-5, 1e-5))
    assert np.allclose(g.mm_to_index(g.index_to_mm([[1, 2, 3]], tiny), tiny), [[1, 2, 3]])
    for flat in (np.diag([1.0, 0, 1, 1]), np.array([[1.0, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])):
        with pytest.raises(InputError, match="singular"):
            g.mm_to_index([[0, 0, 0]], flat)


@pytest.mark.parametrize(
    "call",
    [
        lambda: g.affine_from((1, 0)),
        lambda: g.affine_from((1, 2, 3, 4)),
        lambda: g.affine_from((1, np.nan)),
        lambda: g.affine_from((1, 1), origin=(1, 2)),
        lambda: g.affine_from((1, 1), direction=np.eye(2)),
        lambda: g.index_to_mm([1, 2, 3], np.eye(4)),
        lambda: g.index_to_mm([[1, 2, 3]], np.full((4, 4), np.nan)),
        lambda: g.index_to_mm([[1, 2, 3]], np.eye(3)),
        lambda: g.mm_to_index([[1, 2]], np.eye(4)),
        lambda: g.boxes_to_mm([[0, 0, 1, 1]], np.eye(3)),
        lambda: g.transform([[0, 0, 1, 1]], np.eye(4)),
    ],
)
def test_space_refuses_bad_input(call):
    with pytest.raises(InputError):
        call()


# ---- as_boxes


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        ([0, 0, 1, 1], "shape"),
        ([[0, 0, 1]], "shape"),
        ([[0, 0, np.nan, 1]], "finite"),
        ([[0, 0, 1, 1], [0, 0, np.inf, 1]], "box 1"),
        ([[0, 5, 1, 1]], "stop after they start"),
        ([["a", "b", "c", "d"]], "numbers"),
        ([[0, 0, 1, 1], [0]], "numbers"),
    ],
)
def test_as_boxes_says_what_is_wrong(bad, text):
    with pytest.raises(InputError, match=text):
        g.as_boxes(bad)


def test_as_boxes_of_a_given_dimension():
    assert g.as_boxes([], ndim=3).shape == (0, 6)
    assert g.as_boxes(np.zeros((0, 6))).shape == (0, 6)
    with pytest.raises(InputError, match=r"\(n, 6\)"):
        g.as_boxes([[0, 0, 1, 1]], ndim=3)


@pytest.mark.parametrize("function", [g.index_to_mm, g.boxes_to_mm])
def test_a_transposed_affine_is_refused(function):
    affine = g.affine_from((1, 1, 1), origin=(5, 0, 0)).T
    with pytest.raises(InputError, match="transposed"):
        function([[0, 0, 1, 1]] if function is g.boxes_to_mm else [[0, 0]], affine)
