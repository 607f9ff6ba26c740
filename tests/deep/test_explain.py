"""Maps of evidence, against what must hold of them and against MONAI."""

from __future__ import annotations

import gc

import numpy as np
import pytest
import torch
from monai.visualize import CAM
from torch import nn

from medloc_lib.deep import explain
from medloc_lib.deep.nets import PooledCNN, TextbookCNN
from medloc_lib.errors import InputError


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return PooledCNN().eval()


@pytest.fixture(scope="module")
def pictures():
    return torch.randn(2, 3, 40, 48, generator=torch.Generator().manual_seed(1))


def cam(net, pictures):
    return explain.class_activation_map(net.features(pictures), net.fc.weight[0]).detach()


def test_the_soft_maximum_of_the_map_is_the_logit(net, pictures):
    soft = (net.sharpness * cam(net, pictures)).exp().mean((1, 2)).log() / net.sharpness + net.fc.bias
    torch.testing.assert_close(soft, net(pictures)[:, 0])


def test_a_sharpness_of_zero_is_the_average(pictures):
    torch.manual_seed(0)
    net = PooledCNN(sharpness=0).eval()
    torch.testing.assert_close(cam(net, pictures).mean((1, 2)) + net.fc.bias, net(pictures)[:, 0])


def test_it_is_monais(net, pictures):
    theirs = CAM(nn_module=net, target_layers="features", fc_layers="fc").compute_map(pictures[:1], class_idx=[0])
    torch.testing.assert_close(theirs[0, 0] - net.fc.bias, cam(net, pictures)[0], rtol=1e-4, atol=1e-5)


def test_grad_cam_of_a_pooled_network_is_its_positive_part(net, pictures):
    """R. R. Selvaraju et al. (2017), section 3, for an average; the weights of a soft maximum sum to one too."""
    ours, theirs = cam(net, pictures).clamp(min=0), explain.grad_cam(net, pictures)
    torch.testing.assert_close(theirs * ours[0].numel(), ours, rtol=1e-3, atol=1e-4)


def test_grad_cam_leaves_no_trace_in_the_network(pictures):
    net = PooledCNN().eval()
    with torch.no_grad():
        explain.grad_cam(net, pictures)
    assert not any(m._forward_hooks or m._backward_hooks for m in net.modules())
    assert all(p.grad is None for p in net.parameters())


def test_grad_cam_keeps_neither_feature_maps_nor_a_second_set_of_weights(net, pictures):
    def large():
        return sum(type(x) in (torch.Tensor, nn.Parameter) and x.numel() > 30_000 for x in gc.get_objects())

    gc.collect()
    gc.disable()  # what only the collector frees may have filled the memory before it comes
    try:
        before = large()
        explain.grad_cam(net, pictures)
        assert large() == before
    finally:
        gc.enable()


def test_grad_cam_of_the_textbook_network():
    maps = explain.grad_cam(TextbookCNN().eval(), torch.randn(1, 3, 224, 224))
    assert maps.shape == (1, 26, 26)
    assert (maps >= 0).all()


def test_occlusion_finds_what_the_answer_depends_on():
    class Corner(nn.Module):
        def forward(self, x):
            return x[:, :, 20:28, 30:38].mean((1, 2, 3))[:, None]

    picture = torch.zeros(1, 48, 64)
    picture[:, 20:28, 30:38] = 1
    heat = explain.occlusion(Corner(), picture, side=8, overlap=0.5)
    assert heat.shape == (48, 64)
    row, col = np.unravel_index(int(heat.argmax()), (48, 64))
    assert 20 <= row < 28
    assert 30 <= col < 38
    assert heat[:10].max() == 0


def test_boxes_are_those_of_the_regions_over_a_share():
    heat = np.zeros((10, 10))
    heat[1:3, 1:4], heat[6:9, 5:7], heat[0, 9] = 2, 4, 0.5
    boxes, height = explain.map_to_boxes(heat, share=0.4)
    assert sorted(map(tuple, boxes)) == [(1, 1, 3, 4), (6, 5, 9, 7)]
    assert sorted(height) == [2, 4]
    large, _ = explain.map_to_boxes(heat, share=0.4, shape=(20, 30))
    np.testing.assert_array_equal(np.sort(large, axis=0), np.sort(boxes * [2, 3, 2, 3], axis=0))


@pytest.mark.parametrize("heat", [np.zeros((4, 4)), np.full((4, 4), -1.0), np.zeros((0, 4)), np.zeros((2, 2, 2))])
def test_nothing_positive_no_box(heat):
    boxes, height = explain.map_to_boxes(heat, share=0.5)
    assert boxes.shape == (0, 2 * heat.ndim)
    assert len(height) == 0


@pytest.mark.parametrize("share", [0, 1, -1, 2])
def test_a_share_lies_between_0_and_1(share):
    with pytest.raises(InputError, match="between 0 and 1"):
        explain.map_to_boxes(np.ones((2, 2)), share=share)


def test_weights_must_fit_the_maps():
    with pytest.raises(InputError, match=r"got \(2,\) for 3 maps"):
        explain.class_activation_map(torch.zeros(1, 3, 4, 4), torch.zeros(2))
