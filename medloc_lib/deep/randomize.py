"""Pictures as other scanners might have taken them: random contrast, uneven brightness, random sharpness.

Parameters are drawn elsewhere (`medloc_lib.deep.augment.Augment`); these functions apply them, each to a whole batch of
standardized pictures (n, channels, *spatial), in 2-D and 3-D, on its device.

B. Billot et al., "SynthSeg: segmentation of brain MRI scans of any contrast and resolution without retraining", Medical
Image Analysis 86 (2023). L. Zhang et al., "Generalizing deep learning for medical image segmentation to unseen domains
via deep stacked transformation" (BigAug), IEEE TMI 39 (2020).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from medloc_lib.deep.tensors import LINEAR

KNOTS = (-4.0, -2.0, -1.0, 0.0, 1.0, 2.0, 4.0)
"""Standardized values between which a contrast curve is straight."""

LEVEL = 5.0
"""About how many robust standard deviations the median of a head's foreground lies over no signal."""

REACH = 4
"""Values along each axis that a field of uneven brightness is drawn at; between them it is linear."""


def bend(images: Tensor, slopes: Tensor) -> Tensor:
    """Another contrast: a curve through 0 that is straight between `KNOTS`, with a slope for each part.

    With positive slopes it rises throughout: what was brighter stays brighter, but by how much changes from one pair of
    tissues to the next, as it does from scanner to scanner.

    Parameters
    ----------
    slopes : (n, channels, len(KNOTS) + 1), lowest part first; all 1 change nothing.

    Examples
    --------
    >>> slopes = torch.tensor([1.0, 1, 1, 1, 2, 1, 1, 1])
    >>> bend(torch.tensor([[[[-2.0, 0.0, 0.5, 3.0]]]]), slopes[None, None])
    tensor([[[[-2.,  0.,  1.,  4.]]]])
    """
    edges = (-math.inf, *KNOTS, math.inf)
    bent = torch.zeros_like(images)
    for k in range(len(KNOTS) + 1):
        low, high = edges[k], edges[k + 1]
        part = images.clamp(low, high) - min(max(0.0, low), high)
        bent = bent + part * slopes[:, :, k].reshape(*images.shape[:2], *[1] * (images.ndim - 2))
    return bent


def shade(images: Tensor, field: Tensor) -> Tensor:
    """Uneven brightness, as a coil sees it: the signal times exp(field).

    A standardized value z stands for a signal of about z + `LEVEL`, so that it becomes (z + LEVEL) exp(field) - LEVEL.

    Parameters
    ----------
    field : (n, 1 or channels, REACH, REACH, …), values on a coarse grid from corner to corner of the picture.

    Examples
    --------
    >>> shade(torch.zeros(1, 1, 1, 3), torch.tensor([0.0, 0.2]).repeat(1, 1, 2, 1)).round(decimals=2)
    tensor([[[[0.0000, 0.5300, 1.1100]]]])
    """
    smooth = functional.interpolate(field, size=images.shape[2:], mode=LINEAR[images.ndim - 2], align_corners=True)
    return (images + LEVEL) * smooth.exp() - LEVEL


def focus(images: Tensor, amount: Tensor, *, sigma: float = 1.0) -> Tensor:
    """Sharper or softer: the picture plus `amount` times what a Gaussian blur takes away.

    Parameters
    ----------
    amount : (n, channels); -1 is the blurred picture, 0 the picture, over 0 it is sharper than it was (unsharp mask).
    sigma : standard deviation of the Gaussian, in pixels.

    Examples
    --------
    >>> point = torch.tensor([[[[0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]]]])
    >>> focus(point, torch.tensor([[-1.0]])).round(decimals=2)
    tensor([[[[0.0000, 0.0500, 0.2400, 0.4000, 0.2400, 0.0500, 0.0000]]]])
    """
    each = amount.reshape(*images.shape[:2], *[1] * (images.ndim - 2))
    return images + each * (images - blur(images, sigma=sigma))


def blur(images: Tensor, *, sigma: float) -> Tensor:
    """Gaussian blur along all spatial axes; beyond the border is what lies on it."""
    radius = math.ceil(3 * sigma)
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, device=images.device) / sigma) ** 2)
    kernel = (kernel / kernel.sum()).to(images.dtype)[None, None]
    for axis in range(2, images.ndim):
        lines = images.movedim(axis, -1)
        rows = functional.pad(lines.reshape(-1, 1, lines.shape[-1]), (radius, radius), mode="replicate")
        images = functional.conv1d(rows, kernel).reshape(lines.shape).movedim(-1, axis)
    return images
