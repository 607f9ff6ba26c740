"""Samples as tensors, and on their way to the network."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from medloc_lib.deep import tensors
from medloc_lib.deep.feeding import Feed
from medloc_lib.deep.tensors import Data
from medloc_lib.errors import InputError
from medloc_lib.sample import Sample

RNG = np.random.default_rng(0)


def sample(shape=(10, 12), boxes=((1, 2, 5, 6),), **more):
    return Sample(RNG.normal(100, 20, (2, *shape)), channels=("T1", "T2"), boxes=np.array(boxes), id="a", **more)


def test_the_unit_does_not_matter():
    image = RNG.normal(100, 20, (1, 30, 30))
    np.testing.assert_allclose(tensors.standardize(image * 7 + 3), tensors.standardize(image), atol=1e-3)


@pytest.mark.parametrize("image", [np.zeros((1, 4, 4)), np.full((1, 4, 4), 7, np.int16), np.ones((1, 1, 1), np.uint8)])
def test_pictures_without_contrast(image):
    made = tensors.standardize(image)
    assert np.isfinite(made).all()
    assert np.ptp(made) == 0


def test_extremes_are_cut_off_so_that_half_precision_holds_them():
    image = RNG.normal(100, 1, (1, 20, 20))
    image[0, 0, 0] = 1e9
    assert np.abs(tensors.standardize(image)).max() == tensors.FARTHEST


def test_channels_are_chosen_by_name_and_order():
    one = sample()
    both, swapped = (tensors.pictures([one], names)[0] for names in (("T1", "T2"), ("T2", "T1")))
    assert torch.equal(both.flip(0), swapped)
    assert both.dtype == torch.float16
    with pytest.raises(InputError, match="'a' has no channel 'FLAIR'; it has T1, T2"):
        tensors.pictures([one], ("FLAIR",))


def test_two_and_three_dimensions_do_not_mix():
    with pytest.raises(InputError, match="all be 2-D or all 3-D"):
        tensors.pictures([sample(), sample((4, 10, 12), ((1, 2, 3, 4, 5, 6),))], ("T1",))


@pytest.mark.parametrize("shape", [(10, 12), (4, 10, 12)])
def test_a_picture_at_half_size_is_its_blocks_mean(shape):
    picture = torch.randn(1, *shape)
    small = tensors.resize(picture, [n // 2 for n in shape])
    blocks = picture[0].reshape([x for n in shape for x in (n // 2, 2)]).mean(tuple(range(1, 2 * len(shape), 2)))
    torch.testing.assert_close(small[0], blocks)


def test_labels_keep_their_values_at_another_size():
    labels = torch.tensor([[[0, 3], [7, 0]]], dtype=torch.uint8)
    large = tensors.resize(labels, (4, 6), nearest=True)
    assert large.dtype == torch.uint8
    assert large[0].unique().tolist() == [0, 3, 7]


def test_pictures_of_different_sizes_are_stacked_over_their_darkest():
    a, b = torch.ones(1, 2, 3), torch.full((1, 3, 2), 5.0)
    made = tensors.stack([a, b])
    assert made.shape == (2, 1, 3, 3)
    assert made[1, 0].tolist() == [[5, 5, 5], [5, 5, 5], [5, 5, 5]]
    assert torch.equal(made[0, :, :2], a)


def test_boxes_are_padded_and_scaled():
    some = [sample(), sample(boxes=np.zeros((0, 4))), sample(boxes=((0, 0, 2, 2), (2, 2, 4, 8)), labels=[1, 0])]
    made = tensors.box_tensors(some, scale=0.5)
    assert made["labels"].tolist() == [[0, -1], [-1, -1], [1, 0]]
    assert made["boxes"][2, 1].tolist() == [1, 1, 2, 4]
    assert not made["ignored"].any()
    with pytest.raises(InputError, match="nobody looked"):
        tensors.box_tensors([Sample(np.zeros((1, 4, 4)), id="x")])


def told(n=11):
    return Data({"x": torch.randn(n, 3), "k": torch.arange(n)}, tuple(map(str, range(n))))


def test_a_feed_gives_the_same_batches_wherever_the_data_are():
    data = told()
    order = [torch.tensor([3, 1]), torch.tensor([0, 10]), torch.tensor([5, 5])]
    feeds = [Feed(data, torch.device("cpu"), on_device=on) for on in (True, False, None)]
    for feed in feeds:
        batches = list(feed.batches(order))
        assert [index.tolist() for index, _ in batches] == [[3, 1], [0, 10], [5, 5]]
        for index, batch in batches:
            assert torch.equal(batch["k"], index)
            assert torch.equal(batch["x"], data.tensors["x"][index])
    assert [feed.whole for feed in feeds] == [True, False, True]


def test_an_error_of_the_thread_that_gathers_is_raised():
    feed = Feed(told(), torch.device("cpu"), on_device=False)
    with pytest.raises(IndexError):
        list(feed.batches([torch.tensor([0]), torch.tensor([99])]))
