"""Scores of masks against MONAI, and by hand."""

import numpy as np
import pytest
import torch
from monai.metrics import compute_average_surface_distance, compute_dice, compute_hausdorff_distance
from scipy import ndimage

from medloc_lib import metrics as m
from medloc_lib.errors import InputError
from medloc_lib.sample import Detections, Sample


def one_hot(mask):
    return torch.from_numpy(np.asarray(mask, dtype=np.float32)[None, None])


def blobs(seed, shape):
    rng = np.random.default_rng(seed)
    a, b = (ndimage.gaussian_filter(rng.random(shape), 2.0) for _ in range(2))
    return a > np.quantile(a, 0.6), (a + b) / 2 > np.quantile((a + b) / 2, 0.7)


BORDER = np.zeros((12, 9), dtype=bool)
BORDER[:3, 4:] = True
PIXEL = np.zeros((12, 9), dtype=bool)
PIXEL[7, 2] = True
EMPTY = np.zeros((12, 9), dtype=bool)
MASKS = {
    **{f"2-D blobs {seed}": blobs(seed, (40, 31)) for seed in range(4)},
    **{f"3-D blobs {seed}": blobs(seed, (9, 20, 15)) for seed in range(4)},
    "same": (BORDER, BORDER),
    "border and pixel": (BORDER, PIXEL),
    "everything and pixel": (~EMPTY, PIXEL),
    "second empty": (BORDER, EMPTY),
    "first empty": (EMPTY, PIXEL),
    "both empty": (EMPTY, EMPTY),
}


def monai_hausdorff(a, b, percentile, spacing):
    """MONAI's, but for two things. It finds the percentile in single precision, which is off by some 1e-6: here it does
    so in double. And with one empty mask all its distances are infinite, of which it gives infinity as the maximum but
    NaN (infinity minus infinity) as a percentile, its issue 9095: here it is asked for the maximum.
    """
    percentile = percentile if a.any() and b.any() else None
    single = torch.quantile
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "quantile", lambda distances, q: single(distances.double(), q))
        options = {"include_background": True, "percentile": percentile, "spacing": spacing}
        return compute_hausdorff_distance(one_hot(a), one_hot(b), **options).item()


@pytest.mark.filterwarnings(
    "ignore:the (prediction|ground truth) of class 0 is all 0", "ignore:.*always_return_as_numpy"
)
@pytest.mark.parametrize("name", MASKS)
def test_masks_equal_monai(name):
    a, b = MASKS[name]
    pair = one_hot(a), one_hot(b)
    same = {"rel": 1e-6, "nan_ok": True}
    assert m.dice(a, b) == pytest.approx(compute_dice(*pair, ignore_empty=False).item(), **same)
    for spacing in (1.0, (2.0, 0.5, 0.7)[: a.ndim]):
        options = {"include_background": True, "symmetric": True, "spacing": spacing}
        ours = m.surface_distance(a, b, spacing=spacing)
        assert ours == pytest.approx(compute_average_surface_distance(*pair, **options).item(), **same)
        assert m.surface_distance(b, a, spacing=spacing) == pytest.approx(ours, **same)
        for percentile in (50, 95, 100):
            theirs = monai_hausdorff(a, b, percentile, spacing)
            assert m.hausdorff(a, b, spacing=spacing, percentile=percentile) == pytest.approx(theirs, **same)


def test_masks_by_hand():
    assert m.dice(EMPTY, EMPTY) == 1 and m.dice(EMPTY, PIXEL) == 0 and m.dice(BORDER, BORDER) == 1
    assert np.isnan(m.hausdorff(EMPTY, EMPTY)) and m.hausdorff(EMPTY, PIXEL) == np.inf
    assert np.isnan(m.surface_distance(EMPTY, EMPTY)) and m.surface_distance(PIXEL, EMPTY) == np.inf
    # One pixel against a 3×1 column: 2 of 4 pixels shared; from its surface 0, back 1, 0, 1.
    column = np.zeros((12, 9), dtype=bool)
    column[6:9, 2] = True
    assert m.dice(PIXEL, column) == 0.5
    assert m.hausdorff(PIXEL, column, spacing=(2, 1), percentile=100) == 2
    assert m.surface_distance(PIXEL, column, spacing=(2, 1)) == 1
    assert m.dice(PIXEL * 7, column.astype(float)) == 0.5  # any value but 0 is foreground


@pytest.mark.parametrize("score", [m.dice, m.hausdorff, m.surface_distance])
def test_masks_that_do_not_fit_are_refused(score):
    for a, b in [(PIXEL, PIXEL.T), (PIXEL[0], PIXEL[0]), (PIXEL * 0.5, PIXEL), (PIXEL * np.nan, PIXEL)]:
        with pytest.raises(InputError):
            score(a, b)


@pytest.mark.parametrize("options", [{"spacing": 0}, {"spacing": (1, 1, 1)}, {"spacing": (1, np.nan)}])
def test_spacing_of_masks_out_of_range(options):
    for score in (m.hausdorff, m.surface_distance):
        with pytest.raises(InputError, match="spacing must be"):
            score(PIXEL, PIXEL, **options)


@pytest.mark.parametrize("percentile", [0, 101, np.nan])
def test_percentile_out_of_range(percentile):
    with pytest.raises(InputError, match="percentile"):
        m.hausdorff(PIXEL, PIXEL, percentile=percentile)


def test_dice_by_class_is_that_of_the_masks_laid_over_each_other():
    one, other = blobs(0, (40, 31))
    mask = np.where(one, 1, np.where(blobs(5, (40, 31))[0], 2, 0))
    truth = [Sample(np.zeros((1, 40, 31)), mask=mask, classes=("nerve", "vessel"))] * 3
    left, right = other.copy(), other.copy()
    left[:, 15:], right[:, :15] = False, False
    boxes = [[0, 0, 40, 31]] * 3
    found = [
        Detections(boxes, labels=[0, 1, 0], masks=np.stack([left, one, right])),
        Detections(boxes[:1], labels=[1], masks=(mask == 2)[None]),
        Detections.none(),
    ]
    scores = m.dice_by_class(truth, found)
    for k, said in enumerate((other, one)):
        expected = compute_dice(one_hot(said), one_hot(mask == k + 1)).item()
        assert scores[0, k] == pytest.approx(expected, abs=1e-6)
    assert scores[1:].tolist() == [[0, 1], [0, 0]]
    nothing = truth[0].replace(mask=np.zeros((40, 31), int))
    assert m.dice_by_class([nothing], [Detections.none()]).tolist() == [[1, 1]]


def test_dice_by_class_needs_masks_on_both_sides():
    sample = Sample(np.zeros((1, 9, 9)), mask=np.ones((9, 9), int), classes=("nerve",), id="u")
    box = Detections([[0, 0, 4, 4]])
    with pytest.raises(InputError, match="got 1 samples and 2 detections"):
        m.dice_by_class([sample], [box, box])
    with pytest.raises(InputError, match="those in sample 'u' are boxes alone"):
        m.dice_by_class([sample], [box])
    with pytest.raises(InputError, match="sample 'u' lacks one of them"):
        m.dice_by_class([sample.replace(mask=None)], [box])
