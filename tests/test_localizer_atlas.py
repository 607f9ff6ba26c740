"""The atlas, and boxes of organs."""

from __future__ import annotations

import numpy as np
import pytest

from medloc_lib.errors import InputError
from medloc_lib.geometry import mask_to_boxes
from medloc_lib.localizer import check_localizer
from medloc_lib.localizer.atlas import AtlasLocalizer, organs, resized
from medloc_lib.metrics import label_map
from medloc_lib.sample import Sample


def volume(mask, **known):
    boxes, values = mask_to_boxes(mask)
    made = {"boxes": boxes, "labels": values - 1, "mask": mask, "classes": ("head", "tail"), "id": "v"} | known
    return Sample(np.zeros((1, *mask.shape)), **made)


def block(place=(2, 2, 2), shape=(10, 12, 8)):
    mask = np.zeros(shape, int)
    a, b, c = place
    mask[a : a + 4, b : b + 3, c : c + 4] = 1
    mask[a : a + 4, b + 3 : b + 7, c : c + 4] = 2
    return mask


def test_the_contract():
    check_localizer(AtlasLocalizer(), [volume(block((2, 2, i % 3))) for i in range(8)])


def test_it_is_the_vote_of_the_training_masks():
    masks = [block(), block(), block((3, 2, 2))]
    (found,) = AtlasLocalizer().fit([volume(m) for m in masks]).predict([volume(masks[2])])
    assert np.array_equal(label_map(found, masks[0].shape), masks[0])
    assert found.labels.tolist() == [0, 1] and np.all(found.scores > 0.6)


def test_it_scales_with_the_picture():
    large = np.kron(block(), np.ones((2, 2, 2), int))
    (found,) = AtlasLocalizer().fit([volume(block())]).predict([volume(large)])
    assert found.boxes == pytest.approx(mask_to_boxes(large)[0])


def test_bad_input():
    with pytest.raises(InputError, match="has none"):
        AtlasLocalizer().fit([volume(block()).replace(mask=None)])
    with pytest.raises(InputError, match="not fitted"):
        AtlasLocalizer().predict([])
    with pytest.raises(InputError, match="fitted on 3-D"):
        AtlasLocalizer().fit([volume(block())]).predict([volume(block()[0])])


def test_a_class_is_its_largest_part_and_is_left_out_where_it_wins_nowhere():
    p = np.zeros((3, 6, 8))
    p[1, 1:4, 1:5], p[1, 5, 7], p[2, 2, 2] = 0.7, 0.9, 0.2
    p[0] = 1 - p[1:].sum(0)
    found = organs(p)
    assert found.boxes.tolist() == [[1, 1, 4, 5]] and found.labels.tolist() == [0]
    assert found.masks[0].sum() == 12 and found.scores == pytest.approx([0.7])
    assert len(organs(np.eye(3)[0][:, None, None] * np.ones((3, 4, 4)))) == 0


def test_resizing_keeps_a_slope():
    slope = np.broadcast_to(np.arange(20.0), (3, 20))
    assert resized(slope, (3, 10))[1] == pytest.approx(np.arange(0.5, 20, 2))
    assert np.array_equal(resized(slope, (3, 20)), slope)
