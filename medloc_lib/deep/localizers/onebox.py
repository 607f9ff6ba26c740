"""One box by regression: the simplest network that says where, and what it cannot do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from medloc_lib.deep import tensors
from medloc_lib.deep.augment import Augment
from medloc_lib.deep.localizers.base import NetLocalizer
from medloc_lib.deep.nets import BoxNet
from medloc_lib.deep.tensors import Batch, Data
from medloc_lib.errors import InputError
from medloc_lib.sample import Detections, Sample

SIDE = 80
"""Rows and columns that the network sees: a large lesion is still large there, and training takes a minute."""

WHOLE = Augment(crop=None)


class OneBoxLocalizer(NetLocalizer):
    """Whether there is a lesion, and the four numbers of the largest one's box, straight from the picture.

    The loss is the cross-entropy of *whether*, and where there is one the smooth L1 distance of centre and sides, as
    shares of the picture's. One picture, one box: with two lesions it can name one of them at most, and what it learns
    from such pictures is a place between them. 2-D only.

    Parameters
    ----------
    channels : names of the channels to look at; None: all of the first training sample.
    augment : what may happen to a training picture, or None.
    epochs, batch, rate : of the training; see `Settings`.
    seed, device, precision : see `Settings`.
    """

    fixed: ClassVar[Mapping[str, Any]] = {"weight_decay": 0.02, "ema": 0.99}

    def __init__(
        self,
        channels: Sequence[str] | None = None,
        augment: Augment | None = WHOLE,
        epochs: int = 30,
        batch: int = 32,
        rate: float = 2e-3,
        seed: int = 0,
        device: str = "auto",
        precision: str = "auto",
    ) -> None:
        self.channels = channels
        self.augment = augment
        self.epochs = epochs
        self.batch = batch
        self.rate = rate
        self.seed = seed
        self.device = device
        self.precision = precision

    def _build(self) -> nn.Module:
        if self.ndim_ != 2:
            raise InputError(f"it takes 2-D samples; got {self.ndim_}-D: use slices of them")
        return BoxNet(len(self.channels_), (SIDE, SIDE))

    def _pictures(self, samples: Sequence[Sample]) -> list[Tensor]:
        return [tensors.resize(p.float(), (SIDE, SIDE)).half() for p in super()._pictures(samples)]

    def _data(self, samples: Sequence[Sample]) -> Data:
        boxes = tensors.box_tensors(samples)
        shapes = torch.tensor([s.shape for s in samples]).repeat(1, 2)
        boxes["boxes"] = boxes["boxes"] / shapes[:, None] * SIDE
        return Data({"images": torch.stack(self._pictures(samples)), **boxes}, tuple(s.id for s in samples))

    def _loss(self, net: Any, batch: Batch) -> dict[str, Tensor]:
        answer = net(batch["images"]).float()
        largest, there = largest_box(batch["boxes"], (batch["labels"] >= 0) & ~batch["ignored"])
        wanted = torch.cat([(largest[:, :2] + largest[:, 2:]) / 2, largest[:, 2:] - largest[:, :2]], dim=1) / SIDE
        off = functional.smooth_l1_loss(answer[:, 1:], wanted, beta=0.05, reduction="none").sum(1)
        return {
            "whether": functional.binary_cross_entropy_with_logits(answer[:, 0], there.float()),
            "where": 5 * (off * there).sum() / there.sum().clamp(min=1),
        }

    def _detect(self, net: nn.Module, pictures: Tensor) -> list[Detections]:
        answer = net(pictures).float().cpu()
        center, half = answer[:, 1:3] * SIDE, answer[:, 3:] * SIDE / 2
        boxes = torch.cat([center - half, center + half], dim=1).numpy()
        sure = answer[:, 0].double().sigmoid().numpy()
        return [Detections(box[None], p[None]) for box, p in zip(boxes, sure, strict=True)]


def largest_box(boxes: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """The largest real box of each picture, (n, 2 * ndim), and whether there is one, (n,).

    >>> largest_box(torch.tensor([[[0.0, 0, 1, 1], [2, 2, 5, 4]]]), torch.tensor([[True, True]]))
    (tensor([[2., 2., 5., 4.]]), tensor([True]))
    """
    ndim = boxes.shape[-1] // 2
    area = torch.where(real, (boxes[..., ndim:] - boxes[..., :ndim]).prod(-1), -1.0)
    index = area.argmax(1)
    return boxes[torch.arange(len(boxes), device=boxes.device), index], real.any(1)
