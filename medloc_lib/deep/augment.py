"""Augmentation of whole batches on the device: parameters are drawn first, then applied to pictures and boxes alike."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
from torch import Generator, Tensor
from torch.nn import functional

from medloc_lib.deep.paste import paste
from medloc_lib.deep.randomize import KNOTS, REACH, bend, focus, shade
from medloc_lib.deep.tensors import Batch
from medloc_lib.errors import InputError


@dataclass(frozen=True, repr=False)
class Augment:
    """What may happen to a training picture. The defaults suit axial slices and volumes of heads.

    Called with a batch and a generator, it gives a new batch: "images" (n, channels, *spatial) are turned, scaled,
    mirrored, cut and changed in brightness; "masks" (n, *spatial) go the same way with nearest neighbours; "boxes" (n,
    most, 2 * ndim) follow. Whatever else is in the batch stays. All is done on the batch's device, all items at once.

    Parameters
    ----------
    rotate : degrees to either side, in the plane of the last two axes; three numbers for a volume that is turned about
        each of its axes, the first of them that same turn.
    turn : whether they are turned there by 0, 90, 180 or 270 degrees first, each as likely; for pictures that have no
        upright, with a crop whose last two sides are equal.
    scale : largest change of size, as a factor to either side of 1.
    flip : axes that are mirrored in every other picture; -1 is the last one (left and right).
    crop : sides of what is cut out at random, one number for all axes or one for each; along an axis on which the
        picture is smaller it is taken whole. None: no cut.
    gain : largest change of contrast of a channel, as a factor to either side of 1.
    offset : standard deviation of what is added to a channel.
    noise : largest standard deviation of the noise.
    drop : chance of a channel to be blank; one at least is left.
    curve : spread of a random contrast curve, the standard deviation of the logarithm of its slopes; 0: none.
    bias : spread of a field of uneven brightness, the standard deviation of its logarithm; 0: none.
    focus : largest change of sharpness to either side; 1 is from the blurred picture to as much sharper. The last three
        draw scanners that training has not seen; see `medloc_lib.deep.randomize`.
    paste : chance that a picture gets the objects of another one first; needs masks. See `medloc_lib.deep.paste`.

    Examples
    --------
    >>> batch = {"images": torch.randn(2, 1, 8, 8), "boxes": torch.tensor([[[1.0, 2, 3, 5]]] * 2),
    ...          "labels": torch.zeros(2, 1, dtype=torch.int64)}
    >>> made = Augment(crop=6)(batch, torch.Generator().manual_seed(0))
    >>> made["images"].shape, made["boxes"].shape
    (torch.Size([2, 1, 6, 6]), torch.Size([2, 1, 4]))
    """

    rotate: float | tuple[float, float, float] = 12.0
    scale: float = 0.12
    flip: tuple[int, ...] = (-1,)
    crop: int | tuple[int, ...] | None = None
    gain: float = 0.2
    offset: float = 0.2
    noise: float = 0.2
    drop: float = 0.0
    turn: bool = False
    curve: float = 0.0
    bias: float = 0.0
    focus: float = 0.0
    paste: float = 0.0

    def __call__(self, batch: Batch, generator: Generator) -> Batch:
        """The batch, changed; what came in stays as it was."""
        if self.paste:
            batch = paste(batch, self.paste, generator)
        images = batch["images"].float()
        n, _, *shape = images.shape
        matrices = self.sample_affine(n, len(shape), generator, images.device)
        crop = self._crop(shape)
        shifts = sample_shift(n, shape, crop, generator, images.device)
        moved = dict(batch) | {"images": apply_affine(images, matrices, shifts, crop)}
        if "masks" in batch:
            masks = apply_affine(batch["masks"][:, None].float(), matrices, shifts, crop, nearest=True)
            moved["masks"] = masks[:, 0].to(batch["masks"].dtype)
        if "boxes" in batch:
            moved |= move_boxes(batch, matrices, shifts, shape, crop)
        moved["images"] = self.apply_brightness(self.apply_scanner(moved["images"], generator), generator)
        return moved

    def __repr__(self) -> str:
        """What differs from the defaults.

        >>> Augment(crop=128, turn=True)
        Augment(crop=128, turn=True)
        """
        told = [f"{f.name}={value!r}" for f in fields(self) if (value := getattr(self, f.name)) != f.default]
        return f"Augment({', '.join(told)})"

    def _crop(self, shape: list[int]) -> tuple[int, ...]:
        sides = (self.crop,) * len(shape) if isinstance(self.crop, int) else self.crop or shape
        return tuple(min(side, n) for side, n in zip(sides, shape, strict=True))

    def sample_affine(self, n: int, ndim: int, generator: Generator, device: torch.device) -> Tensor:
        """Matrices (n, ndim, ndim) from a place in the new picture to one in the old, both from their centres."""
        about, *others = self.rotate if isinstance(self.rotate, tuple) else (self.rotate,)
        if others and ndim != 3:
            raise InputError(
                f"only a volume is turned about three axes; got pictures of {ndim}, and rotate={self.rotate}"
            )
        turn = (2 * _draw(n, generator, device) - 1) * math.radians(about)
        if self.turn:
            turn = turn + (4 * _draw(n, generator, device)).floor() * (math.pi / 2)
        matrices = torch.eye(ndim, device=device).repeat(n, 1, 1)
        cos, sin = turn.cos(), turn.sin()
        matrices[:, -2, -2], matrices[:, -2, -1] = cos, -sin
        matrices[:, -1, -2], matrices[:, -1, -1] = sin, cos
        for axis, most in zip((-1, -2), others, strict=False):
            matrices = _tilted(axis, (2 * _draw(n, generator, device) - 1) * math.radians(most)) @ matrices
        size = (1 + self.scale) ** (2 * _draw(n, generator, device) - 1)
        matrices = matrices / size[:, None, None]
        for axis in self.flip:
            mirror = 1 - 2 * (_draw(n, generator, device) < 0.5).float()
            matrices[:, :, axis] *= mirror[:, None]
        return matrices

    def apply_scanner(self, images: Tensor, generator: Generator) -> Tensor:
        """Contrast curve, uneven brightness and sharpness, each drawn anew per picture, all but the second per channel.

        Nothing is drawn for what is 0, so that a training without them is the same as ever.
        """
        n, channels = images.shape[:2]
        if self.curve:
            parts = (n, channels, len(KNOTS) + 1)
            images = bend(images, (self.curve * _normal(parts, generator, images.device)).exp())
        if self.focus:
            images = focus(images, self.focus * (2 * _draw((n, channels), generator, images.device) - 1))
        if self.bias:
            grid = (n, 1, *[REACH] * (images.ndim - 2))
            images = shade(images, self.bias * _normal(grid, generator, images.device))
        return images

    def apply_brightness(self, images: Tensor, generator: Generator) -> Tensor:
        """Contrast, brightness, noise and blank channels, each drawn anew per picture and channel."""
        n, channels = images.shape[:2]
        each = (n, channels, *[1] * (images.ndim - 2))
        gain = (1 + self.gain) ** (2 * _draw(each, generator, images.device) - 1)
        images = images * gain + self.offset * _normal(each, generator, images.device)
        if self.noise:
            spread = self.noise * _draw(each, generator, images.device)
            images = images + spread * _normal(tuple(images.shape), generator, images.device)
        if self.drop:
            chance = _draw(each, generator, images.device)
            gone = (chance < self.drop) & (chance > chance.amin(1, keepdim=True))
            images = images.masked_fill(gone, 0)
        return images


def sample_shift(
    n: int, shape: list[int] | tuple[int, ...], crop: tuple[int, ...], generator: Generator, device: torch.device
) -> Tensor:
    """Where the centre of each crop lies, (n, ndim), from the picture's centre; inside, where the crop is smaller."""
    slack = torch.tensor([max(a - b, 0) / 2 for a, b in zip(shape, crop, strict=True)], device=device)
    return (2 * _draw((n, len(crop)), generator, device) - 1) * slack


def apply_affine(
    images: Tensor, matrices: Tensor, shifts: Tensor, crop: tuple[int, ...], *, nearest: bool = False
) -> Tensor:
    """Pictures of shape `crop` whose point p, from its centre, shows what lies at ``matrix @ p + shift`` from theirs.

    Linear, or nearest for labels; beyond the border is what lies on it.

    Parameters
    ----------
    images : float (n, channels, *spatial).
    matrices, shifts : (n, ndim, ndim) and (n, ndim), in pixels, in array-axis order.
    """
    shape = images.shape[2:]
    new, old = (torch.tensor(s, device=images.device, dtype=torch.float32) for s in (crop, shape))
    # torch counts from -1 to 1 between the outer edges, last axis first
    theta = torch.cat([matrices * new / old[:, None], (2 * shifts / old)[:, :, None]], dim=2)
    theta = torch.cat([theta[:, :, :-1].flip(1, 2), theta[:, :, -1:].flip(1)], dim=2)
    grid = functional.affine_grid(theta, [len(images), images.shape[1], *crop], align_corners=False)
    mode = "nearest" if nearest else "bilinear"
    padding = "zeros" if nearest else "border"
    return functional.grid_sample(images, grid, mode=mode, padding_mode=padding, align_corners=False)


def move_boxes(
    batch: Batch, matrices: Tensor, shifts: Tensor, shape: list[int] | tuple[int, ...], crop: tuple[int, ...]
) -> Batch:
    """Boxes as they lie in the new pictures of `apply_affine`.

    A turned box is the box around the turned ellipse (ellipsoid) that the old one was drawn around: half its side along
    axis i is sqrt(sum_j (R_ij h_j)²), which is exact for ellipses, where a box around the turned corners is too large.
    What is cut is clipped. Where the centre is cut off there is no box any more (label -1), but if more than a tenth of
    it is left it is ignored.

    Returns
    -------
    "boxes", "labels" and "ignored".
    """
    boxes, labels = batch["boxes"], batch["labels"]
    ndim = matrices.shape[-1]
    back = torch.linalg.inv(matrices)
    old, new = (torch.tensor(s, device=boxes.device, dtype=torch.float32) for s in (shape, crop))
    center = (boxes[..., :ndim] + boxes[..., ndim:]) / 2 - old / 2 - shifts[:, None]
    half = (boxes[..., ndim:] - boxes[..., :ndim]) / 2
    center = torch.einsum("nij,nmj->nmi", back, center) + new / 2
    half = torch.einsum("nij,nmj->nmi", back**2, half**2).sqrt()
    start, stop = center - half, center + half
    clipped = torch.cat([start.clamp(min=0).minimum(new), stop.clamp(min=0).minimum(new)], dim=-1)
    left = (clipped[..., ndim:] - clipped[..., :ndim]).prod(-1) / (2 * half).prod(-1).clamp(min=1e-6)
    inside = ((center >= 0) & (center < new)).all(-1)
    ignored = batch.get("ignored", torch.zeros_like(labels, dtype=torch.bool))
    ignored = ignored | ((labels >= 0) & ~inside & (left > 0.1)) | (inside & (left < 0.5))
    labels = torch.where(inside | (left > 0.1), labels, -1)
    return {"boxes": clipped, "labels": labels, "ignored": ignored & (labels >= 0)}


def _tilted(axis: int, angles: Tensor) -> Tensor:
    """Matrices (n, 3, 3) that turn the first axis against another by angles in radians."""
    matrices = torch.eye(3, device=angles.device).repeat(len(angles), 1, 1)
    matrices[:, 0, 0] = matrices[:, axis, axis] = angles.cos()
    matrices[:, 0, axis], matrices[:, axis, 0] = -angles.sin(), angles.sin()
    return matrices


def _draw(shape: int | tuple[int, ...], generator: Generator, device: torch.device) -> Tensor:
    return torch.rand(shape, generator=generator, device=device)


def _normal(shape: tuple[int, ...], generator: Generator, device: torch.device) -> Tensor:
    return torch.randn(shape, generator=generator, device=device)
