"""Objects as points: a heat map of centres with the box around each, its target, its losses, and the way back.

X. Zhou, D. Wang and P. Krähenbühl, "Objects as points" (CenterNet), arXiv:1904.07850 (2019). Everything works in 2-D
and 3-D. A *cell* is a point of the network's output grid, `stride` pixels apart; cell i covers the coordinates
``[i * stride, (i + 1) * stride)``, and its centre is at ``(i + 0.5) * stride``.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

SPREAD = 0.18
"""Standard deviation of the bump along each axis, as a share of the box's side: TTFNet's 0.54 / 6 of it to either side
of the centre, doubled for the small lesions of this field."""

NARROWEST = 0.4
"""Smallest standard deviation of the bump, in cells: that of a box smaller than a cell."""


class Target(NamedTuple):
    """What the network shall answer.

    Parameters
    ----------
    heat : (n, classes, *cells), 1 at each centre, falling off as a Gaussian around it.
    boxes : (n, 2 * ndim, *cells), the box that a cell is to answer for, in coordinates.
    weight : (n, *cells), how much its answer counts; the cells of one box share a weight of 1.
    care : bool (n, *cells), False where the heat is not scored, around ignored boxes.
    """

    heat: Tensor
    boxes: Tensor
    weight: Tensor
    care: Tensor


def target(
    boxes: Tensor, labels: Tensor, ignored: Tensor, *, classes: int, cells: tuple[int, ...], stride: int
) -> Target:
    """Heat map and extents for a batch of boxes.

    Around the cell that a box's centre c lies in, the heat of its class is exp(-½ Σ_k ((x_k - c_k) / σ_k)²), with σ_k a
    share of the side along axis k; where two bumps meet, the higher counts (equation 1 of the paper, with a bump as
    long and wide as its box: Z. Liu et al., "Training-time-friendly network for real-time object detection", AAAI
    2020). A cell answers for the box whose bump is the highest there.

    Parameters
    ----------
    boxes, labels, ignored : (n, most, 2 * ndim), (n, most) with -1 for none, and bool (n, most).
    classes : number of classes.
    cells : shape of the output grid.
    stride : pixels from cell to cell.

    Examples
    --------
    >>> boxes = torch.tensor([[[2.0, 2, 4, 6]]])
    >>> made = target(boxes, torch.tensor([[0]]), torch.tensor([[False]]), classes=1, cells=(3, 4), stride=2)
    >>> made.heat[0, 0].round(decimals=2)
    tensor([[0.0000, 0.0000, 0.0400, 0.0000],
            [0.0000, 0.0400, 1.0000, 0.0400],
            [0.0000, 0.0000, 0.0400, 0.0000]])
    """
    n, most, sides = boxes.shape
    ndim = sides // 2
    start, stop = boxes[..., :ndim] / stride, boxes[..., ndim:] / stride
    center = ((start + stop) / 2).floor()
    sigma = ((stop - start) * SPREAD).clamp(min=NARROWEST)
    bump = boxes.new_ones(n, most, *[1] * ndim)
    for k, size in enumerate(cells):
        along = torch.arange(size, device=boxes.device) - center[..., k, None]
        profile = torch.exp(-0.5 * (along / sigma[..., k, None]) ** 2)
        bump = bump * profile.reshape(n, most, *[size if j == k else 1 for j in range(ndim)])
    real = (labels >= 0).reshape(n, most, *[1] * ndim)
    skip = ignored.reshape(n, most, *[1] * ndim)
    bump = bump * real
    care = ~((bump > 0.1) & skip).any(1)
    bump = bump * ~skip
    kinds = torch.stack([(labels == k).reshape(n, most, *[1] * ndim) for k in range(classes)])
    heat = (bump * kinds).amax(2).transpose(0, 1)
    highest, owner = bump.max(1)
    near = highest > 0.3
    flat = owner.flatten(1)
    owned = boxes.gather(1, flat[..., None].expand(-1, -1, sides)).transpose(1, 2).reshape(n, sides, *cells)
    weight = torch.where(near, highest, 0.0).flatten(1)
    total = torch.zeros(n, most, device=boxes.device).scatter_add(1, flat, weight)
    weight = (weight / total.gather(1, flat).clamp(min=1e-6)).reshape(n, *cells)
    return Target(heat, owned, weight, care)


def focal_loss(heat: Tensor, wanted: Tensor, care: Tensor, *, alpha: float = 2.0, beta: float = 4.0) -> Tensor:
    """Penalty-reduced focal loss per object, equation 1 of CenterNet.

    At a centre (wanted 1): -(1 - p)^α ln p. Elsewhere: -(1 - y)^β p^α ln(1 - p), so that cells close to a centre, where
    y is high, are hardly blamed for being hot.

    Parameters
    ----------
    heat : (n, classes, *cells), logits.
    wanted : the same shape, 0 to 1.
    care : bool (n, *cells).
    """
    heat = heat.float()
    log_p, log_q = functional.logsigmoid(heat), functional.logsigmoid(-heat)
    p = heat.sigmoid()
    center = wanted >= 1
    positive = torch.where(center, (1 - p) ** alpha * log_p, 0.0)
    negative = torch.where(center, 0.0, (1 - wanted) ** beta * p**alpha * log_q)
    return -((positive + negative) * care[:, None]).sum() / center.sum().clamp(min=1)


def extent_loss(raw: Tensor, made: Target, *, stride: int) -> Tensor:
    """How far the boxes that the cells answer are off: 1 - GIoU, and L1 of centre and log side, per object.

    Generalized IoU (H. Rezatofighi et al., CVPR 2019) also says how far apart two boxes are that do not touch, as tiny
    ones often do not.

    Parameters
    ----------
    raw : (n, 2 * ndim, *cells), the network's extents.
    made : the target.
    """
    ndim = raw.shape[1] // 2
    chosen = made.weight.flatten() > 0
    weight = made.weight.flatten()[chosen]
    if len(weight) == 0:
        return raw.sum() * 0
    objects = weight.sum().clamp(min=1)
    answer = boxes_of(raw.float(), stride=stride).movedim(1, -1).reshape(-1, 2 * ndim)[chosen]
    wanted = made.boxes.movedim(1, -1).reshape(-1, 2 * ndim)[chosen]
    overlap = 1 - giou(answer, wanted)
    size, size_wanted = (x[:, ndim:] - x[:, :ndim] for x in (answer, wanted))
    log_side = (size.log() - size_wanted.clamp(min=1e-3).log()).abs().mean(1)
    apart = ((answer - wanted)[:, :ndim] + (answer - wanted)[:, ndim:]).abs() / 2 / size_wanted.clamp(min=1)
    return ((overlap + 0.5 * log_side + apart.mean(1)) * weight).sum() / objects


def boxes_of(raw: Tensor, *, stride: int) -> Tensor:
    """The box that each cell answers, in coordinates.

    The first half of the channels says how many cells the box's centre is from the cell's, the second half the log of
    the box's side in cells.

    Parameters
    ----------
    raw : (n, 2 * ndim, *cells).

    Examples
    --------
    >>> boxes_of(torch.zeros(1, 4, 1, 2), stride=2)[0, :, 0, 1]
    tensor([0., 2., 2., 4.])
    """
    ndim = raw.shape[1] // 2
    axes = [torch.arange(size, device=raw.device, dtype=raw.dtype) + 0.5 for size in raw.shape[2:]]
    center = torch.stack(torch.meshgrid(*axes, indexing="ij")) + raw[:, :ndim]
    half = raw[:, ndim:].clamp(-5, 6).exp() / 2
    return torch.cat([center - half, center + half], dim=1) * stride


def giou(a: Tensor, b: Tensor) -> Tensor:
    """Generalized intersection over union of boxes (n, 2 * ndim), pair by pair, from -1 to 1.

    >>> giou(torch.tensor([[0.0, 0, 2, 2]]), torch.tensor([[0.0, 2, 2, 4]]))
    tensor([0.])
    """
    ndim = a.shape[1] // 2
    shared = (torch.minimum(a[:, ndim:], b[:, ndim:]) - torch.maximum(a[:, :ndim], b[:, :ndim])).clamp(min=0).prod(1)
    hull = (torch.maximum(a[:, ndim:], b[:, ndim:]) - torch.minimum(a[:, :ndim], b[:, :ndim])).prod(1)
    covered = (a[:, ndim:] - a[:, :ndim]).prod(1) + (b[:, ndim:] - b[:, :ndim]).prod(1) - shared
    return shared / covered.clamp(min=1e-6) - (hull - covered) / hull.clamp(min=1e-6)


class Peaks(NamedTuple):
    """The best cells of each picture: boxes (n, most, 2 * ndim), scores (n, most), labels (n, most)."""

    boxes: Tensor
    scores: Tensor
    labels: Tensor


def decode(heat: Tensor, raw: Tensor, *, stride: int, most: int = 100) -> Peaks:
    """Where the heat is highest among its neighbours, with the box that is answered there; best first.

    Parameters
    ----------
    heat : (n, classes, *cells), probabilities.
    raw : (n, 2 * ndim, *cells), extents.
    most : so many at most.
    """
    pool = {4: functional.max_pool2d, 5: functional.max_pool3d}[heat.ndim]
    hottest = heat.amax(1, keepdim=True)
    peaks = torch.where(heat >= pool(hottest, 3, stride=1, padding=1), heat, 0.0)
    scores, index = peaks.flatten(1).topk(min(most, peaks[0].numel()))
    count = heat[0, 0].numel()
    boxes = boxes_of(raw.float(), stride=stride).flatten(2)
    place = (index % count)[:, None].expand(-1, boxes.shape[1], -1)
    return Peaks(boxes.gather(2, place).transpose(1, 2), scores, index // count)
