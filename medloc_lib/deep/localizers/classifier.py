"""Whole-image classifiers, and where they looked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from medloc_lib.deep import explain, tensors
from medloc_lib.deep.augment import Augment
from medloc_lib.deep.localizers.base import NetLocalizer, alike, resized
from medloc_lib.deep.nets import SIDE, PooledCNN, TextbookCNN
from medloc_lib.deep.tensors import Batch, Data
from medloc_lib.errors import InputError
from medloc_lib.localizer import any_class
from medloc_lib.localizer.contract import without_pixels
from medloc_lib.metrics import auroc, average_precision
from medloc_lib.sample import Detections, Sample

SHARES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Shares of a map's highest value that are tried as threshold."""

SURE = 0.5
"""Probability under which no occlusion map is made: each asks the network a hundred times."""

MOST = 20
"""Boxes of a map that are told, the hottest first."""

KINDS = (
    ("textbook", "grad_cam"),
    ("textbook", "occlusion"),
    ("pooled", "cam"),
    ("pooled", "grad_cam"),
    ("pooled", "occlusion"),
)
"""What goes together: a class activation map needs a network that ends in an average."""


class ImageClassifier(NetLocalizer):
    """A CNN that was only told *whether* there is something, asked *where* (weakly supervised localization).

    It is trained on one bit per picture: whether there is a box that is not to be ignored. Its map of where the
    evidence lies becomes boxes by a threshold, a share of the map's highest value. That share is the only number that
    is chosen by looking at boxes: those of the validation samples.

    Parameters
    ----------
    net : "textbook" (`nets.TextbookCNN`), for which pictures are resized to 224×224, or "pooled" (`nets.PooledCNN`),
        which takes them as they are.
    maps : "cam" (pooled only), "grad_cam" or "occlusion"; see `medloc_lib.deep.explain`.
    channels : names of the channels to look at, three for the textbook's network; None: all of the first training
        sample, for the textbook's network the first three, repeated where there are fewer.
    epochs, batch, rate : of the training with Adam; see `Settings`.
    schedule : "constant", as in the textbook, or "cosine".
    ema : decay of the average of the weights over steps; 0, as in the textbook: none.
    augment : what may happen to a training picture, or None.
    seed, device, precision : see `Settings`.

    Attributes
    ----------
    share_ : of the map's highest value, over which lies a box.
    """

    metric = "AUROC"
    learned = ("share_",)

    def __init__(
        self,
        net: Literal["textbook", "pooled"] = "textbook",
        maps: Literal["cam", "grad_cam", "occlusion"] = "grad_cam",
        channels: Sequence[str] | None = None,
        epochs: int = 10,
        batch: int = 32,
        rate: float = 1e-3,
        schedule: Literal["constant", "cosine"] = "constant",
        ema: float = 0.0,
        augment: Augment | None = None,
        seed: int = 0,
        device: str = "auto",
        precision: str = "auto",
    ) -> None:
        self.net = net
        self.maps = maps
        self.channels = channels
        self.epochs = epochs
        self.batch = batch
        self.rate = rate
        self.schedule = schedule
        self.ema = ema
        self.augment = augment
        self.seed = seed
        self.device = device
        self.precision = precision

    def probability(self, samples: Sequence[Sample]) -> NDArray[np.float64]:
        """How likely each sample shows a disease, (n,).

        Raises
        ------
        InputError
            If it is not fitted, or a sample lacks a channel.
        """
        with self._in_use() as net:
            return probabilities(net, self._pictures(samples))

    def _choose_channels(self, sample: Sample) -> tuple[str, ...]:
        names = super()._choose_channels(sample)
        return names if self.net == "pooled" else tuple(names[i % len(names)] for i in range(3))

    def _build(self) -> nn.Module:
        if self.ndim_ != 2:
            raise InputError(f"it takes 2-D samples; got {self.ndim_}-D: use slices of them")
        if (self.net, self.maps) not in KINDS:
            raise InputError(f"net and maps must be one of {', '.join(map(str, KINDS))}; got {(self.net, self.maps)}")
        return TextbookCNN() if self.net == "textbook" else PooledCNN(len(self.channels_))

    def _pictures(self, samples: Sequence[Sample]) -> list[Tensor]:
        pictures = super()._pictures(samples)
        if self.net == "pooled":
            return pictures
        return [tensors.resize(p.float(), (SIDE, SIDE)).half() for p in pictures]

    def _data(self, samples: Sequence[Sample]) -> Data:
        sick, known = diseased(samples)
        told = [s for s, k in zip(samples, known, strict=True) if k]
        images = tensors.stack(self._pictures(told))
        return Data({"images": images, "sick": torch.from_numpy(sick[known])}, tuple(s.id for s in told))

    def _loss(self, net: Any, batch: Batch) -> dict[str, Tensor]:
        logits = net(batch["images"])[:, 0].float()
        return {"cross-entropy": functional.binary_cross_entropy_with_logits(logits, batch["sick"].float())}

    def _validation(self, samples: Sequence[Sample]) -> Any:
        """Network -> area under the ROC curve."""
        pictures = self._pictures(samples)
        sick, known = diseased(samples)

        def score(net: nn.Module) -> float:
            return auroc(sick[known], probabilities(net, pictures)[known])

        return score

    def _choose(self, samples: Sequence[Sample]) -> None:
        """The share that gives the best AP."""
        pictures, truth = self._pictures(samples), [without_pixels(sample) for sample in samples]
        looked: dict[int, tuple[Tensor, float]] = {}
        with self._in_use() as net:
            for group in alike(pictures):
                asked = tensors.together([pictures[i] for i in group], net)
                looked |= zip(group, self._look(net, asked), strict=True)
        scores = []
        for share in SHARES:
            found = [
                resized(_boxes(*looked[i], share), tuple(pictures[i].shape[1:]), sample.shape)
                for i, sample in enumerate(samples)
            ]
            scores.append(average_precision(*any_class(truth, found), iou=0.3).mean)
        self.share_ = SHARES[int(np.argmax(np.nan_to_num(scores)))]

    def _detect(self, net: nn.Module, pictures: Tensor) -> list[Detections]:
        return [_boxes(heat, sure, self.share_) for heat, sure in self._look(net, pictures)]

    def _look(self, net: nn.Module, pictures: Tensor) -> list[tuple[Tensor, float]]:
        """For each picture its map, as large as itself, and its probability."""
        sure = net(pictures)[:, 0].float().sigmoid()
        if self.maps == "occlusion":
            blank = torch.zeros(pictures.shape[2:])
            maps = [
                explain.occlusion(net, x).cpu() if p >= SURE else blank for x, p in zip(pictures, sure, strict=True)
            ]
            return list(zip(maps, sure.tolist(), strict=True))
        if self.maps == "cam":
            trained: Any = net
            heat = explain.class_activation_map(trained.features(pictures), trained.fc.weight[0])
        else:
            heat = explain.grad_cam(net, pictures)
        whole = functional.interpolate(heat[:, None].float(), size=pictures.shape[2:], mode="bilinear")[:, 0]
        return list(zip(whole.cpu(), sure.tolist(), strict=True))


def diseased(samples: Sequence[Sample]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether each sample has a box that is not to be ignored, and whether that is known: it is not where all boxes are
    to be ignored, or nobody looked.

    >>> diseased([Sample(np.zeros((1, 4, 4)), boxes=[[0, 0, 1, 1]], ignore=[True])])
    (array([False]), array([False]))
    """
    sick = np.array([s.ignore is not None and bool((~s.ignore).any()) for s in samples])
    return sick, sick | np.array([s.boxes is not None and len(s.boxes) == 0 for s in samples])


def probabilities(net: nn.Module, pictures: Sequence[Tensor]) -> NDArray[np.float64]:
    """How likely a network thinks a disease to be, (n,), for pictures of one shape."""
    logits = torch.zeros(len(pictures))
    for group in alike(pictures):
        logits[group] = net(tensors.together([pictures[i] for i in group], net))[:, 0].float().cpu()
    return np.asarray(logits.double().sigmoid())


def _boxes(heat: Tensor, sure: float, share: float) -> Detections:
    """The map's boxes; the hottest has the picture's probability as its score, the others their part of it.

    A map without a positive value says nothing about where: the box is the whole picture.
    """
    activation = heat.numpy()
    boxes, height = explain.map_to_boxes(activation, share=share)
    if len(boxes) == 0:
        boxes, height = np.array([[0, 0, *activation.shape]]), np.ones(1)
    order = np.argsort(-height, kind="stable")[:MOST]
    return Detections(boxes[order], sure * height[order] / height.max(), heatmap=activation)
