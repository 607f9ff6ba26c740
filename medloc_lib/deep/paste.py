"""Copy and paste: objects of one training picture are put into another, so that there are more of both together.

G. Ghiasi et al., "Simple copy-paste is a strong data augmentation method for instance segmentation", CVPR 2021. There
objects replace what they cover. Here they bring along how much brighter or darker they are than what lies around them,
as two scanners do not show the same tissue equally bright.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn import functional

from medloc_lib.deep.tensors import LINEAR, Batch
from medloc_lib.errors import InputError

REACH = 8
"""Pixels by which objects are moved at most, along each axis, before they are put in."""

FAINTEST = 0.6
"""By so much a channel differs from the picture's first pixel where there is something, in standardized units."""

MAX_POOL: dict[int, Any] = {2: functional.max_pool2d, 3: functional.max_pool3d}
MEAN_POOL: dict[int, Any] = {2: functional.avg_pool2d, 3: functional.avg_pool3d}


def paste(batch: Batch, chance: float, generator: Generator) -> Batch:
    """A batch in which some pictures have got the objects of another one of them, with their boxes and labels.

    For the whole batch is drawn which picture gives to which, whether what is given is mirrored along the last axis,
    and by how much it is moved. A picture takes all objects of the other or none: none if it was not drawn, if one
    would lie over its edge or outside what it shows, or nearer than three pixels to its own.

    Parameters
    ----------
    batch : "images" (n, channels, *spatial), standardized; "masks" (n, *spatial), 0 where there is no object; "boxes"
        (n, most, 2 * ndim), "labels" and "ignored" (n, most).
    chance : for each picture.

    Returns
    -------
    The same, with 2 * most boxes. What came in stays as it was.

    Raises
    ------
    InputError
        If there are no masks.

    Examples
    --------
    >>> images, masks = torch.ones(2, 1, 40, 40), torch.zeros(2, 40, 40)
    >>> images[:, :, 0], images[0, :, 20:24, 20:24], masks[0, 20:24, 20:24] = 0, 5, 1
    >>> labels = torch.tensor([[0], [-1]])
    >>> given = {"images": images, "masks": masks, "boxes": torch.tensor([[[20.0, 20, 24, 24]]] * 2), "labels": labels,
    ...          "ignored": labels > 0}
    >>> made = paste(given, 1.0, torch.Generator().manual_seed(0))
    >>> made["labels"].tolist(), [int((mask > 0).sum()) for mask in made["masks"]]
    ([[0, -1], [-1, 0]], [16, 16])
    """
    if "masks" not in batch:
        raise InputError("to paste objects, their masks are needed; train on samples with masks, or with paste=0")
    images, masks, boxes = batch["images"], batch["masks"], batch["boxes"]
    n, _, *shape = images.shape
    draw = partial(torch.rand, generator=generator, device=images.device)
    numbers = torch.arange(n, device=images.device)
    giver = (numbers + 1 + int(draw(1) * (n - 1))) % n
    mirrored = bool(draw(1) < 0.5)
    steps = [int(step) for step in (draw(len(shape)) * (2 * REACH + 1)).floor() - REACH]
    places, labels = _moved_boxes(boxes[giver], shape, steps, mirrored), batch["labels"][giver]
    limits = torch.tensor(shape, device=boxes.device).repeat(2)
    inside = (((places >= 0) & (places <= limits)).all(-1) | (labels < 0)).all(1)
    takes = (draw(n) < chance) & inside & (labels >= 0).any(1) & (giver != numbers)
    # What needs pixels is asked only of the few that are left.
    made, painted = images.to(torch.float32, copy=True), masks.clone()
    own, own_mask = made[takes], masks[takes]
    given, given_mask = (_moved(batch[name][giver[takes]], steps, mirrored) for name in ("images", "masks"))
    objects = (given_mask > 0).float()[:, None]
    near = _grown(objects)
    around = _grown(near)
    apart = (around * (own_mask[:, None] > 0)).flatten(1).sum(1) == 0
    on_something = (_shown(own) * objects).flatten(1).sum(1) >= 0.95 * objects.flatten(1).sum(1)
    fits = apart & on_something
    takes[takes.clone()] = fits
    made[takes] = _blend(own[fits], given[fits].float(), near[fits], around[fits])
    painted[takes] = torch.where(objects[fits, 0] > 0, given_mask[fits], own_mask[fits])
    labels = torch.where(takes[:, None], labels, -1)
    return dict(batch) | {
        "images": made,
        "masks": painted,
        "boxes": torch.cat([boxes, places], dim=1),
        "labels": torch.cat([batch["labels"], labels], dim=1),
        "ignored": torch.cat([batch["ignored"], batch["ignored"][giver] & (labels >= 0)], dim=1),
    }


def _blend(images: Tensor, given: Tensor, near: Tensor, around: Tensor) -> Tensor:
    """Pictures with what is `near` in others, as bright against what lies beyond `around` as there."""
    ndim = near.ndim - 2
    difference, beyond = images - given, 1 - around
    offset = _coarse(beyond * difference) / _coarse(beyond).clamp(min=0.01)
    offset = functional.interpolate(offset, size=near.shape[2:], mode=LINEAR[ndim], align_corners=False)
    share: Tensor = MEAN_POOL[ndim](near, 3, stride=1, padding=1)
    return images + share * (offset - difference)


def _coarse(x: Tensor) -> Tensor:
    """Means over blocks of four pixels along each axis, and over each block's neighbours."""
    pool = MEAN_POOL[x.ndim - 2]
    blocks = pool(x, [min(4, n) for n in x.shape[2:]])
    return torch.as_tensor(pool(blocks, 3, stride=1, padding=1))


def _grown(objects: Tensor) -> Tensor:
    """Objects (n, 1, *spatial) that reach one pixel further along each axis."""
    return torch.as_tensor(MAX_POOL[objects.ndim - 2](objects, 3, stride=1, padding=1))


def _shown(images: Tensor) -> Tensor:
    """1 where a picture shows something, (n, 1, *spatial): where it is not as in its first pixel."""
    first = images.flatten(2)[:, :, 0].reshape(*images.shape[:2], *[1] * (images.ndim - 2))
    return ((images - first).abs().amax(1, keepdim=True) > FAINTEST).float()


def _moved(pictures: Tensor, steps: list[int], mirrored: bool) -> Tensor:
    pictures = pictures.flip(-1) if mirrored else pictures
    return pictures.roll(steps, dims=tuple(range(-len(steps), 0)))


def _moved_boxes(boxes: Tensor, shape: list[int], steps: list[int], mirrored: bool) -> Tensor:
    boxes, ndim = boxes.clone(), len(shape)
    if mirrored:
        boxes[..., [ndim - 1, -1]] = shape[-1] - boxes[..., [-1, ndim - 1]]
    return boxes + torch.tensor(steps, device=boxes.device).repeat(2)
