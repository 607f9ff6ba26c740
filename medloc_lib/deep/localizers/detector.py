"""The kit's main detector: a heat map of centres, and a box around each."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from medloc_lib.deep import heatmap, tensors
from medloc_lib.deep.augment import Augment
from medloc_lib.deep.localizers.base import MOST_PIXELS, NetLocalizer, mirrorings
from medloc_lib.deep.nets import HeatmapNet
from medloc_lib.deep.tensors import Batch, Data
from medloc_lib.geometry import nms
from medloc_lib.sample import Detections, Sample

LOWEST = 0.01
"""Peaks under this score are not told."""

DENSEST = 1024
"""Of so many cells one peak at most is read, but 100 of any tile: in large pictures there is room for more."""

MARGIN = 64
"""Pixels by which tiles overlap on each side: what lies further away hardly changes an answer."""

HEADS = Augment(crop=128)


class HeatmapLocalizer(NetLocalizer):
    """Objects as points (CenterNet): a peak in the heat map of a class is a box, of the size that is answered there.

    The network is `nets.HeatmapNet`, the target, the losses and the reading of the answer stand in
    `medloc_lib.deep.heatmap`. 2-D and 3-D. Pictures larger than 4 million pixels or voxels are answered in tiles, in
    bounded memory. Of boxes that overlap by an IoU over `overlap` the best is kept.

    Parameters
    ----------
    channels : names of the channels to look at; None: all of the first training sample.
    widths, stride, dropout : of the network.
    scale : size at which the network sees the pictures, as a factor.
    augment : what may happen to a training picture, or None. With `paste` the samples need masks.
    epochs, batch, rate, weight_decay, ema, patience : of the training; see `Settings`.
    overlap : IoU over which two boxes are one.
    mirror : axes, counted from the last, along which a picture is also looked at mirrored: the answers of all looks are
        averaged, cell by cell. Each axis doubles the time of an answer. () for one look. Epochs are compared at one.
    iou : from which overlap on a hit counts in the AP on validation, by which the best epoch is chosen.
    seed, device, precision : see `Settings`.

    References
    ----------
    X. Zhou, D. Wang and P. Krähenbühl, "Objects as points", arXiv:1904.07850 (2019).
    """

    tells_classes = True
    fixed: ClassVar[Mapping[str, Any]] = {"clip": 5.0}

    def __init__(
        self,
        channels: Sequence[str] | None = None,
        widths: Sequence[int] = (16, 48, 96, 144),
        stride: int = 2,
        dropout: float = 0.0,
        scale: float = 1.0,
        augment: Augment | None = HEADS,
        epochs: int = 48,
        batch: int = 16,
        rate: float = 3e-3,
        weight_decay: float = 0.02,
        ema: float = 0.998,
        patience: int | None = None,
        overlap: float = 0.5,
        mirror: Sequence[int] = (),
        iou: float = 0.3,
        seed: int = 0,
        device: str = "auto",
        precision: str = "auto",
    ) -> None:
        self.channels = channels
        self.widths = widths
        self.stride = stride
        self.dropout = dropout
        self.scale = scale
        self.augment = augment
        self.epochs = epochs
        self.batch = batch
        self.rate = rate
        self.weight_decay = weight_decay
        self.ema = ema
        self.patience = patience
        self.overlap = overlap
        self.mirror = mirror
        self.iou = iou
        self.seed = seed
        self.device = device
        self.precision = precision

    def _build(self) -> nn.Module:
        return HeatmapNet(
            len(self.channels_),
            len(self.classes_),
            ndim=self.ndim_,
            stride=self.stride,
            widths=self.widths,
            dropout=self.dropout,
        )

    def _data(self, samples: Sequence[Sample]) -> Data:
        images = tensors.stack(self._pictures(samples))
        known = tensors.box_tensors(samples, scale=self.scale)
        if self.augment is not None and self.augment.paste:
            known["masks"] = tensors.stack(tensors.masks(samples, scale=self.scale))[:, 0]
        return Data({"images": images, **known}, tuple(sample.id for sample in samples))

    def _loss(self, net: Any, batch: Batch) -> dict[str, Tensor]:
        heat, extents = net(batch["images"])
        wanted = heatmap.target(
            batch["boxes"],
            batch["labels"],
            batch["ignored"],
            classes=heat.shape[1],
            cells=tuple(heat.shape[2:]),
            stride=self.stride,
        )
        return {
            "heat": heatmap.focal_loss(heat, wanted.heat, wanted.care),
            "box": heatmap.extent_loss(extents, wanted, stride=self.stride),
        }

    def _validation(self, samples: Sequence[Sample]) -> Any:
        """As in the base, at one look: mirror images take time, and which epoch is best they hardly change."""
        one = copy.copy(self)
        one.mirror = ()
        return super(HeatmapLocalizer, one)._validation(samples)

    def _detect(self, net: nn.Module, pictures: Tensor) -> list[Detections]:
        n, _, *shape = pictures.shape
        parts: list[list[tuple[Any, Any, Any]]] = [[] for _ in range(n)]
        heat_of = np.zeros((n, *shape), dtype=np.float32)
        for outer, inner in tiles(shape, most=MOST_PIXELS, margin=MARGIN, step=self._step()):
            looked, answered, own = _within(outer, inner)
            heat, extents = self._look(net, pictures[looked])
            most = max(100, math.prod(heat.shape[2:]) // DENSEST)
            peaks = heatmap.decode(heat, extents, stride=self.stride, most=most)
            start = torch.tensor([s.start for s in outer], device=pictures.device).repeat(2)
            boxes, scores, labels = (x.cpu().numpy() for x in (peaks.boxes + start, peaks.scores, peaks.labels))
            whole = functional.interpolate(heat.amax(1, keepdim=True), size=[s.stop - s.start for s in outer])
            heat_of[answered] = whole[own][:, 0].cpu().numpy()
            low, high = np.array([s.start for s in inner]), np.array([s.stop for s in inner])
            center = (boxes[..., : len(shape)] + boxes[..., len(shape) :]) / 2
            keep = (scores >= LOWEST) & ((center >= low) & (center < high)).all(-1)
            for i in range(n):
                parts[i].append((boxes[i][keep[i]], scores[i][keep[i]], labels[i][keep[i]]))
        return [self._one(part, heat_of[i]) for i, part in enumerate(parts)]

    def _look(self, net: nn.Module, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities and extents by cell, the mean over the picture and its mirror images."""
        if not self.mirror:
            heat, extents = net(pictures)
            return heat.float().sigmoid(), extents.float()
        ndim = pictures.ndim - 2
        pictures = tensors.filled(pictures, self.stride)  # the cells of a mirror image lie on those of the picture
        looks = []
        for axes in mirrorings(self.mirror):
            heat, extents = (x.float().flip(axes) for x in net(pictures.flip(axes)))
            for axis in axes:
                extents[:, ndim + axis] *= -1  # what lay to the left lies to the right
            looks.append((heat.sigmoid(), extents))
        heats, answers = zip(*looks, strict=True)
        return torch.stack(heats).mean(0), torch.stack(answers).mean(0)

    def _one(self, parts: list[tuple[Any, Any, Any]], heat: Any) -> Detections:
        boxes, scores, labels = (np.concatenate(column) for column in zip(*parts, strict=True))
        kept = nms(boxes, scores, threshold=self.overlap)
        return Detections(boxes[kept], scores[kept].astype(np.float64), labels[kept], heatmap=heat)

    def _step(self) -> int:
        """What tiles begin at multiples of, so that the network's grids lie alike in all of them."""
        return int(self.stride * 2 ** (len(self.widths) - 1))


def _within(outer: tuple[slice, ...], inner: tuple[slice, ...]) -> tuple[Any, Any, Any]:
    """Indices after any first axes: of the outer and the inner part in the picture, and of the inner in the outer."""
    own = tuple(slice(i.start - o.start, i.stop - o.start) for i, o in zip(inner, outer, strict=True))
    return (..., *outer), (..., *inner), (..., *own)


def tiles(
    shape: Sequence[int], *, most: int, margin: int, step: int
) -> Iterator[tuple[tuple[slice, ...], tuple[slice, ...]]]:
    """Tiles of a picture: for each what is looked at, and the part inside it that it answers for.

    The inner parts cover the picture without overlap; the outer ones reach `margin` further where there is picture.

    Parameters
    ----------
    shape : of the picture.
    most : pixels of a tile.
    margin : rounded up to a multiple of `step`.
    step : the tiles begin at its multiples.

    Examples
    --------
    >>> [(outer[0].indices(10), inner[0].indices(10)) for outer, inner in tiles((10,), most=6, margin=1, step=1)]
    [((0, 5, 1), (0, 4, 1)), ((3, 9, 1), (4, 8, 1)), ((7, 10, 1), (8, 10, 1))]
    """
    if math.prod(shape) <= most:
        whole = tuple(slice(0, n) for n in shape)
        yield whole, whole
        return
    edge = -(-margin // step) * step
    side = max(step, (int(most ** (1 / len(shape))) - 2 * edge) // step * step)
    for start in product(*(range(0, n, side) for n in shape)):
        inner = tuple(slice(a, min(a + side, n)) for a, n in zip(start, shape, strict=True))
        outer = tuple(
            slice(max(0, part.start - edge), min(part.stop + edge, n)) for part, n in zip(inner, shape, strict=True)
        )
        yield outer, inner
