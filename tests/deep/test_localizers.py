"""The ladder's localizers: the contract, what they learn in seconds, tiles, files."""

from __future__ import annotations

import copy
import inspect

import numpy as np
import pytest
import torch
from sklearn.base import clone

from medloc_lib.deep.augment import Augment
from medloc_lib.deep.localizers import (
    HeatmapLocalizer,
    ImageClassifier,
    OneBoxLocalizer,
    UnetLocalizer,
    base,
    detector,
    load_model,
    save_model,
)
from medloc_lib.deep.localizers.base import resized
from medloc_lib.deep.localizers.classifier import diseased
from medloc_lib.deep.localizers.detector import tiles
from medloc_lib.deep.localizers.onebox import largest_box
from medloc_lib.deep.localizers.segmenter import mask_to_detections
from medloc_lib.errors import InputError, ReadError
from medloc_lib.localizer import check_localizer
from medloc_lib.metrics import auroc, pointing_game
from medloc_lib.sample import Detections, Sample

SMALL = {
    "heatmap": HeatmapLocalizer(epochs=2, widths=(8, 12), batch=4),
    "unet": UnetLocalizer(epochs=2, widths=(8, 12), batch=4),
    "one box": OneBoxLocalizer(epochs=2, batch=4),
    "cam": ImageClassifier("pooled", "cam", epochs=1, batch=3),
    "grad-cam": ImageClassifier("pooled", "grad_cam", epochs=1, batch=3),
}


def scene(shape, n, seed, *, most=2, channels=1, side=(5, 9)):
    """Noise with bright and brighter blocks in most pictures."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(n):
        image = rng.normal(0, 1, (channels, *shape)).astype(np.float32)
        image[:, *(slice(2, -2),) * len(shape)] += 20
        boxes, labels, mask = [], [], np.zeros(shape, np.uint8)
        for k in range(i % (most + 1)):
            size = rng.integers(*side, len(shape))
            room = (*shape[:-1], shape[-1] // most)
            start = [int(rng.integers(2, max(3, n - s - 2))) for n, s in zip(room, size, strict=True)]
            start[-1] += k * room[-1]
            place = tuple(slice(a, a + s) for a, s in zip(start, size, strict=True))
            labels.append(int(rng.integers(2)))
            image[(0, *place)] += (4, 9)[labels[-1]]
            mask[place] = labels[-1] + 1
            boxes.append([s.start for s in place] + [s.stop for s in place])
        found = np.array(boxes, float).reshape(-1, 2 * len(shape))
        made.append(
            Sample(
                image,
                boxes=found,
                labels=np.array(labels, int),
                mask=mask,
                classes=("dim", "bright"),
                id=f"{seed}-{i}",
                group=f"{seed}-{i}",
            )
        )
    return made


@pytest.mark.parametrize("name", SMALL)
def test_they_keep_the_contract(name):
    check_localizer(SMALL[name])


@pytest.mark.parametrize("name", SMALL)
def test_they_learn_and_answer_with_mixed_precision(name):
    mixed = clone(SMALL[name]).set_params(precision="bf16-mixed")
    train, test = scene((40, 56), 8, 0), scene((40, 56), 4, 1)
    found = mixed.fit(train, validation=test).predict(test)
    assert all(np.isfinite(d.scores).all() and np.isfinite(d.boxes).all() for d in found)


def test_fast_training_answers_as_every_machine_does(heatmap):
    test = scene((40, 56), 4, 1)
    fast = copy.copy(heatmap).set_params(precision="fast", device="cpu")
    for found, known in zip(fast.predict(test), heatmap.predict(test), strict=True):
        np.testing.assert_array_equal(found.scores, known.scores)


@pytest.fixture(scope="module")
def heatmap():
    train, validation = scene((40, 56), 48, 0), scene((40, 56), 12, 1)
    fitted = HeatmapLocalizer(epochs=12, widths=(12, 16, 24), batch=8, rate=0.01, ema=0.9)
    return fitted.fit(train, validation=validation)


def test_the_heat_map_learns_where_and_what(heatmap):
    test = scene((40, 56), 24, 2)
    assert heatmap.score(test) > 0.8
    found = heatmap.predict(test)
    assert pointing_game(test, found) > 0.9
    right = [
        d.labels[0] == s.labels[np.argmax([_inside(d.boxes[0], b) for b in s.boxes])]
        for s, d in zip(test, found, strict=True)
        if len(s.boxes)
    ]
    assert np.mean(right) > 0.8
    assert heatmap.history_.best.score > 0.7


def _inside(box, other):
    middle = (box[:2] + box[2:]) / 2
    return bool((middle >= other[:2]).all() and (middle < other[2:]).all())


@pytest.mark.parametrize("axes", [(-1,), (-2, -1)])
def test_with_mirror_images_it_finds_the_mirrored_in_the_mirrored(heatmap, axes):
    test, both = scene((40, 56), 6, 2), copy.copy(heatmap).set_params(mirror=axes)
    for sample, found in zip(test, both.predict(test), strict=True):
        (other,) = both.predict([Sample(np.flip(sample.image, axes).copy())])
        wanted = found.boxes.copy()
        for axis in axes:
            wanted[:, [2 + axis, 4 + axis]] = sample.shape[axis] - wanted[:, [4 + axis, 2 + axis]]
        np.testing.assert_allclose(other.scores, found.scores, atol=1e-6)
        sure = found.scores > 0.05
        np.testing.assert_allclose(other.boxes[sure], wanted[sure], atol=1e-3)
        np.testing.assert_allclose(other.heatmap, np.flip(found.heatmap, axes), atol=1e-6)
    assert both.score(test) > 0.8


def test_epochs_are_compared_at_one_look(heatmap):
    test, both = scene((40, 56), 6, 2), copy.copy(heatmap).set_params(mirror=(-1, -2))
    looks = []
    hook = heatmap.net_.register_forward_pre_hook(lambda *_: looks.append(1))
    try:
        both.predict(test)
        assert len(looks) == 4
        with torch.no_grad():
            scores = [localizer._validation(test)(heatmap.net_) for localizer in (both, heatmap)]
        assert scores[0] == scores[1] > 0.8
        assert len(looks) == 6
    finally:
        hook.remove()


def test_mirror_images_of_odd_sides_lie_where_the_picture_does(heatmap):
    test = scene((41, 57), 24, 2)
    found = copy.copy(heatmap).set_params(mirror=(-1, -2)).predict(test)
    assert pointing_game(test, found) > 0.9
    assert all(d.heatmap.shape == s.shape for s, d in zip(test, found, strict=True))


def test_it_learns_in_three_dimensions():
    train, test = scene((16, 24, 24), 24, 0, side=(5, 8)), scene((16, 24, 24), 12, 1, side=(5, 8))
    fitted = HeatmapLocalizer(epochs=14, widths=(8, 12), batch=4, rate=0.01, ema=0.9).fit(train)
    assert fitted.ndim_ == 3
    assert fitted.score(test) > 0.6


def test_the_unet_learns_where():
    fitted = UnetLocalizer(epochs=10, widths=(8, 12, 16), batch=8, rate=0.01, ema=0.9).fit(scene((40, 56), 48, 0))
    assert fitted.score(scene((40, 56), 24, 2)) > 0.7


def test_the_unet_learns_in_three_dimensions():
    fitted = UnetLocalizer(epochs=1, widths=(4, 6), batch=4).fit(scene((12, 20, 20), 4, 0, side=(4, 6)))
    assert fitted.predict(scene((13, 21, 20), 2, 1, side=(4, 6)))[0].heatmap.shape == (13, 21, 20)


def test_one_box_learns_one_large_object():
    train, test = scene((60, 60), 64, 0, most=1, side=(12, 24)), scene((60, 60), 24, 1, most=1, side=(12, 24))
    fitted = OneBoxLocalizer(epochs=20, batch=16, augment=None).fit(train)
    assert fitted.score(test) > 0.5
    assert all(len(d) == 1 for d in fitted.predict(test))


def test_the_classifier_knows_whether_and_roughly_where():
    train, test = scene((60, 60), 32, 0, most=1, side=(14, 24)), scene((60, 60), 16, 1, most=1, side=(14, 24))
    fitted = ImageClassifier("pooled", "cam", epochs=6, batch=8, rate=3e-3).fit(train)
    sick, _ = diseased(test)
    assert auroc(sick, fitted.probability(test)) > 0.9
    assert pointing_game(test, fitted.predict(test)) > 0.6
    occluded = ImageClassifier("pooled", "occlusion")
    occluded.__dict__.update({**vars(fitted), "maps": "occlusion"})
    assert pointing_game(test, occluded.predict(test)) > 0.3  # a patch of 32 pixels is coarse here; chance is a tenth


def test_the_pooled_network_sees_all_channels_the_textbook_network_three():
    some = scene((40, 40), 4, 0, channels=4)
    assert ImageClassifier("pooled", "cam", epochs=1, batch=4).fit(some).channels_ == some[0].channels
    named = ImageClassifier("pooled", "cam", channels=some[0].channels[1:3], epochs=1, batch=4).fit(some)
    assert named.net_.features[0][0].in_channels == 2
    assert ImageClassifier(epochs=1, batch=4, augment=Augment()).fit(some).channels_ == some[0].channels[:3]


def test_the_best_epoch_is_chosen_at_the_overlap_that_is_asked_for(monkeypatch):
    asked = []
    right = base.average_precision
    monkeypatch.setattr(base, "average_precision", lambda *pair, iou: (asked.append(iou), right(*pair, iou=iou))[1])
    some = scene((40, 40), 4, 0)
    HeatmapLocalizer(epochs=1, widths=(4, 6), batch=4, iou=0.7).fit(some, validation=some)
    assert asked == [0.7]


def test_a_picture_with_ignored_boxes_only_is_neither_sick_nor_healthy():
    image = np.zeros((1, 9, 9))
    some = [
        Sample(image, boxes=[[0, 0, 2, 2]]),
        Sample(image, boxes=[]),
        Sample(image, boxes=[[0, 0, 1, 1]], ignore=[True]),
        Sample(image, boxes=[[0, 0, 1, 1], [2, 2, 4, 4]], ignore=[True, False]),
        Sample(image),
    ]
    sick, known = diseased(some)
    assert sick.tolist() == [True, False, False, True, False]
    assert known.tolist() == [True, True, False, True, False]


# Large pictures


@pytest.mark.parametrize(("shape", "most"), [((100, 70), 2500), ((33, 20, 47), 8000), ((10, 10), 10**6), ((300,), 50)])
def test_tiles_cover_everything_once(shape, most):
    count = np.zeros(shape, int)
    for outer, inner in tiles(shape, most=most, margin=8, step=4):
        count[inner] += 1
        assert np.prod([s.stop - s.start for s in outer]) <= most
        assert all(s.start % 4 == 0 for s in outer)
        for o, i, n in zip(outer, inner, shape, strict=True):
            assert i.start - o.start == min(8, i.start)
            assert o.stop - i.stop == min(8, n - i.stop)
    assert (count == 1).all()


def test_a_tiled_answer_is_the_whole_one(heatmap, monkeypatch):
    """With a margin as wide as all that a cell can see there is no difference."""
    (large,) = scene((160, 200), 1, 5)
    image = large.image.copy()
    boxes = [[20, 30, 28, 38], [58, 60, 68, 66], [100, 96, 107, 105], [140, 180, 146, 187]]
    for r0, c0, r1, c1 in boxes:
        image[0, r0:r1, c0:c1] += 9
    sample = Sample(image)
    (whole,) = heatmap.predict([sample])
    monkeypatch.setattr(detector, "MOST_PIXELS", 180**2)
    monkeypatch.setattr(detector, "MARGIN", 64)
    (tiled,) = heatmap.predict([sample])
    assert len(whole) >= 3
    np.testing.assert_allclose(tiled.boxes, whole.boxes, atol=1e-2)
    np.testing.assert_allclose(tiled.scores, whole.scores, atol=1e-4)
    np.testing.assert_allclose(tiled.heatmap, whole.heatmap, atol=1e-4)


def test_pictures_at_half_size_have_boxes_at_full_size():
    train, test = scene((80, 112), 32, 0, side=(12, 20)), scene((80, 112), 12, 2, side=(12, 20))
    fitted = HeatmapLocalizer(epochs=12, widths=(12, 16), batch=8, rate=0.01, ema=0.9, scale=0.5).fit(train)
    assert fitted.score(test) > 0.6
    assert fitted.predict(test[:1])[0].heatmap.shape == (80, 112)


def test_a_large_picture_may_hold_more_than_a_hundred_objects():
    def net(pictures):
        heat = torch.full((len(pictures), 1, 512, 512), -9.0)
        heat[..., 8::32, 8::32] = 5.0
        return heat, torch.zeros(len(pictures), 4, 512, 512)

    (found,) = HeatmapLocalizer()._detect(net, torch.zeros(1, 1, 1024, 1024))
    np.testing.assert_array_equal(np.unique(found.boxes[:, 0]), np.arange(16, 1024, 64))
    assert len(found) == 16**2


def test_colour_pictures_of_eight_bits():
    rng = np.random.default_rng(0)
    some = [
        Sample(rng.integers(0, 255, (3, 40, 40)).astype(np.uint8), channels=("R", "G", "B"), boxes=[[5, 5, 15, 15]])
        for _ in range(4)
    ]
    assert len(HeatmapLocalizer(epochs=1, widths=(4, 6), batch=2).fit(some).predict(some)) == 4


# Files


@pytest.mark.parametrize("name", SMALL)
def test_a_stored_model_answers_alike(name, tmp_path):
    some = scene((48, 48), 8, 0, channels=2)
    fitted = SMALL[name].fit(some)
    save_model(fitted, tmp_path / "model.safetensors", about={"data": "toys"})
    again = load_model(tmp_path)
    assert repr(again) == repr(fitted)
    assert again.get_params() == fitted.get_params()
    assert again.n_parameters_ == fitted.n_parameters_
    for a, b in zip(fitted.predict(some), again.predict(some), strict=True):
        assert abs(a.scores.max(initial=0) - b.scores.max(initial=0)) < 0.01
        np.testing.assert_allclose(a.heatmap is None or a.heatmap, b.heatmap is None or b.heatmap, atol=0.05)


def test_a_stored_model_is_half_as_large_as_its_numbers(heatmap, tmp_path):
    path = tmp_path / "m.safetensors"
    save_model(heatmap, path)
    assert path.stat().st_size < 2.5 * heatmap.n_parameters_ + 20_000


def test_what_is_no_model_is_named(heatmap, tmp_path):
    with pytest.raises(ReadError, match="there is no such model"):
        load_model("no_such_model")
    from medloc_lib.deep.storage import write_tensors

    write_tensors(tmp_path / "model.safetensors", {"a": torch.zeros(1)}, {"localizer": "os.system"})
    with pytest.raises(ReadError, match="no model that this version knows"):
        load_model(tmp_path)
    with pytest.raises(InputError, match="not fitted"):
        save_model(HeatmapLocalizer(), tmp_path / "x.safetensors")


# What goes wrong


@pytest.mark.parametrize("name", SMALL)
def test_not_fitted(name):
    fresh = type(SMALL[name])()
    with pytest.raises(InputError, match="not fitted"):
        fresh.predict(scene((40, 40), 1, 0))


def test_samples_that_it_was_not_made_for(heatmap):
    with pytest.raises(InputError, match="fitted on 2-D samples; '0-0' is 3-D"):
        heatmap.predict(scene((16, 24, 24), 1, 0))
    with pytest.raises(InputError, match="has no channel 'image'"):
        heatmap.predict([Sample(np.zeros((1, 20, 20)), channels=("CT",), id="x")])
    with pytest.raises(InputError, match="needs 8 pixels along each axis"):
        heatmap.predict([Sample(np.zeros((1, 5, 20)))])
    with pytest.raises(InputError, match="none with known boxes"):
        HeatmapLocalizer().fit([Sample(np.zeros((1, 20, 20)))])


@pytest.mark.parametrize("made", [OneBoxLocalizer(), ImageClassifier()])
def test_flat_ones_refuse_volumes(made):
    with pytest.raises(InputError, match="2-D samples; got 3-D"):
        made.fit(scene((16, 24, 24), 2, 0))


def test_a_unet_needs_masks():
    with pytest.raises(InputError, match="sample 'x' has none"):
        UnetLocalizer().fit([Sample(np.zeros((1, 20, 20)), boxes=[[1, 1, 4, 4]], id="x")])


def test_the_textbook_network_has_no_class_activation_map():
    with pytest.raises(InputError, match="net and maps must be one of"):
        ImageClassifier("textbook", "cam").fit(scene((40, 40), 4, 0))


def test_samples_without_known_boxes_are_left_out_of_training():
    some = scene((40, 40), 4, 0)
    unknown = [Sample(s.image, id="unknown") for s in some]
    a = HeatmapLocalizer(epochs=1, widths=(4, 6), batch=4).fit(some)
    b = HeatmapLocalizer(epochs=1, widths=(4, 6), batch=4).fit([*unknown, *some])
    assert torch.equal(a.net_.heat[-1].weight, b.net_.heat[-1].weight)


def test_the_largest_real_box():
    boxes = torch.tensor([[[0.0, 0, 9, 9], [0, 0, 2, 2]], [[0, 0, 0, 0], [0, 0, 0, 0]]])
    box, there = largest_box(boxes, torch.tensor([[False, True], [False, False]]))
    assert box[0].tolist() == [0, 0, 2, 2]
    assert there.tolist() == [True, False]


def test_a_mask_becomes_one_box_per_region_in_the_order_of_how_sure_it_is():
    p = np.zeros((3, 12, 12))
    p[1, 1:4, 1:4] = 0.7
    p[2, 6:10, 5:11] = 0.95
    p[1, 11, 11] = 0.4
    p[0] = 1 - p[1:].sum(0)
    found = mask_to_detections(p)
    assert found.boxes.tolist() == [[6, 5, 10, 11], [1, 1, 4, 4]]
    assert found.labels.tolist() == [1, 0]
    assert found.scores == pytest.approx([0.95, 0.7])
    assert len(mask_to_detections(np.stack([np.ones((4, 4)), np.zeros((4, 4))]))) == 0


def test_classes_that_touch_are_one_object_or_two_as_is_asked():
    p = np.zeros((3, 8, 12))
    p[1, 2:6, 1:5] = 0.8
    p[2, 2:6, 5:11] = 0.9
    p[2, 7, 0] = 0.7
    p[0] = 1 - p[1:].sum(0)
    assert mask_to_detections(p).boxes.tolist() == [[2, 1, 6, 11], [7, 0, 8, 1]]
    found = mask_to_detections(p, by_class=True)
    assert found.boxes.tolist() == [[2, 5, 6, 11], [2, 1, 6, 5], [7, 0, 8, 1]]
    assert found.labels.tolist() == [1, 0, 1]
    assert found.scores == pytest.approx([0.9, 0.8, 0.7])
    assert found.masks.sum((1, 2)).tolist() == [24, 16, 1]
    assert not (found.masks[0] & found.masks[1]).any()
    fitted = UnetLocalizer(epochs=1, widths=(4, 6), batch=4, by_class=True).fit(scene((40, 56), 8, 0))
    assert fitted.by_class and len(fitted.predict(scene((40, 56), 2, 1))) == 2


def test_settings_are_those_parameters_that_are_settings():
    made = HeatmapLocalizer(epochs=7, rate=0.5, ema=0.1, seed=3)._settings()
    assert (made.epochs, made.rate, made.ema, made.seed, made.clip) == (7, 0.5, 0.1, 3, 5.0)


def test_augmentation_can_be_left_out():
    made = HeatmapLocalizer(augment=None, epochs=1, widths=(4, 6), batch=2).fit(scene((40, 40), 4, 0))
    assert made.augment is None
    assert isinstance(HeatmapLocalizer().augment, Augment)
    assert "watch" in inspect.signature(made.fit).parameters


def test_masks_grow_with_their_picture():
    mask = np.zeros((1, 4, 6), dtype=bool)
    mask[0, 1:3, 2:5] = True
    grown = resized(Detections([[1, 2, 3, 5]], masks=mask), (4, 6), (8, 12))
    np.testing.assert_array_equal(grown.masks, mask.repeat(2, 1).repeat(2, 2))
    assert grown.boxes.tolist() == [[2, 4, 6, 10]]
