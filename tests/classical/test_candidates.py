"""Candidates: what is proposed, in which order, and how much of the truth they cover."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.feature import blob_log

from medloc_lib.classical import METHODS, candidates, prepare, propose, recall
from medloc_lib.classical.proposals import blobs, box_sums, components, grown, keep_apart
from medloc_lib.classical.scene import CUT, Scene, head, residual
from medloc_lib.errors import InputError
from medloc_lib.geometry import iou, nms
from medloc_lib.sample import Detections, Sample
from tests.classical import scenes

LESIONS = [(40, 40, 6, 50), (60, 55, 2.5, 60), (50, 66, 4, 55)]


@pytest.fixture(scope="module")
def sample():
    return scenes.head(LESIONS)


def test_every_lesion_is_among_the_candidates(sample):
    found = propose(sample)
    assert len(found) == 50
    assert (iou(found.boxes, sample.boxes).max(axis=0) > 0.5).all()


@pytest.mark.parametrize("method", METHODS)
def test_every_method_alone_comes_upon_a_large_lesion(sample, method):
    found = propose(sample, shares={method: 1})
    assert iou(found.boxes, sample.boxes[:1]).max() > 0.1
    assert set(found.methods) == {list(METHODS).index(method)}


def test_candidates_lie_inside_and_apart_and_have_their_masks(sample):
    found = propose(sample, n=30)
    boxes = found.boxes.astype(int)
    assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:] <= 96).all()
    overlap = iou(found.boxes, found.boxes)
    np.fill_diagonal(overlap, 0)
    assert overlap.max() <= candidates.OVERLAP
    for box, mask in zip(boxes, found.masks, strict=True):
        assert mask.shape == tuple(box[2:] - box[:2]) and mask.any()


def test_the_same_picture_has_the_same_candidates_and_is_not_changed(sample):
    before = sample.image.copy()
    one, other = propose(sample), propose(prepare(sample))
    np.testing.assert_array_equal(one.boxes, other.boxes)
    np.testing.assert_array_equal(sample.image, before)


def test_truth_is_not_looked_at(sample):
    blind = sample.replace(boxes=None, labels=None, ignore=None, mask=None)
    np.testing.assert_array_equal(propose(sample).boxes, propose(blind).boxes)


def test_components_are_those_of_a_threshold(sample):
    """Each is connected, and no pixel beside it is brighter than the darkest in it by more than a level's step."""
    from scipy import ndimage

    found = components(prepare(sample))
    for i in range(0, len(found), 7):
        assert ndimage.label(found.mask(i), np.ones((3, 3)))[1] == 1


def test_blobs_are_where_scikit_image_has_them():
    row, col = np.mgrid[:80, :80]
    picture = np.zeros((80, 80), dtype=np.float32)
    for r, c, s in ((20, 25, 3.2), (55, 50, 5.0)):
        picture += np.exp(-((row - r) ** 2 + (col - c) ** 2) / (2 * s**2)).astype(np.float32)
    everywhere = np.ones(picture.shape, bool)
    found = blobs(Scene(picture[None], everywhere, picture[None], picture, 0, ("a",), (1.0, 1.0)))
    theirs = blob_log(picture, min_sigma=2, max_sigma=12, num_sigma=20, threshold=0.2)
    middles = (found.boxes[:2, :2] + found.boxes[:2, 2:]) / 2 - 0.5
    for r, c, _ in theirs:
        assert np.abs(middles - (r, c)).max(axis=1).min() <= 1


boxes = st.lists(st.tuples(*[st.integers(0, 9)] * 2, *[st.integers(1, 9)] * 2), max_size=30).map(
    lambda rows: np.array([(r, c, r + h, c + w) for r, c, h, w in rows], dtype=np.int64).reshape(-1, 4)
)


@given(boxes, st.sampled_from([0.0, 0.3, 0.5]))
def test_keep_apart_is_nms_of_falling_scores(found, at):
    scores = -np.arange(len(found), dtype=float)
    np.testing.assert_array_equal(keep_apart(found, 1000, iou=at), nms(found, scores, threshold=at))
    np.testing.assert_array_equal(keep_apart(found, 3, iou=at), nms(found, scores, threshold=at)[:3])


@given(boxes)
def test_box_sums_are_sums(found):
    picture = np.random.default_rng(0).integers(0, 9, (18, 18))
    expected = [picture[r0:r1, c0:c1].sum() for r0, c0, r1, c1 in found]
    np.testing.assert_allclose(box_sums(picture, found), expected)
    wide = grown(found, np.full(len(found), 2), picture.shape)
    assert (wide >= 0).all() and (wide <= 18).all()


def test_the_skull_is_left_out():
    plain = scenes.head()
    inside = head(plain.image, (1, 1))
    row, col = np.mgrid[:96, :96] + 0.5
    radius = np.hypot((row - 48) / 44, (col - 48) / 38)
    assert inside[radius < 0.75].mean() > 0.98
    assert inside[radius > 0.9].mean() < 0.02


def test_a_lesion_has_no_say_in_what_is_usual():
    """The weighted regression finds the line that the healthy pixels lie on, whatever a tenth of them does."""
    rng = np.random.default_rng(1)
    one = rng.normal(0, 1, (40, 40)).astype(np.float32)
    other = 2 * one + 0.5 + rng.normal(0, 0.1, one.shape)
    other[:8, :20] += 9
    rest = residual(other.astype(np.float32), one[None], np.ones(one.shape, bool))
    healthy = np.ones(one.shape, bool)
    healthy[:8, :20] = False
    assert abs(np.median(rest[healthy])) < 0.25 and 0.8 < rest[healthy].std() < 1.2
    assert (rest[~healthy] > CUT).all()


def test_recall_counts_what_counts():
    blank = np.zeros((1, 60, 60))
    truth = [
        Sample(blank, boxes=[[0, 0, 4, 4], [10, 10, 30, 30], [40, 40, 50, 50]], ignore=[False, False, True]),
        Sample(blank, boxes=[]),
    ]
    found = [Detections([[12, 10, 30, 30]]), Detections([[0, 0, 9, 9]])]
    assert recall(truth, found) == pytest.approx(
        {"all": 0.5, "under 5 mm": 0.0, "5 to 15 mm": np.nan, "from 15 mm": 1.0}, nan_ok=True
    )
    with pytest.raises(InputError, match="every sample needs its candidates"):
        recall(truth, found[:1])
    with pytest.raises(InputError, match="nobody looked"):
        recall([Sample(blank)], found[:1])


@pytest.mark.parametrize(
    "image", [np.zeros((1, 30, 30)), np.full((2, 25, 25), 7, np.uint8), np.ones((1, 1, 1)), np.eye(6)[None]]
)
def test_odd_pictures_have_candidates_or_none_but_no_error(image):
    found = propose(Sample(image))
    assert np.isfinite(found.boxes).all()
    assert len(found) == len(found.masks) == len(found.methods)


def test_what_is_wrong_is_said():
    with pytest.raises(InputError, match="is a volume"):
        propose(Sample(np.zeros((1, 4, 8, 8)), id="v"))
    flat = Sample(np.zeros((1, 8, 8)))
    for wrong in ({"n": 0}, {"shares": {"magic": 1}}, {"shares": {}}, {"shares": {"blobs": 0}}):
        with pytest.raises(InputError, match="n must be 1 or more, and shares positive"):
            propose(flat, **wrong)
