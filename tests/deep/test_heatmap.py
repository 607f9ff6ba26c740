"""Centres and extents: the target against plain loops, the losses against their formulas, there and back again."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medloc_lib import geometry
from medloc_lib.deep import heatmap


def batch(boxes, labels, ignored=None):
    """One picture's boxes as a batch of one."""
    n = len(boxes)
    given = torch.tensor(boxes, dtype=torch.float32).reshape(1, n, -1)
    skip = torch.zeros(1, n, dtype=torch.bool) if ignored is None else torch.tensor([ignored])
    return given, torch.tensor([labels]), skip


def plain_heat(boxes, labels, classes, cells, stride):
    """The heat map by its definition, cell by cell."""
    heat = np.zeros((classes, *cells))
    ndim = len(cells)
    for box, label in zip(boxes, labels, strict=True):
        if label < 0:
            continue
        center = [math.floor((box[k] + box[k + ndim]) / 2 / stride) for k in range(ndim)]
        sigma = [max(heatmap.SPREAD * (box[k + ndim] - box[k]) / stride, heatmap.NARROWEST) for k in range(ndim)]
        for cell in product(*map(range, cells)):
            value = math.exp(-0.5 * sum(((cell[k] - center[k]) / sigma[k]) ** 2 for k in range(ndim)))
            heat[(label, *cell)] = max(heat[(label, *cell)], value)
    return heat


@pytest.mark.parametrize(
    ("boxes", "labels", "cells", "stride"),
    [
        ([[2, 2, 10, 6], [3, 8, 9, 20]], [0, 1], (8, 12), 2),
        ([[0, 0, 1, 1], [0.5, 9, 3.5, 11]], [1, 1], (6, 6), 2),
        ([[1, 2, 3, 9, 8, 7], [0, 0, 0, 4, 4, 4]], [0, -1], (4, 5, 3), 2),
        ([[4, 4, 28, 20]], [0], (8, 8), 4),
    ],
)
def test_the_heat_is_that_of_the_definition(boxes, labels, cells, stride):
    made = heatmap.target(*batch(boxes, labels), classes=2, cells=cells, stride=stride)
    np.testing.assert_allclose(made.heat[0], plain_heat(boxes, labels, 2, cells, stride), atol=1e-5)
    assert made.care.all()


def test_the_cells_of_a_box_share_a_weight_of_one_and_answer_for_it():
    boxes = [[0, 0, 16, 16], [20, 20, 22, 22]]
    made = heatmap.target(*batch(boxes, [0, 1]), classes=2, cells=(12, 12), stride=2)
    assert float(made.weight.sum()) == pytest.approx(2)
    assert made.boxes[0, :, 4, 4].tolist() == boxes[0]
    assert made.boxes[0, :, 10, 10].tolist() == boxes[1]
    assert float(made.weight[0, 10, 10]) == pytest.approx(1)
    assert float(made.weight[0, 4, 4]) < 1


def test_around_an_ignored_box_nothing_is_learned():
    made = heatmap.target(*batch([[4, 4, 8, 8]], [0], [True]), classes=1, cells=(8, 8), stride=2)
    assert made.heat.max() == 0
    assert made.weight.max() == 0
    assert not made.care[0, 3, 3]
    assert made.care[0, 0, 7]


def test_pictures_of_a_batch_do_not_mix():
    boxes = torch.tensor([[[0.0, 0, 4, 4]], [[0.0, 0, 0, 0]]])
    labels = torch.tensor([[0], [-1]])
    made = heatmap.target(boxes, labels, labels > 9, classes=1, cells=(4, 4), stride=2)
    assert made.heat[0].max() == 1
    assert made.heat[1].max() == 0


def test_focal_loss_is_equation_1():
    rng = np.random.default_rng(0)
    logits, wanted = rng.normal(size=(2, 3, 5, 4)), rng.random((2, 3, 5, 4)) * 0.9
    wanted[0, 1, 2, 3] = wanted[1, 0, 0, 0] = 1
    p = 1 / (1 + np.exp(-logits))
    terms = np.where(wanted == 1, (1 - p) ** 2 * np.log(p), (1 - wanted) ** 4 * p**2 * np.log(1 - p))
    care = torch.ones(2, 5, 4, dtype=torch.bool)
    ours = heatmap.focal_loss(torch.tensor(logits), torch.tensor(wanted), care)
    assert float(ours) == pytest.approx(-terms.sum() / 2, rel=1e-5)
    care[0, 0, 0] = False
    ours = heatmap.focal_loss(torch.tensor(logits), torch.tensor(wanted), care)
    assert float(ours) == pytest.approx(-(terms.sum() - terms[0, :, 0, 0].sum()) / 2, rel=1e-5)


def test_focal_loss_of_an_empty_picture_and_of_extreme_answers_is_finite():
    wanted = torch.zeros(1, 1, 4, 4)
    for value in (-200.0, 200.0):
        heat = torch.full((1, 1, 4, 4), value, requires_grad=True)
        loss = heatmap.focal_loss(heat, wanted, torch.ones(1, 4, 4, dtype=torch.bool))
        loss.backward()
        assert torch.isfinite(loss)
        assert torch.isfinite(heat.grad).all()


sides = st.floats(0.25, 20)
places = st.floats(0, 20)


@given(st.lists(st.tuples(places, places, sides, sides), min_size=2, max_size=2))
def test_generalized_iou_is_that_of_its_definition(pair):
    a, b = ([row, col, row + height, col + width] for row, col, height, width in pair)
    overlap = geometry.iou([a], [b])[0, 0]
    hull = np.concatenate([np.minimum(a[:2], b[:2]), np.maximum(a[2:], b[2:])])
    covered = (geometry.area([a]) + geometry.area([b]))[0] / (1 + overlap)
    expected = overlap - (geometry.area([hull])[0] - covered) / geometry.area([hull])[0]
    ours = heatmap.giou(torch.tensor([a]), torch.tensor([b]))
    assert float(ours[0]) == pytest.approx(expected, abs=1e-3)


def perfect(boxes, labels, classes, cells, stride):
    """What a network would answer that knows the truth."""
    made = heatmap.target(*batch(boxes, labels), classes=classes, cells=cells, stride=stride)
    ndim = len(cells)
    axes = [np.arange(n) + 0.5 for n in cells]
    place = torch.tensor(np.stack(np.meshgrid(*axes, indexing="ij")), dtype=torch.float32)
    start, stop = made.boxes[0, :ndim] / stride, made.boxes[0, ndim:] / stride
    size = (stop - start).clamp(min=1e-3)
    return made, torch.cat([(start + stop) / 2 - place, size.log()])[None]


@st.composite
def scattered(draw, ndim):
    """Boxes, one to a block of 24 pixels, so that no two share a centre."""
    blocks = draw(st.lists(st.tuples(*[st.integers(0, 2)] * ndim), min_size=1, max_size=4, unique=True))
    boxes = []
    for block in blocks:
        side = [draw(st.floats(0.5, 12)) for _ in range(ndim)]
        start = [24 * b + draw(st.floats(0, 24 - s)) for b, s in zip(block, side, strict=True)]
        boxes.append(start + [a + s for a, s in zip(start, side, strict=True)])
    return boxes, [draw(st.integers(0, 2)) for _ in boxes]


@pytest.mark.parametrize("ndim", [2, 3])
def test_there_and_back_again(ndim):
    def block(found):  # of `scattered`, which holds one object: an order that rounding leaves alone
        label, box = found
        return label, [int((a + b) / 2 // 24) for a, b in zip(box[:ndim], box[ndim:], strict=True)]

    @given(scattered(ndim), st.sampled_from([1, 2, 4]))
    def round_trip(objects, stride):
        boxes, labels = objects
        cells = (72 // stride,) * ndim
        made, raw = perfect(boxes, labels, 3, cells, stride)
        peaks = heatmap.decode(made.heat, raw, stride=stride, most=20)
        found = (peaks.scores[0] >= 1).nonzero()[:, 0]
        got = sorted(((int(peaks.labels[0, i]), peaks.boxes[0, i].tolist()) for i in found), key=block)
        expected = sorted(((k, list(map(float, box))) for k, box in zip(labels, boxes, strict=True)), key=block)
        assert [k for k, _ in got] == [k for k, _ in expected]
        np.testing.assert_allclose([b for _, b in got], [b for _, b in expected], atol=2e-3)

    round_trip()


def test_a_perfect_answer_costs_nothing_and_a_wrong_one_does():
    made, raw = perfect([[2, 3, 9, 8], [20, 20, 21, 21]], [0, 0], 1, (16, 16), 2)
    assert float(heatmap.extent_loss(raw, made, stride=2)) == pytest.approx(0, abs=1e-4)
    assert float(heatmap.extent_loss(raw + 0.5, made, stride=2)) > 0.3


def test_a_picture_without_boxes_has_no_extent_loss_but_a_gradient():
    made = heatmap.target(*batch([[0, 0, 0, 0]], [-1]), classes=1, cells=(4, 4), stride=2)
    raw = torch.randn(1, 4, 4, 4, requires_grad=True)
    heatmap.extent_loss(raw, made, stride=2).backward()
    assert (raw.grad == 0).all()


def test_only_the_hottest_class_of_a_place_is_told():
    heat = torch.zeros(1, 2, 5, 5)
    heat[0, 0, 2, 2], heat[0, 1, 2, 3] = 0.9, 0.8
    peaks = heatmap.decode(heat, torch.zeros(1, 4, 5, 5), stride=1)
    assert peaks.scores[0, 0] == pytest.approx(0.9)
    assert peaks.scores[0, 1] == 0


def test_fewer_cells_than_wanted_peaks():
    peaks = heatmap.decode(torch.rand(1, 1, 2, 2), torch.zeros(1, 4, 2, 2), stride=2, most=100)
    assert peaks.boxes.shape == (1, 4, 4)
