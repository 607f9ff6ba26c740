"""Copy and paste: objects arrive with their boxes, as bright against their surroundings as where they came from."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from medloc_lib.deep.augment import Augment
from medloc_lib.deep.localizers import HeatmapLocalizer
from medloc_lib.deep.paste import REACH, paste
from medloc_lib.errors import InputError
from medloc_lib.geometry import mask_to_boxes
from medloc_lib.sample import Sample

SHAPES = pytest.mark.parametrize("shape", [(64, 72), (40, 44, 48)], ids=["2d", "3d"])


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def picture(shape, at=None, *, level=2.0, side=6):
    """A flat picture with a blank frame of three pixels, and a block that is brighter by 5."""
    image = torch.zeros(1, *shape)
    image[(0, *[slice(3, -3)] * len(shape))] = level
    mask = torch.zeros(shape, dtype=torch.uint8)
    if at is not None:
        block = tuple(slice(start, start + side) for start in at)
        image[0][block] += 5
        mask[block] = 1
    return image, mask


def batch(*pictures):
    images, masks = (torch.stack(parts) for parts in zip(*pictures, strict=True))
    found = [mask_to_boxes(mask.numpy())[0] for mask in masks]
    boxes = torch.zeros(len(found), 1, 2 * masks[0].ndim)
    labels = torch.full((len(found), 1), -1)
    for i, box in enumerate(found):
        if len(box):
            boxes[i], labels[i] = torch.from_numpy(box), 0
    return {"images": images, "masks": masks, "boxes": boxes, "labels": labels, "ignored": labels > 0}


def taken(made, given):
    """Which pictures took something."""
    return (made["labels"][:, given["labels"].shape[1] :] >= 0).any(1).tolist()


@SHAPES
def test_objects_arrive_with_their_boxes(shape):
    middle = tuple(n // 2 - 3 for n in shape)
    given = batch(picture(shape, middle), picture(shape, level=3.0), picture(shape, level=-1.0))
    places = set()
    for seed in range(30):
        made = paste(given, 1.0, generator(seed))
        told = taken(made, given)
        assert sum(told) == 1
        assert not told[0]
        i = told.index(True)
        (box,) = mask_to_boxes(made["masks"][i].numpy())[0]
        kept = made["boxes"][i][made["labels"][i] >= 0].numpy()
        np.testing.assert_array_equal(kept, [box])
        core = tuple(slice(int(a) + 1, int(b) - 1) for a, b in zip(box[: len(shape)], box[len(shape) :], strict=True))
        level = float(given["images"][i, 0][tuple(n // 2 for n in shape)])
        torch.testing.assert_close(made["images"][i, 0][core], torch.full_like(made["images"][i, 0][core], level + 5))
        moved = box[: len(shape)] - np.array(middle)
        places.add(tuple(moved))
        assert np.abs(moved).max() <= REACH
    assert len(places) > 20


def test_what_lies_further_away_is_as_it_was():
    given = batch(picture((64, 64), (30, 30)), picture((64, 64), level=3.0))
    made = paste(given, 1.0, generator())
    ((row0, col0, row1, col1),) = mask_to_boxes(made["masks"][1].numpy())[0].astype(int)
    same = made["images"][1, 0] == given["images"][1, 0]
    same[row0 - 2 : row1 + 2, col0 - 2 : col1 + 2] = True
    assert same.all()
    assert torch.equal(made["images"][0], given["images"][0])


def test_an_object_off_the_middle_is_mirrored_in_every_other_batch():
    given = batch(picture((64, 100), (30, 70)), picture((64, 100)))
    left = [bool(paste(given, 1.0, generator(seed))["boxes"][1, 1, 1] < 50) for seed in range(40)]
    assert 10 < sum(left) < 30


def test_nothing_lands_on_an_own_object_over_the_edge_or_outside():
    crowded = picture((64, 64), (22, 22), side=20)
    own = batch(crowded, crowded)
    edge = batch(picture((64, 64), (29, 3)), picture((64, 64)))
    blank = batch(picture((64, 64), (29, 29)), picture((64, 64), level=0.1))
    lands = {name: [] for name in ("own", "edge", "blank")}
    for seed in range(30):
        for name, given in {"own": own, "edge": edge, "blank": blank}.items():
            made = paste(given, 1.0, generator(seed))
            lands[name] += taken(made, given)
            kept = made["boxes"][made["labels"] >= 0]
            assert ((kept >= 0) & (kept <= 64)).all()
    assert not any(lands["own"])
    assert not any(lands["blank"])
    assert 5 < sum(lands["edge"]) < 25


def test_chance_and_generator_decide_and_what_came_in_stays():
    given = batch(*[picture((64, 64), (30, 30))] * 20, *[picture((64, 64))] * 20)
    before = {name: tensor.clone() for name, tensor in given.items()}
    shares = [np.mean([sum(taken(paste(given, p, generator(seed)), given)) for seed in range(40)]) for p in (0.2, 0.8)]
    assert 0 < shares[0] < 0.5 * shares[1]
    first, again, other = (paste(given, 0.5, generator(seed)) for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["images"], other["images"])
    assert all(torch.equal(given[name], before[name]) for name in given)


def test_a_lone_picture_and_healthy_ones_get_nothing():
    for given in (batch(picture((64, 64), (30, 30))), batch(*[picture((64, 64))] * 3)):
        for seed in range(10):
            made = paste(given, 1.0, generator(seed))
            assert not any(taken(made, given))
            assert torch.equal(made["images"], given["images"])


def test_masks_are_needed():
    given = batch(picture((64, 64), (30, 30)))
    del given["masks"]
    with pytest.raises(InputError, match="to paste objects, their masks are needed"):
        Augment(paste=0.5)(given, generator())


@SHAPES
def test_a_detector_learns_from_pasted_objects(shape):
    def sample(at, *, masked=True):
        image, mask = picture(shape, at)
        boxes = mask_to_boxes(mask.numpy())[0]
        return Sample(image.numpy(), channels=("x",), boxes=boxes, mask=mask.numpy() if masked else None)

    middle = tuple(n // 2 for n in shape)
    train = [sample(middle if i % 2 else None) for i in range(8)]
    net = HeatmapLocalizer(augment=Augment(paste=1.0), widths=(8, 12), epochs=2, batch=4)
    assert len(net.fit(train).predict(train)) == 8
    with pytest.raises(InputError, match="learns from masks"):
        net.fit([*train, sample(middle, masked=False)])
