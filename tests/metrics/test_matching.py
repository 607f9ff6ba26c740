"""Which detection hits which box, image weights, what is refused, and the benchmark's two sides."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from medloc_lib import metrics as m
from medloc_lib.errors import InputError
from medloc_lib.sample import Detections, Sample
from tests.metrics.cases import BESIDE, CLASSES, ONE, random_case, sample

# ---- what is matched with what


def test_matches_say_which_detection_hit_which_box():
    truth = [sample(BESIDE + ONE, spacing=(2, 1)), sample([]), sample(ONE)]
    moved = [[6.0, 4, 12, 12]]
    detections = [Detections(BESIDE + moved, scores=[0.1, 0.9]), Detections(ONE, scores=[0.5]), Detections.none()]
    matches = m.match(truth, detections)
    assert matches.image.tolist() == [0, 1, 0] and matches.detection.tolist() == [1, 0, 0]
    assert matches.target.tolist() == [1, -1, 0] and matches.hit.tolist() == [True, False, True]
    assert matches.score.tolist() == [0.9, 0.5, 0.1]
    assert np.array_equal(matches.distance_mm, [2, np.nan, 0], equal_nan=True)  # one row of 2 mm
    assert matches.truths.tolist() == [[2, 0, 0], [0, 0, 0], [1, 0, 0]]
    assert repr(matches) == "Matches: images 3, truth boxes 3, detections 3, hits 2"
    assert m.center_error(truth, detections) == 1


@pytest.mark.parametrize("seed", range(8))
def test_matching_is_greedy_and_one_to_one(seed):
    """The rules, checked one by one on what `match` gives."""
    truth, detections = random_case(seed, ignored=0)
    matches = m.match(truth, detections, iou=0.3)
    assert len(matches.score) == sum(map(len, detections)) and (np.diff(matches.score) <= 0).all()
    assert matches.hit.any() and not matches.hit.all()
    taken = set()
    for i, d, label, box in zip(matches.image, matches.detection, matches.label, matches.target, strict=True):
        overlap = m.iou(detections[i].boxes[d : d + 1], truth[i].boxes)[0]
        free = [
            t for t in range(len(overlap)) if (i, t) not in taken and overlap[t] >= 0.3 and truth[i].labels[t] == label
        ]
        assert box == (max(free, key=lambda t: overlap[t]) if free else -1)
        taken.add((i, box))


def test_box_size_is_the_side_of_the_square_or_cube():
    assert m.box_size_mm([[0, 0, 4, 9], [0, 0, 1, 1]], (2, 0.5)).tolist() == [6, 1]
    assert m.box_size_mm([[0, 0, 4, 9], [0, 0, 1, 1]], [(2, 0.5), (3, 3)]).tolist() == [6, 3]
    assert m.box_size_mm([[0, 0, 0, 1, 2, 4]], (1, 1, 1)) == pytest.approx([2])
    with pytest.raises(InputError, match="spacing must be 2"):
        m.box_size_mm([[0, 0, 1, 1]], (1, 1, 1))


def test_size_limits_are_half_open():
    truth, detections = [sample([[0, 0, 4, 4]])], [Detections([[0, 0, 4, 4]])]
    assert m.average_precision(truth, detections, size_mm=(4, 5)).mean == 1
    assert np.isnan(m.average_precision(truth, detections, size_mm=(3, 4)).mean)


# ---- weights: an image drawn twice


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.integers(0, 40), arrays(int, 5, elements=st.integers(0, 3)))
def test_weights_do_what_copies_of_an_image_do(seed, weights):
    truth, detections = random_case(seed, images=5)
    weighted = m.match(truth, detections, iou=0.3)
    times = np.repeat(np.arange(5), weights)
    copied = m.match([truth[i] for i in times], [detections[i] for i in times], iou=0.3)
    expected = copied.average_precision().per_class if len(times) else dict.fromkeys(CLASSES, np.nan)
    assert weighted.average_precision(weights).per_class == pytest.approx(expected, nan_ok=True)
    assert np.allclose(weighted.froc(weights).sensitivity, copied.froc().sensitivity, equal_nan=True)
    assert weighted.center_error(weights) == pytest.approx(copied.center_error(), nan_ok=True)


@pytest.mark.parametrize("weights", [[1], [1, 1, 1], [0.5, 1], [-1, 1], [[1, 1]]])
def test_weights_are_whole_numbers_one_per_image(weights):
    matches = m.match([sample(ONE)] * 2, [Detections(ONE)] * 2)
    for score in (matches.average_precision, matches.froc, matches.center_error):
        with pytest.raises(InputError, match="weights must be 2 whole numbers"):
            score(weights)


# ---- what is refused


@pytest.mark.parametrize("score", [m.match, m.average_precision, m.froc, m.center_error, m.pointing_game])
def test_what_does_not_belong_together_is_refused(score):
    volume = Sample(np.zeros((1, 2, 4, 4)), boxes=[], id="v")
    found = Detections(ONE)
    for truth, detections, text in [
        ([sample(ONE), sample(None, id="scan 7")], [found] * 2, "'scan 7'.*boxes=None"),
        ([sample(ONE)], [found, found], "1 samples and 2"),
        ([sample(ONE), volume], [found, Detections.none(3)], "all be 2-D or all 3-D; number 1, 'v'"),
        ([volume], [found], "4 numbers a box"),
        ([sample(ONE), sample(ONE, classes=("a",))], [found] * 2, "same classes"),
        ([sample(ONE, classes=("a", "a"))], [found], "different names"),
        ([sample(ONE, id="x")], [Detections(ONE, labels=[3])], "'x'.*label 3"),
    ]:
        with pytest.raises(InputError, match=text):
            score(truth, detections)


@pytest.mark.parametrize("options", [{"iou": 0}, {"iou": 1.1}, {"iou": np.nan}, {"size_mm": (5, 5)}])
def test_options_of_match_out_of_range(options):
    with pytest.raises(InputError):
        m.match([sample(ONE)], [Detections(ONE)], **options)


# ---- the benchmark


def test_the_benchmark_compares_like_with_like(monkeypatch):
    path = Path(__file__).parents[2] / "benchmarks" / "metrics.py"
    spec = importlib.util.spec_from_file_location("benchmark_of_metrics", path)
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    monkeypatch.setattr(benchmark, "IMAGES", 30)
    truth, detections = benchmark.make(classes=3)
    assert {len(s.boxes) for s in truth} == {20} and any(s.ignore.any() for s in truth)
    other, _ = benchmark.theirs(*benchmark.as_coco(truth, detections))
    assert benchmark.ours(truth, detections) == pytest.approx(other, abs=1e-6)
    assert 0.1 < other < 0.9
