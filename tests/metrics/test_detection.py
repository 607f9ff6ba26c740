"""Scores of boxes against faster-coco-eval and MONAI, and by hand."""

import numpy as np
import pytest
from faster_coco_eval import COCO, COCOeval_faster
from monai.metrics import compute_froc_curve_data, compute_froc_score

from medloc_lib import metrics as m
from medloc_lib.errors import InputError
from medloc_lib.geometry import boxes_to_coco
from medloc_lib.metrics.curves import RATES
from medloc_lib.sample import Detections, Sample
from tests.metrics.cases import BESIDE, CLASSES, ONE, PICTURE, SIDE, random_case, sample


def by_coco(truth, detections, iou, size=(0, 1e5)):
    """AP per class by faster-coco-eval. Boxes are given to it in mm, so that its areas are in mm² too.

    It overwrites an annotation's "ignore" by "iscrowd", which matches otherwise; what it ignores in the plain way is
    truth whose area is out of range.
    """

    def in_mm(boxes, spacing):
        return boxes_to_coco(boxes * np.tile(spacing, 2)).tolist()

    annotations, results = [], []
    for i, (s, d) in enumerate(zip(truth, detections, strict=True), start=1):
        for box, label, ignore in zip(in_mm(s.boxes, s.spacing), s.labels.tolist(), s.ignore, strict=True):
            area = 1e12 if ignore else box[2] * box[3]
            one = {"image_id": i, "category_id": label + 1, "bbox": box, "area": area, "iscrowd": 0}
            annotations.append({"id": len(annotations) + 1, **one})
        for box, label, score in zip(in_mm(d.boxes, s.spacing), d.labels.tolist(), d.scores.tolist(), strict=True):
            results.append({"image_id": i, "category_id": label + 1, "bbox": box, "score": score})
    gt = COCO(
        {
            "images": [{"id": i + 1, "height": SIDE, "width": SIDE} for i in range(len(truth))],
            "annotations": annotations,
            "categories": [{"id": k + 1, "name": name} for k, name in enumerate(CLASSES)],
        }
    )
    evaluator = COCOeval_faster(gt, gt.loadRes(results), "bbox")
    evaluator.params.iouThrs = np.asarray([iou])
    evaluator.params.maxDets = [10_000]
    evaluator.params.areaRng, evaluator.params.areaRngLbl = [[size[0] ** 2, size[1] ** 2]], ["all"]
    evaluator.evaluate()
    evaluator.accumulate()
    precision = evaluator.eval["precision"][0, :, :, 0, 0]
    return [float("nan") if (column < 0).any() else float(column.mean()) for column in precision.T]


def assert_same_ap(ours, theirs):
    assert list(ours.per_class) == list(CLASSES)
    assert np.allclose(list(ours.per_class.values()), theirs, rtol=0, atol=1e-6, equal_nan=True)
    defined = [ap for ap in theirs if ap == ap]
    assert ours.mean == pytest.approx(np.mean(defined) if defined else np.nan, abs=1e-6, nan_ok=True)


# ---- average precision


@pytest.mark.parametrize("grid", [False, True])
@pytest.mark.parametrize("ties", [False, True])
def test_average_precision_equals_coco(grid, ties):
    seen = []
    for seed in range(25):
        truth, detections = random_case(seed, images=1 + seed % 9, grid=grid, ties=ties)
        for iou in (0.1, 0.5, 0.75, 1.0):
            ours = m.average_precision(truth, detections, iou=iou)
            assert_same_ap(ours, by_coco(truth, detections, iou))
            seen.append(ours.mean)
    assert np.nanmin(seen) < 0.1 and np.nanmax(seen) > 0.7  # the comparison spans easy and hard cases


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.5, 2.0)])
@pytest.mark.parametrize("size", [(0, 3), (3, 5), (5, 100)])
def test_average_precision_at_a_size_equals_coco(spacing, size):
    differs = False
    for seed in range(15):
        truth, detections = random_case(seed, spacing=spacing)
        ours = m.average_precision(truth, detections, iou=0.3, size_mm=size)
        assert_same_ap(ours, by_coco(truth, detections, 0.3, size))
        differs |= ours != m.average_precision(truth, detections, iou=0.3)
    assert differs


def test_many_images_equal_coco():
    truth, detections = random_case(0, images=400, ties=True)
    assert_same_ap(m.average_precision(truth, detections), by_coco(truth, detections, 0.5))


def test_images_of_different_spacing_have_sizes_of_their_own():
    truth, detections = random_case(3)
    truth = [s.replace(spacing=(0.5 + i, 0.25 * (i + 1))) for i, s in enumerate(truth)]
    ours = m.average_precision(truth, detections, iou=0.3, size_mm=(2, 8))
    assert_same_ap(ours, by_coco(truth, detections, 0.3, (2, 8)))


DEGENERATE = {
    "nothing at all": ([sample([])], [Detections.none()], [np.nan] * 3),
    "no truth": ([sample([])] * 2, [Detections(ONE), Detections(ONE)], [np.nan] * 3),
    "no detections": ([sample(ONE)], [Detections.none()], [0, np.nan, np.nan]),
    "only ignored truth": ([sample(ONE, ignore=[True])], [Detections(ONE)], [np.nan] * 3),
    "the wrong class": ([sample(ONE)], [Detections(ONE, labels=[1])], [0, np.nan, np.nan]),
    "perfect": ([sample(ONE), sample([])], [Detections(ONE), Detections.none()], [1, np.nan, np.nan]),
    "found twice": ([sample(ONE)], [Detections(ONE * 2)], [1, np.nan, np.nan]),
    "all scores equal, hit last": ([sample(ONE)], [Detections(BESIDE + ONE)], [0.5, np.nan, np.nan]),
    "all scores equal, hit first": ([sample(ONE)], [Detections(ONE + BESIDE)], [1, np.nan, np.nan]),
    "a box of no area": ([sample([[4, 4, 4, 9]])], [Detections([[4, 4, 4, 9]])], [0, np.nan, np.nan]),
    "ignored one absorbs a detection": (
        [sample(ONE + BESIDE, ignore=[True, False])],
        [Detections(ONE + BESIDE, scores=[0.9, 0.1])],
        [1, np.nan, np.nan],
    ),
    "ignored one absorbs one detection only": (
        [sample(ONE + BESIDE, ignore=[True, False])],
        [Detections(ONE * 2 + BESIDE, scores=[0.9, 0.8, 0.1])],
        [0.5, np.nan, np.nan],
    ),
    "of two equal overlaps the last is taken, which leaves the first to the next": (
        [sample([[0, 0, 4, 4], [0, 2, 4, 6]])],
        [Detections([[0, 1, 4, 5], [0, 0, 4, 4]], scores=[0.9, 0.8])],
        [1, np.nan, np.nan],
    ),
    "a real one is taken before an ignored one": (
        [sample([[4, 4, 12, 12], [4, 4, 12, 11]], ignore=[True, False])],
        [Detections(ONE)],
        [1, np.nan, np.nan],
    ),
}


@pytest.mark.parametrize("name", DEGENERATE)
def test_average_precision_of_degenerate_cases(name):
    truth, detections, expected = DEGENERATE[name]
    ours = m.average_precision(truth, detections)
    assert np.allclose(list(ours.per_class.values()), expected, equal_nan=True)
    assert_same_ap(ours, by_coco(truth, detections, 0.5))


def test_more_than_100_detections_in_an_image_all_count():
    truth = [sample(ONE)]
    detections = [Detections(BESIDE * 150 + ONE, scores=np.linspace(1, 0, 151))]
    assert m.average_precision(truth, detections).mean == pytest.approx(1 / 151)
    assert_same_ap(m.average_precision(truth, detections), by_coco(truth, detections, 0.5))


@pytest.mark.parametrize("seed", range(5))
def test_3d_is_2d_when_all_boxes_are_one_plane_thick(seed):
    truth, detections = random_case(seed, grid=True)

    def thick(boxes):
        return np.insert(np.insert(boxes, 2, 1, axis=1), 0, 0, axis=1)

    volumes = [
        Sample(PICTURE[:, None], boxes=thick(s.boxes), labels=s.labels, ignore=s.ignore, classes=CLASSES) for s in truth
    ]
    found = [Detections(thick(d.boxes), scores=d.scores, labels=d.labels) for d in detections]
    assert repr(m.average_precision(volumes, found)) == repr(m.average_precision(truth, detections))
    assert m.center_error(volumes, found) == pytest.approx(m.center_error(truth, detections))
    assert m.average_precision(volumes, found).mean > 0.01


def test_classes_without_names_are_numbered():
    truth = [Sample(PICTURE, boxes=ONE, labels=[1])]
    assert list(m.average_precision(truth, [Detections(ONE, labels=[2])]).per_class) == [
        "label 0",
        "label 1",
        "label 2",
    ]


# ---- FROC


def brute_froc(truth, detections, iou):
    matches = m.match(truth, detections, iou=iou)
    total, reached = matches.truths.sum(), np.zeros(len(RATES))
    for threshold in [*set(matches.score), np.inf]:
        over = matches.score >= threshold
        false, found = (over & ~matches.hit).sum() / len(truth), (over & matches.hit).sum() / total
        reached = np.maximum(reached, np.where(false <= np.asarray(RATES), found, 0))
    return reached


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_froc_is_the_best_sensitivity_that_a_threshold_reaches(seed, ties):
    truth, detections = random_case(seed, images=9, ties=ties)
    ours = m.froc(truth, detections, iou=0.3)
    assert np.allclose(ours.sensitivity, brute_froc(truth, detections, 0.3))
    assert ours.mean == pytest.approx(ours.sensitivity.mean())
    assert 0 < ours.mean < 1 and ours.sensitivity[0] < ours.sensitivity[-1]


@pytest.mark.parametrize("seed", range(8))
def test_froc_equals_monai(seed):
    truth, detections = random_case(seed, images=9)
    matches = m.match(truth, detections, iou=0.3)
    # MONAI leaves out the point of the lowest score: give it one lower still.
    false = np.append(matches.score[~matches.hit], -1)
    curve = compute_froc_curve_data(false, matches.score[matches.hit], matches.truths.sum(), len(truth))
    assert matches.froc().mean == pytest.approx(compute_froc_score(*curve, eval_thresholds=RATES), abs=1e-6)
    assert np.allclose(matches.froc().curve_false_positives, curve[0][::-1])
    assert np.allclose(matches.froc().curve_sensitivity, curve[1][::-1])


def test_froc_of_degenerate_cases():
    assert m.froc([sample(ONE)], [Detections.none()]).sensitivity.tolist() == [0] * 7
    assert np.isnan(m.froc([sample([])], [Detections(ONE)]).mean)
    assert np.isnan(m.froc([], []).mean)
    perfect = m.froc([sample(ONE)], [Detections(ONE)])
    assert perfect.mean == 1 and perfect.false_positives == (0.125, 0.25, 0.5, 1, 2, 4, 8)
    assert repr(perfect).startswith("FROC 1.000: sensitivity 1.000 at 0.125, ")


def test_froc_takes_equal_scores_together():
    """Hit and false positive share a score: no threshold gives the one without the other."""
    hit_first = m.froc([sample(ONE)], [Detections(ONE + BESIDE, scores=[0.5, 0.5])])
    assert hit_first.sensitivity.tolist() == [0, 0, 0, 1, 1, 1, 1]


# ---- centre error, pointing game


def test_center_error_is_in_mm_and_over_hits_only():
    truth = [sample([[0, 0, 4, 4], [8, 8, 12, 12], [20, 20, 24, 24]], spacing=(3, 4))]
    assert m.center_error(truth, [Detections([[1, 1, 5, 5], [8, 8, 12, 12]])]) == 2.5  # (5 + 0) / 2
    assert np.isnan(m.center_error(truth, [Detections.none()]))
    assert np.isnan(m.center_error([sample([])], [Detections(ONE)]))


def test_pointing_game():
    def heat(row, col):
        array = np.zeros((SIDE, SIDE))
        array[row, col] = 1
        return Detections(BESIDE, heatmap=array)

    two = sample(ONE + BESIDE, ignore=[False, True])
    cases = [
        (sample(ONE), heat(4, 4), 1),  # first pixel of the box
        (sample(ONE), heat(11, 11), 1),  # last one
        (sample(ONE), heat(12, 11), 0),
        (sample([[4.4, 4, 12, 12]]), heat(4, 4), 1),  # the pixel's centre, 4.5, is in
        (sample([[4, 4, 11.4, 12]]), heat(11, 4), 0),
        (sample(ONE), Detections(ONE + BESIDE, scores=[0.2, 0.1]), 1),  # no heat map: the best box
        (sample(ONE), Detections(ONE + BESIDE, scores=[0.1, 0.2]), 0),
        (sample(ONE), Detections([[0, 0, 8, 8]], labels=[2]), 1),  # centre on the corner; classes are not looked at
        (sample(ONE), Detections([[0, 0, 24, 24]]), 0),  # centre on the far corner: boxes are half-open
        (sample(ONE), Detections.none(), 0),
        (sample([]), heat(4, 4), np.nan),
        (sample(ONE, ignore=[True]), heat(4, 4), np.nan),
        (two, heat(20, 20), np.nan),  # in the ignored one
        (two, heat(4, 4), 1),
        (two, heat(0, 0), 0),
    ]
    truth, detections, expected = zip(*cases, strict=True)
    assert np.array_equal(m.pointing_hits(truth, detections), expected, equal_nan=True)
    assert m.pointing_game(truth, detections) == pytest.approx(6 / 12)
    assert np.isnan(m.pointing_game([sample([])], [Detections.none()]))
    with pytest.raises(InputError, match="heat map"):
        m.pointing_game([sample(ONE)], [Detections([], heatmap=np.zeros((2, 2)))])
