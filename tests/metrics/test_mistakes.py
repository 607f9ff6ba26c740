"""Each kind of mistake, made on purpose; and that none is counted twice."""

from __future__ import annotations

import pytest

from medloc_lib.metrics import match, mistakes
from medloc_lib.sample import Detections
from tests.metrics.cases import random_case, sample

LESION = [10.0, 10, 20, 20]  # 100 pixels


@pytest.mark.parametrize(
    ("box", "label", "kind"),
    [
        ([10.0, 10, 20, 20], 1, "class"),
        ([10.0, 10, 12, 20], 0, "place"),  # IoU 0.2
        ([10.0, 10, 12, 20], 1, "both"),
        ([10.0, 10, 10.5, 20], 0, "nothing"),  # IoU 0.05
        ([0.0, 0, 5, 5], 0, "nothing"),
    ],
)
def test_one_false_alarm_of_each_kind(box, label, kind):
    made = mistakes([sample([LESION], labels=[0])], [Detections([box], labels=[label])])
    assert [m.kind for m in made] == [kind, "missed"]


def test_the_second_box_of_a_lesion_is_double_and_none_is_missed():
    found = Detections([LESION, LESION], scores=[0.4, 0.9])
    (made,) = mistakes([sample([LESION])], [found])
    assert (made.kind, made.image, made.box, made.score) == ("double", 0, 0, 0.4)


def test_ignored_boxes_are_neither_missed_nor_met():
    truth = sample([LESION, [0.0, 0, 6, 6]], ignore=[True, False])
    (missed,) = mistakes([truth], [Detections([LESION])])
    assert (missed.kind, missed.box) == ("missed", 1)


@pytest.mark.parametrize("seed", range(5))
def test_they_are_all_that_is_no_hit(seed):
    truth, found = random_case(seed)
    made, matches = mistakes(truth, found), match(truth, found, iou=0.3)
    false = [m for m in made if m.kind != "missed"]
    assert len(false) == (~matches.hit).sum()
    assert len(made) - len(false) == matches.truths.sum() - matches.hit.sum()
    assert [m.score for m in false] == sorted((m.score for m in false), reverse=True)
    assert len({(m.image, m.box) for m in false}) == len(false)
