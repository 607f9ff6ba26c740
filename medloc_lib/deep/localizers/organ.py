"""A U-Net at full resolution for organs and their parts: each class is there once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from medloc_lib.deep import tensors
from medloc_lib.deep.augment import Augment
from medloc_lib.deep.localizers.segmenter import UnetLocalizer
from medloc_lib.deep.nets import unet
from medloc_lib.deep.tensors import Data
from medloc_lib.localizer.atlas import organs
from medloc_lib.metrics import dice, label_map
from medloc_lib.sample import Detections, Sample

TURNS = Augment(rotate=15.0, scale=0.15, flip=())
"""Pictures from other directions and of other sizes, but never mirrored: left and right are not the same organ."""


class OrganLocalizer(UnetLocalizer):
    """A U-Net for organs and their parts: each class is there once, so its largest part is it, and gets a box.

    As `UnetLocalizer`, but for three things. Its first stage works at full resolution: an organ's box is as good as
    its border. Classes that touch are parted (`medloc_lib.localizer.atlas.organs`). And epochs are judged by the mean
    Dice coefficient of the classes, as a box that overlaps somehow is no feat where everybody has the organ. 2-D and
    3-D.

    Parameters
    ----------
    channels : names of the channels to look at; None: all of the first training sample.
    widths : feature maps of each stage; each stage but the first sees half the size of the one before.
    augment : what may happen to a training picture, or None.
    epochs, batch, rate, weight_decay, ema, patience : of the training; see `Settings`.
    seed, device, precision : see `Settings`.

    References
    ----------
    O. Ronneberger, P. Fischer and T. Brox, "U-Net", MICCAI 2015. O. Cicek et al., "3D U-Net", MICCAI 2016. F. Isensee
    et al., "nnU-Net", Nature Methods 18 (2021): Dice loss and cross-entropy at full resolution.
    """

    metric: ClassVar[str] = "Dice"
    fixed: ClassVar[Mapping[str, Any]] = {"clip": 5.0, "validate_every": 3}

    def __init__(
        self,
        channels: Sequence[str] | None = None,
        widths: Sequence[int] = (16, 32, 64, 128),
        augment: Augment | None = TURNS,
        epochs: int = 20,
        batch: int = 4,
        rate: float = 3e-3,
        weight_decay: float = 0.02,
        ema: float = 0.99,
        patience: int | None = None,
        seed: int = 0,
        device: str = "auto",
        precision: str = "auto",
    ) -> None:
        self.channels = channels
        self.widths = widths
        self.augment = augment
        self.epochs = epochs
        self.batch = batch
        self.rate = rate
        self.weight_decay = weight_decay
        self.ema = ema
        self.patience = patience
        self.seed = seed
        self.device = device
        self.precision = precision

    def _build(self) -> nn.Module:
        return unet(len(self.channels_), len(self.classes_), ndim=self.ndim_, widths=self.widths, finest=1)

    def _data(self, samples: Sequence[Sample]) -> Data:
        images = torch.stack(centred(self._pictures(samples)))
        masks = torch.stack(centred(tensors.masks(samples, scale=self.scale), fill=0))[:, 0]
        return Data({"images": images, "masks": masks}, tuple(sample.id for sample in samples))

    def _detect(self, net: nn.Module, pictures: Tensor) -> list[Detections]:
        return [organs(p.cpu().numpy()) for p in net(pictures).float().softmax(1)]

    def _validation(self, samples: Sequence[Sample]) -> Any:
        """Network -> mean Dice coefficient over classes and samples with masks, whose pixels are made ready once."""
        known: list[Any] = [sample for sample in samples if sample.mask is not None]
        pictures, shapes = self._pictures(known), [s.shape for s in known]
        classes = range(1, len(self.classes_) + 1)

        def score(net: nn.Module) -> float:
            told = map(label_map, self._answer(net, pictures, shapes), shapes)
            scores = [dice(s.mask == k, t == k) for s, t in zip(known, told, strict=True) for k in classes]
            return float(np.mean(scores)) if scores else math.nan

        return score


def centred(pictures: Sequence[Tensor], *, fill: float | None = None) -> list[Tensor]:
    """Pictures (channels, *spatial) in the middle of as many of the largest size; around them their border, or `fill`.

    >>> centred([torch.ones(1, 2, 2), torch.zeros(1, 2, 4)], fill=7)[0]
    tensor([[[7., 1., 1., 7.],
             [7., 1., 1., 7.]]])
    """
    largest = [max(sizes) for sizes in zip(*(p.shape[1:] for p in pictures), strict=True)]
    made = []
    for picture in pictures:
        missing = [most - n for most, n in zip(largest, picture.shape[1:], strict=True)]
        amounts = [part for n in reversed(missing) for part in (n // 2, n - n // 2)]
        how: dict[str, Any] = {"mode": "replicate"} if fill is None else {"value": fill}
        made.append(functional.pad(picture[None], amounts, **how)[0])
    return made
