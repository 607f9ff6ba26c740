"""The networks: sizes that can be computed by hand, and pictures of any size."""

from __future__ import annotations

import pytest
import torch

from medloc_lib.deep import nets
from medloc_lib.errors import InputError


def test_the_textbook_cnn_is_that_of_the_textbook():
    """Each layer's parameters by hand: (kernel × in + 1) × out, and in × out + out."""
    net = nets.TextbookCNN()
    convolutions = [(3 * 3 * 3 + 1) * 32, (3 * 3 * 32 + 1) * 64, (3 * 3 * 64 + 1) * 128]
    dense = [26 * 26 * 128 * 512 + 512, 512 + 1]
    learned = [sum(p.numel() for p in layer.parameters()) for layer in (*net.features, *net.head)]
    assert [n for n in learned if n] == convolutions + dense
    assert nets.count(net) == 44_396_609
    assert dense[0] / nets.count(net) > 0.99
    kinds = [type(layer).__name__ for layer in (*net.features, *net.head)]
    assert kinds == ["Conv2d", "ReLU", "MaxPool2d"] * 3 + ["Flatten", "Linear", "ReLU", "Linear"]
    assert net(torch.randn(1, 3, 224, 224)).shape == (1, 1)


def test_the_pooled_one_has_the_same_depth_and_hardly_any_parameters():
    net = nets.PooledCNN()
    widths = [m.out_channels for m in net.modules() if isinstance(m, torch.nn.Conv2d)]
    assert widths == [32, 64, 128]
    assert nets.count(net) < nets.count(nets.TextbookCNN()) / 400
    assert net(torch.randn(2, 3, 50, 70)).shape == (2, 1)


@pytest.mark.parametrize("shape", [(32, 48), (45, 39), (17, 16), (12, 20, 9)])
@pytest.mark.parametrize("stride", [1, 2, 4])
def test_the_heatmap_net_takes_any_size(shape, stride):
    net = nets.HeatmapNet(2, 3, ndim=len(shape), stride=stride, widths=(4, 6, 8)).eval()
    heat, extents = net(torch.randn(2, 2, *shape))
    cells = tuple((n + 2) // 4 if stride == 4 else n // stride for n in shape)
    assert heat.shape == (2, 3, *cells)
    assert extents.shape == (2, 2 * len(shape), *cells)


def test_it_begins_with_hardly_any_object():
    heat, extents = nets.HeatmapNet(1, 2).eval()(torch.randn(1, 1, 32, 32))
    assert heat.detach().sigmoid().mean() < 0.1
    assert extents[0, 2:].detach().exp().mean().item() == pytest.approx(3, rel=1e-3)


def test_a_stride_that_it_has_not():
    with pytest.raises(InputError, match="1, 2 or 4; got 3"):
        nets.HeatmapNet(1, 1, stride=3)


def test_a_stored_heatmap_net_stays_under_three_megabytes():
    assert 2 * nets.count(nets.HeatmapNet(4, 3)) < 3_000_000
    assert 2 * nets.count(nets.unet(4, 3)) < 3_000_000


@pytest.mark.parametrize("shape", [(32, 48), (30, 33), (9, 17, 10)])
def test_the_unet_takes_any_size(shape):
    net = nets.unet(2, 3, ndim=len(shape), widths=(4, 8, 12)).eval()
    assert net(torch.randn(1, 2, *shape)).shape == (1, 4, *shape)


def test_dropout_is_there_when_it_is_asked_for():
    net = nets.HeatmapNet(1, 1, widths=(8, 8), dropout=0.5).train()
    x = torch.randn(1, 1, 16, 16)
    assert not torch.equal(net(x)[1].abs() + net(x)[0], net(x)[0])
    assert net.drop.p == 0.5
