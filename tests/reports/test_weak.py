"""Weak labels: what they say, the loss over halves, and that no box of the training samples is looked at."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import medloc_lib as ml
from medloc_lib import Sample
from medloc_lib.bench import named
from medloc_lib.errors import InputError
from medloc_lib.reports.reading import Reading
from medloc_lib.reports.statements import Statement
from medloc_lib.reports.weak import ReportLocalizer, of_boxes, zone_logits, zones


@pytest.fixture(scope="module")
def few():
    val = ml.load("brain_lesions", split="val")
    return [val[i] for i in range(24)]


def test_labels_of_statements():
    wanted, known = zones(
        Reading.true(
            [
                Statement("mass", "present", "left", "insula"),
                Statement("plaque", "possible", "midline", "brainstem"),
                Statement("infarct", "denied"),
            ]
        )
    )
    assert wanted.tolist() == [[1, 1, 0], [1, 0, 0], [0, 0, 0]]
    assert known.tolist() == [[1, 1, 1], [1, 0, 0], [1, 1, 1]]


def test_the_patients_left_is_the_pictures_right():
    sample = Sample(
        np.zeros((1, 20, 40)),
        boxes=[[2, 30, 6, 34], [2, 2, 6, 6]],
        labels=[0, 2],
        classes=("mass", "plaque", "infarct"),
    )
    reading = of_boxes(sample)
    assert reading.sides["mass"] == {"left"} and reading.sides["infarct"] == {"right"}
    maps = torch.zeros(1, 3, 4, 8)
    maps[0, 0, 1, 6] = 20.0
    logits = zone_logits(maps, torch.zeros(3), 4.0)[0, 0]
    assert logits[1] > 15 and abs(float(logits[2])) < 1e-5


def test_the_soft_maximum_lies_between_mean_and_maximum():
    maps = torch.randn(2, 3, 6, 8, generator=torch.Generator().manual_seed(0))
    whole = zone_logits(maps, torch.zeros(3), 4.0)[..., 0]
    assert (whole >= maps.mean((2, 3))).all() and (whole <= maps.amax((2, 3))).all()


def test_it_learns_from_reports_without_boxes(few):
    blind = [s.replace(boxes=None, labels=None, ignore=None, mask=None) for s in few]
    a = ReportLocalizer(epochs=1, batch=8, device="cpu").fit(blind)
    b = ReportLocalizer(epochs=1, batch=8, device="cpu").fit(few)
    found = [one.predict(few[:2]) for one in (a, b)]
    np.testing.assert_allclose(found[0][0].heatmap, found[1][0].heatmap, atol=1e-5)
    assert ReportLocalizer.inputs == ("image",)


def test_it_is_validated_in_mixed_precision(few):
    mixed = ReportLocalizer("boxes", epochs=1, batch=8, device="cpu").set_params(precision="bf16-mixed")
    found = mixed.fit(few, validation=few).predict(few[:2])
    assert all(np.isfinite(d.scores).all() and np.isfinite(d.boxes).all() for d in found)


def test_reports_and_boxes_agree(few):
    from medloc_lib.reports.stored import load_reader

    told = [zones(r)[0][:, 0] for r in load_reader().read([s.report for s in few])]
    np.testing.assert_array_equal(told, [zones(of_boxes(s))[0][:, 0] for s in few])


def test_rows():
    assert {name: make().labels for name, make in named.find("reports").items()} == {
        "report_labels": "reports",
        "true_labels": "boxes",
    }


@pytest.mark.parametrize(
    ("labels", "strip", "says"), [("words", False, "labels must be"), ("reports", True, "samples with reports")]
)
def test_what_is_wrong_is_said(few, labels, strip, says):
    some = [s.replace(report=None) for s in few] if strip else few
    with pytest.raises(InputError, match=says):
        ReportLocalizer(labels, epochs=1).fit(some)
