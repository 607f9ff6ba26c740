"""Grounding: losses in closed form, a toy that must be learned, the stored grounder on pictures it has not seen."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

import medloc_lib as ml
from medloc_lib.deep.heatmap import decode
from medloc_lib.errors import InputError, ReadError
from medloc_lib.reports.grounded import (
    Judged,
    agree,
    answers,
    choose_threshold,
    in_mirror,
    judge,
    scene,
    summary,
    train_grounder,
    wrong_of,
)
from medloc_lib.reports.grounding import Grounder, box_loss, cells, contrastive_loss, mirrored, numbers
from medloc_lib.reports.simulated import pairs
from medloc_lib.reports.statements import Statement
from medloc_lib.reports.stored import load_grounder
from medloc_lib.reports.tokens import Vocabulary


@pytest.fixture(scope="module")
def grounder():
    return load_grounder()


@pytest.fixture(scope="module")
def sick():
    val = ml.load("brain_lesions", split="val")
    some = (val[i] for i in range(80))
    return [s for s in some if len(s.boxes) and not s.ignore.any()][:12]


def test_digits_that_are_no_number_give_no_size():
    words = Vocabulary(("<pad>", "<unknown>"))
    assert not numbers(["a mass, 3\u00b2 mm, \u00b2\u00b3 mm"], words)[2].any()
    assert numbers(["a mass, 12 mm"], words)[2].max().item() == pytest.approx(np.log(12))


def test_the_contrastive_loss_is_cross_entropy_where_each_has_one_cell():
    logits = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))
    right = torch.zeros(9, 4, dtype=torch.bool)
    right[[2, 5, 0, 8], range(4)] = True
    theirs = torch.nn.functional.cross_entropy(logits.T, torch.tensor([2, 5, 0, 8]))
    assert contrastive_loss(logits, right, torch.ones_like(right)).item() == pytest.approx(theirs.item(), rel=1e-5)


def test_cells_without_care_stand_aside():
    logits, right = torch.tensor([[0.0], [0.0], [50.0]]), torch.tensor([[True], [False], [False]])
    care = torch.tensor([[True], [True], [False]])
    assert contrastive_loss(logits, right, care).item() == pytest.approx(np.log(2), rel=1e-5)
    assert box_loss(logits, right, care).item() == pytest.approx(2 * np.log(2), rel=1e-5)


def test_the_boxes_are_those_that_the_detector_decodes(grounder, sick):
    seen = cells(grounder.detector, sick[0])
    net = grounder.detector.net_
    from medloc_lib.deep import tensors

    with torch.no_grad():
        heat, extents = net(tensors.pictures([sick[0]], grounder.detector.channels_)[0].float()[None])
    np.testing.assert_allclose(seen.heat, heat.sigmoid()[0].amax(0), atol=1e-5)
    peaks = decode(heat.sigmoid(), extents, stride=2, most=1)
    best = int(seen.heat.argmax())
    np.testing.assert_allclose(seen.boxes.flatten(1)[:, best], peaks.boxes[0, 0], atol=1e-3)


def test_in_the_mirror_sides_change_and_twice_is_once(grounder, sick):
    one = scene(grounder.detector, sick[0], pairs(sick[:1]), np.random.default_rng(0))
    other = in_mirror(one)
    assert {s.side for s in one.told} == {{"left": "right", "right": "left"}.get(s.side, s.side) for s in other.told}
    torch.testing.assert_close(mirrored(other.features.float()), one.features.float())
    with pytest.raises(AssertionError):
        torch.testing.assert_close(other.features, one.features)


def test_cells_of_a_told_box_answer_its_sentence_alone(grounder, sick):
    told = pairs(sick[:3])
    scenes = [
        scene(grounder.detector, s, [p for p in told if p.image == i], np.random.default_rng(0))
        for i, s in enumerate(sick[:3])
    ]
    stated = [scenes[0].told[0], wrong_of(scenes[0].told[0], scenes[0].told, np.random.default_rng(1))]
    right, care = answers(scenes, stated, [0, -1])
    own = np.flatnonzero(scenes[0].box == 0)
    assert right[own, 0].all() and care[own, 0].all()
    assert not right[: len(scenes[0].box), 1].any()
    assert right.shape == care.shape == (sum(len(s.box) for s in scenes), 2)


def test_a_wrong_sentence_is_true_of_nothing():
    rng = np.random.default_rng(0)
    present = [Statement("mass", "present", side, "insula", 9) for side in ("left", "right")]
    assert not any(agree(wrong_of(present[0], present, rng), p) for _ in range(100) for p in present)


def test_training_brings_the_loss_down(grounder, sick):
    told = pairs(sick)
    scenes = [
        scene(grounder.detector, s, [p for p in told if p.image == i], np.random.default_rng(0))
        for i, s in enumerate(sick)
    ]
    steps = []
    made, losses = train_grounder(scenes, grounder.detector, steps=40, batch=8, tell=lambda k, _: steps.append(k))
    assert np.mean(losses[-8:]) < 0.7 * np.mean(losses[:8])
    assert steps == list(range(40))
    again, same = train_grounder(scenes, grounder.detector, steps=3, batch=8, seed=2)
    _, twice = train_grounder(scenes, grounder.detector, steps=3, batch=8, seed=2)
    assert same == twice
    _, on = train_grounder(scenes, grounder.detector, steps=3, batch=8, start=made)
    assert on[0] < losses[0] and again is not made


def test_the_stored_grounder_points_and_tells_wrong_sentences(grounder, sick):
    judged = judge(grounder, sick, lambda stated, _: f"A {stated.kind} in the {stated.side} {stated.region}.")
    found = summary(judged, grounder.threshold, least=1)
    assert found["pointing"] > 0.6
    assert found["found"] > found["false alarms"] + 0.3


def test_the_threshold_is_youdens():
    rows = [(0.9, True), (0.8, True), (0.4, True), (0.5, False), (0.1, False), (0.2, False)]
    judged = [Judged(score, True, 1.0, true, True, 2) for score, true in rows]
    assert choose_threshold(judged) in (0.4, 0.8)
    assert summary(judged, 0.6)["found"] == pytest.approx(2 / 3)
    assert summary(judged, 0.45)["false alarms"] == pytest.approx(1 / 3)


def test_heat_and_box_are_of_the_picture(grounder, sick):
    answer = grounder.ground(sick[0], "左侧额叶斑块")
    assert answer.heat.shape == sick[0].shape
    assert (answer.box >= 0).all() and (answer.box <= np.tile(sick[0].shape, 2)).all()
    assert 0 <= answer.score <= 1


def test_sizes_are_numbers_too(grounder):
    _, _, size = numbers(["a mass of 12 mm, of 1.2 cm, 3 lesions"], grounder.vocabulary)
    assert sorted(size[size != 0].tolist()) == pytest.approx([np.log(12)] * 2, rel=1e-5)


def test_a_sentence_without_words(grounder, sick):
    with pytest.raises(InputError, match="needs a sentence with words; got '…'"):
        grounder.ground(sick[0], "…")


def test_stored_and_read_again(grounder, sick, tmp_path):
    grounder.save(tmp_path / "g.safetensors")
    again = Grounder.load(tmp_path / "g.safetensors", grounder.detector)
    a, b = (one.ground(sick[0], "A left frontal mass.") for one in (grounder, again))
    assert a.score == pytest.approx(b.score, abs=1e-3)
    assert again.threshold == grounder.threshold
    with pytest.raises(ReadError, match="no such file"):
        Grounder.load(tmp_path / "none", grounder.detector)
    assert dataclasses.is_dataclass(a)
