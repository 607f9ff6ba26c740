"""Pictures, masks and boxes stay together, whatever happens to them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from medloc_lib.deep.augment import Augment, apply_affine, move_boxes, sample_shift
from medloc_lib.errors import InputError
from medloc_lib.geometry import iou, mask_to_boxes

STILL = Augment(rotate=0, scale=0, flip=(), crop=None, gain=0, offset=0, noise=0)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def ellipse(shape, box):
    """1 inside the ellipse (ellipsoid) that a box is around."""
    ndim = len(shape)
    start, stop = np.array(box[:ndim]), np.array(box[ndim:])
    grid = np.stack(np.meshgrid(*(np.arange(n) + 0.5 for n in shape), indexing="ij"), axis=-1)
    return ((((grid - (start + stop) / 2) / ((stop - start) / 2)) ** 2).sum(-1) <= 1).astype(np.uint8)


def batch(shape, boxes, n=1):
    masks = np.max([ellipse(shape, box) for box in boxes], axis=0)
    return {
        "images": torch.tensor(masks, dtype=torch.float16)[None, None].repeat(n, 2, *[1] * len(shape)),
        "masks": torch.tensor(masks)[None].repeat(n, *[1] * len(shape)),
        "boxes": torch.tensor(boxes, dtype=torch.float32)[None].repeat(n, 1, 1),
        "labels": torch.arange(len(boxes))[None].repeat(n, 1),
        "ignored": torch.zeros(n, len(boxes), dtype=torch.bool),
    }


def test_nothing_asked_nothing_changed():
    given = batch((20, 24), [[4, 6, 12, 18]])
    made = STILL(given, generator())
    torch.testing.assert_close(made["images"], given["images"].float())
    for name in ("masks", "boxes", "labels", "ignored"):
        assert torch.equal(made[name], given[name])


@pytest.mark.parametrize("about", [0, 1, 2])
def test_a_volume_turns_about_each_axis(about):
    angles = tuple(30.0 * (about == axis) for axis in range(3))
    made = Augment(rotate=angles, scale=0, flip=()).sample_affine(50, 3, generator(), torch.device("cpu"))
    still = torch.eye(3)[about]
    torch.testing.assert_close(made[:, about], still.repeat(50, 1))  # that axis stays where it is
    torch.testing.assert_close(made @ made.mT, torch.eye(3).repeat(50, 1, 1))
    spread = torch.rad2deg(torch.arccos(made[:, (about + 1) % 3, (about + 1) % 3]))
    assert 25 < spread.max() <= 30.01 and torch.linalg.det(made).min() > 0.99


def test_only_a_volume_has_three_axes_to_turn_about():
    with pytest.raises(InputError, match="only a volume"):
        Augment(rotate=(1.0, 2.0, 3.0))(batch((20, 24), [[4, 6, 12, 18]]), generator())


@pytest.mark.parametrize("shape", [(80, 96), (40, 48, 44)])
def test_boxes_go_where_their_objects_go(shape):
    ndim = len(shape)
    box = [n // 4 for n in shape] + [n // 4 + 12 + 3 * k for k, n in enumerate(shape)]
    given = batch(shape, [box], n=8)
    made = Augment(rotate=40, scale=0.3, flip=tuple(range(-ndim, 0)), crop=None)(given, generator())
    told = 0
    for mask, moved, label in zip(made["masks"].numpy(), made["boxes"].numpy(), made["labels"].numpy(), strict=True):
        seen, _ = mask_to_boxes(mask)
        if label[0] >= 0 and len(seen) and seen.min() > 0 and (seen[0, ndim:] < shape).all():
            assert iou(seen[:1], moved)[0, 0] > 0.8
            told += 1
    assert told >= 5


def test_picture_and_mask_lie_on_each_other():
    made = Augment(gain=0, offset=0, noise=0, crop=(24, 30))(batch((40, 50), [[10, 12, 30, 40]], n=4), generator())
    assert made["images"].shape == (4, 2, 24, 30)
    close = ((made["images"][:, 0] > 0.5) == (made["masks"] > 0)).float().mean()
    assert close > 0.97


@pytest.mark.parametrize("axis", [-1, -2])
def test_a_mirrored_picture_is_numpys(axis):
    given = batch((12, 16), [[2, 3, 6, 9]], n=16)
    given["images"] = torch.randn(16, 1, 12, 16)
    made = Augment(rotate=0, scale=0, flip=(axis,), gain=0, offset=0, noise=0)(given, generator())
    mirrored = [
        torch.allclose(a, b.flip(axis), atol=1e-4) for a, b in zip(made["images"], given["images"], strict=True)
    ]
    kept = [torch.allclose(a, b, atol=1e-4) for a, b in zip(made["images"], given["images"], strict=True)]
    assert all(a != b for a, b in zip(mirrored, kept, strict=True))
    assert 3 < sum(mirrored) < 13
    expected = [2, 7, 6, 13] if axis == -1 else [6, 3, 10, 9]
    assert made["boxes"][mirrored.index(True), 0].tolist() == pytest.approx(expected, abs=1e-4)


def test_a_quarter_turn_is_numpys():
    images = torch.arange(25.0).reshape(1, 1, 5, 5)
    matrices = torch.tensor([[[0.0, 1.0], [-1.0, 0.0]]])
    made = apply_affine(images, matrices, torch.zeros(1, 2), (5, 5))
    turned = [np.rot90(images[0, 0].numpy(), k) for k in (1, 3)]
    assert any(np.allclose(made[0, 0], t, atol=1e-4) for t in turned)
    boxes = {"boxes": torch.tensor([[[0.0, 1, 1, 4]]]), "labels": torch.zeros(1, 1, dtype=torch.int64)}
    box = move_boxes(boxes, matrices, torch.zeros(1, 2), (5, 5), (5, 5))["boxes"][0, 0]
    painted = torch.zeros(1, 1, 5, 5)
    painted[..., 0, 1:4] = 1
    seen, _ = mask_to_boxes(apply_affine(painted, matrices, torch.zeros(1, 2), (5, 5))[0, 0].numpy() > 0.5)
    np.testing.assert_allclose(seen[0], box, atol=1e-4)


def test_a_cut_off_box_is_dropped_or_ignored():
    boxes = torch.tensor([[[0.0, 0, 4, 4], [18, 18, 28, 28], [12, 12, 14, 14], [0, 0, 0, 0], [6, 14, 18, 22.0]]])
    labels = torch.tensor([[0, 1, 2, -1, 0]])
    still = torch.eye(2)[None]
    made = move_boxes({"boxes": boxes, "labels": labels}, still, torch.zeros(1, 2), (40, 40), (20, 20))  # 10 to 30
    assert made["labels"].tolist() == [[-1, 1, 2, -1, 0]]
    assert made["ignored"].tolist() == [[False, False, False, False, False]]
    assert made["boxes"][0, 1].tolist() == [8, 8, 18, 18]
    assert made["boxes"][0, 4].tolist() == [0, 4, 8, 12]
    edge = torch.tensor([[[0.0, 12, 19, 20], [11, 29, 13, 31]]])
    made = move_boxes(
        {"boxes": edge, "labels": torch.zeros(1, 2, dtype=torch.int64)}, still, torch.zeros(1, 2), (40, 40), (20, 20)
    )
    assert made["labels"].tolist() == [[0, -1]] or made["ignored"].tolist()[0][0]


def test_crops_stay_inside_and_reach_everywhere():
    shifts = sample_shift(500, (40, 20), (10, 20), generator(), torch.device("cpu"))
    assert shifts[:, 0].abs().max() <= 15
    assert shifts[:, 0].min() < -14
    assert shifts[:, 0].max() > 14
    assert (shifts[:, 1] == 0).all()


def test_the_generator_decides():
    given = batch((30, 30), [[5, 5, 15, 15]], n=3)
    first, again, other = (Augment(crop=16, drop=0.5)(given, generator(seed)) for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["images"], other["images"])


def test_what_came_in_stays():
    given = batch((30, 30), [[5, 5, 15, 15]])
    before = {name: tensor.clone() for name, tensor in given.items()}
    Augment(crop=16)(given, generator())
    assert all(torch.equal(given[name], before[name]) for name in given)


def test_one_channel_is_always_left():
    images = torch.ones(200, 3, 2, 2)
    made = Augment(gain=0, offset=0, noise=0, drop=0.9).apply_brightness(images, generator())
    left = made.abs().amax((2, 3)) > 0
    assert left.any(1).all()
    assert 0.05 < left.float().mean() < 0.6


def test_brightness_is_of_the_size_that_was_asked():
    images = torch.randn(400, 2, 8, 8, generator=generator(9))
    made = Augment(gain=0.5, offset=0.3, noise=0).apply_brightness(images, generator())
    gain = made.std((2, 3)) / images.std((2, 3))
    assert 1 / 1.5 - 1e-3 <= gain.min() < 0.72
    assert 1.4 < gain.max() <= 1.5 + 1e-3
    offset = made.mean((2, 3)) - gain * images.mean((2, 3))
    assert float(offset.std()) == pytest.approx(0.3, rel=0.15)


def test_quarter_turns_are_exact():
    given = batch((24, 24), [[2, 5, 9, 21]], n=24)
    made = Augment(rotate=0, scale=0, flip=(), crop=None, gain=0, offset=0, noise=0, turn=True)(given, generator())
    before, told = given["masks"][0].numpy(), set()
    for picture, mask, box in zip(made["images"], made["masks"].numpy(), made["boxes"].numpy(), strict=True):
        (k,) = (k for k in range(4) if np.array_equal(np.rot90(before, k), mask))
        np.testing.assert_allclose(picture[0], np.rot90(before, k), atol=1e-4)
        np.testing.assert_allclose(box, mask_to_boxes(mask)[0], atol=1e-4)
        told.add(k)
    assert told == {0, 1, 2, 3}
