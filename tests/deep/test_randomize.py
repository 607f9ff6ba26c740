"""Random scanners on the device: closed forms, SciPy, and that nothing changes unasked."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from medloc_lib.deep.augment import Augment
from medloc_lib.deep.randomize import KNOTS, LEVEL, REACH, bend, blur, focus, shade

STILL = Augment(rotate=0, scale=0, flip=(), crop=None, gain=0, offset=0, noise=0)


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * 3


def test_a_curve_is_numpys_interpolation():
    slopes = np.random.default_rng(0).uniform(0.3, 2, len(KNOTS) + 1)
    far = np.array([-50.0, *KNOTS, 50.0])
    heights = np.concatenate([[0], np.cumsum(np.diff(far) * slopes)])
    heights -= np.interp(0, far, heights)
    images = noise(1, 1, 9, 11)
    made = bend(images, torch.tensor(slopes, dtype=torch.float32)[None, None])
    np.testing.assert_allclose(made, np.interp(images, far, heights), atol=1e-4)


def test_each_picture_and_channel_has_its_own_curve():
    images = noise(2, 3, 5, 6)
    slopes = torch.ones(2, 3, len(KNOTS) + 1)
    slopes[1, 2] = 2
    made = bend(images, slopes)
    torch.testing.assert_close(made[1, 2], 2 * images[1, 2])
    torch.testing.assert_close(made[0], images[0])
    torch.testing.assert_close(made[1, :2], images[1, :2])


@pytest.mark.parametrize("shape", [(20, 24), (10, 12, 14)])
def test_blur_is_scipys(shape):
    images = noise(2, 2, *shape)
    made = blur(images, sigma=1.0)
    expected = ndimage.gaussian_filter(images[1, 0].numpy(), 1.0, mode="nearest", truncate=3.0)
    np.testing.assert_allclose(made[1, 0], expected, atol=1e-5)


def test_sharpening_undoes_no_edge_of_a_flat_picture_and_raises_that_of_a_step():
    flat = torch.full((1, 1, 8, 8), 2.0)
    torch.testing.assert_close(focus(flat, torch.ones(1, 1)), flat)
    step = torch.zeros(1, 1, 8, 8)
    step[..., 4:] = 1
    assert focus(step, torch.ones(1, 1)).max() > 1.1
    assert focus(step, -torch.ones(1, 1)).max() <= 1.0001


@pytest.mark.parametrize("shape", [(8, 9), (6, 7, 8)])
def test_an_even_field_is_a_gain_of_the_signal(shape):
    images = noise(2, 2, *shape)
    field = torch.full((2, 1, *[REACH] * len(shape)), 0.1)
    torch.testing.assert_close(shade(images, field) + LEVEL, (images + LEVEL) * np.exp(0.1), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(12, 14), (8, 9, 10)])
@pytest.mark.parametrize("what", ["curve", "bias", "focus"])
def test_augment_draws_a_scanner_for_every_picture(what, shape):
    images = noise(1, 2, *shape).repeat(3, *[1] * (len(shape) + 1))
    augment = Augment(**{**vars(STILL), what: 0.3})
    first, again = (augment({"images": images}, torch.Generator().manual_seed(seed))["images"] for seed in (1, 1))
    assert torch.equal(first, again)
    assert (first[0] - first[1]).abs().max() > 0.01
    assert (first[0] - images[0]).abs().max() > 0.01


def test_a_bent_picture_keeps_its_order():
    images = noise(4, 1, 10, 10)
    made = Augment(**{**vars(STILL), "curve": 0.8})({"images": images}, torch.Generator().manual_seed(0))["images"]
    for before, after in zip(images.flatten(1), made.flatten(1), strict=True):
        assert torch.equal(before.argsort(), after.argsort())
