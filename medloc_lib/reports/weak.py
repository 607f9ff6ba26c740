"""Weak labels: a classifier that is told by reports which kinds a picture shows and on which side, and asked where."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from medloc_lib.deep import explain, tensors
from medloc_lib.deep.localizers.base import NetLocalizer, alike
from medloc_lib.deep.localizers.classifier import MOST, SHARES
from medloc_lib.deep.nets import PooledCNN
from medloc_lib.deep.settings import Watch
from medloc_lib.deep.tensors import Batch, Data
from medloc_lib.errors import InputError
from medloc_lib.localizer import any_class
from medloc_lib.localizer.contract import without_pixels
from medloc_lib.metrics import auroc, average_precision
from medloc_lib.reports.reading import Reading
from medloc_lib.reports.statements import KINDS
from medloc_lib.reports.stored import load_reader
from medloc_lib.sample import Detections, Sample

ZONES = ("whole", "left", "right")
MIDDLE_MM = 5.0
"""A box whose centre is nearer to the middle of the picture is on neither side."""

UNLIKELY = 0.05
"""Kinds less probable than this get no box."""


class ReportLocalizer(NetLocalizer):
    """The pooled classifier of lesson 08 with a map for each kind, trained on labels of the whole picture.

    A label says for each kind whether it is there, and whether on the left and on the right. The map's soft maximum
    over the whole picture, and over each half of it, is trained to answer that; where the map is hot is a box. With
    `labels="reports"` the labels are read from the reports and no box of the training samples is looked at; with
    "boxes" they are made from the true boxes, for comparison. The share of a map's highest value that makes a box is
    chosen on the validation boxes in both cases. It sees the picture alone when it predicts.

    Parameters
    ----------
    labels : "reports" or "boxes".
    channels : names; None: the first three.
    epochs, batch, rate, schedule, seed, device, precision : of the training; see `medloc_lib.deep.settings.Settings`.

    Attributes
    ----------
    share_ : of a map's highest value, over which lies a box.
    """

    inputs = ("image",)
    metric = "AUROC"
    learned = ("share_",)
    fixed: ClassVar[Mapping[str, Any]] = {"validate_every": 2}

    def __init__(
        self,
        labels: Literal["reports", "boxes"] = "reports",
        channels: Sequence[str] | None = None,
        epochs: int = 10,
        batch: int = 32,
        rate: float = 3e-3,
        schedule: Literal["constant", "cosine"] = "cosine",
        seed: int = 0,
        device: str = "auto",
        precision: str = "auto",
    ) -> None:
        self.labels = labels
        self.channels = channels
        self.epochs = epochs
        self.batch = batch
        self.rate = rate
        self.schedule = schedule
        self.seed = seed
        self.device = device
        self.precision = precision

    def fit(
        self,
        samples: Sequence[Sample],
        y: None = None,
        *,
        validation: Sequence[Sample] | None = None,
        watch: Watch | None = None,
        folder: Path | None = None,
        start: NetLocalizer | None = None,
    ) -> Self:
        """Train it, on what the reports say: their samples need no boxes. Parameters are those of `NetLocalizer.fit`.

        Raises
        ------
        InputError
            If `labels` is neither, or no sample has a report where they are wanted.
        TrainingError
            If the loss is not finite, or memory runs out.
        """
        if self.labels not in ("reports", "boxes"):
            raise InputError(f'labels must be "reports" or "boxes"; got {self.labels!r}')
        told: Sequence[Sample] = samples
        if self.labels == "reports":
            told = [s.replace(boxes=np.zeros((0, 2 * s.ndim)), mask=None, layers={}) for s in samples if s.report]
            if not told:
                raise InputError(f"needs samples with reports to learn from; got {len(samples)}, none with one")
        return super().fit(told, validation=validation, watch=watch, folder=folder, start=start)

    def _choose_channels(self, sample: Sample) -> tuple[str, ...]:
        return sample.channels[:3] if self.channels is None else tuple(self.channels)

    def _build(self) -> nn.Module:
        if self.ndim_ != 2:
            raise InputError(f"it takes 2-D samples; got {self.ndim_}-D: use slices of them")
        net = PooledCNN(len(self.channels_))
        net.fc = nn.Linear(128, len(KINDS))
        return net

    def _data(self, samples: Sequence[Sample]) -> Data:
        readings = load_reader().read([s.report or "" for s in samples]) if self.labels == "reports" else None
        wanted = [zones(readings[i]) if readings else zones(of_boxes(s)) for i, s in enumerate(samples)]
        return Data(
            {
                "images": tensors.stack(self._pictures(samples)),
                "wanted": torch.from_numpy(np.stack([w for w, _ in wanted])),
                "known": torch.from_numpy(np.stack([k for _, k in wanted])),
            },
            tuple(s.id for s in samples),
        )

    def _loss(self, net: Any, batch: Batch) -> dict[str, Tensor]:
        logits = zone_logits(evidence(net, batch["images"]), net.fc.bias, net.sharpness)
        losses = functional.binary_cross_entropy_with_logits(logits, batch["wanted"], reduction="none")
        return {"cross-entropy": (losses * batch["known"]).sum() / batch["known"].sum()}

    def _validation(self, samples: Sequence[Sample]) -> Any:
        """Network -> mean area under the ROC curve of the kinds, on true labels."""
        pictures = self._pictures(samples)
        there = np.stack([zones(of_boxes(s))[0][:, 0] for s in samples]) > 0

        def score(net: Any) -> float:
            asked = np.zeros(there.shape)
            for group in alike(pictures):
                looked = evidence(net, tensors.together([pictures[i] for i in group], net))
                asked[group] = zone_logits(looked, net.fc.bias, net.sharpness)[..., 0].float().cpu().numpy()
            return float(np.mean([auroc(t, a) for t, a in zip(there.T, asked.T, strict=True)]))

        return score

    def _choose(self, samples: Sequence[Sample]) -> None:
        """The share that gives the best AP."""
        truth = [without_pixels(sample) for sample in samples]
        if not any(len(sample.boxes) for sample in truth if sample.boxes is not None):
            self.share_ = 0.5
            return
        scores = []
        for share in SHARES:
            self.share_ = share
            scores.append(average_precision(*any_class(truth, self.predict(samples)), iou=0.3).mean)
        self.share_ = SHARES[int(np.argmax(np.nan_to_num(scores)))]

    def _detect(self, net: Any, pictures: Tensor) -> list[Detections]:
        maps = evidence(net, pictures).float()
        chance = zone_logits(maps, net.fc.bias, net.sharpness)[..., 0].sigmoid().cpu().numpy()
        heat = functional.interpolate(maps, size=pictures.shape[2:], mode="bilinear").cpu().numpy()
        return [_boxes(one, p, self.share_) for one, p in zip(heat, chance, strict=True)]


def evidence(net: Any, pictures: Tensor) -> Tensor:
    """How much each place speaks for each kind: (n, kinds, *cells)."""
    features = net.features(pictures)
    return torch.stack([explain.class_activation_map(features, weight) for weight in net.fc.weight], 1)


def zone_logits(maps: Tensor, bias: Tensor, sharpness: float) -> Tensor:
    """Soft maximum of each map over the whole, over the patient's left half and over the right one: (n, kinds, 3).

    The patient's left is the picture's right.

    >>> maps = torch.zeros(1, 1, 2, 4)
    >>> maps[..., 0] = 9.0
    >>> zone_logits(maps, torch.zeros(1), 4.0)[0, 0].round()
    tensor([9., 0., 9.])
    """
    half = maps.shape[-1] // 2
    parts = (maps, maps[..., half:], maps[..., :half])
    soft = [
        (torch.logsumexp(sharpness * p.float().flatten(2), 2) - math.log(p[0, 0].numel())) / sharpness for p in parts
    ]
    return torch.stack(soft, 2) + bias[:, None]


def zones(reading: Reading) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What a reading says of each kind in each of `ZONES`, and what of that is known: each (kinds, 3).

    A kind at the midline, or without a side, says nothing about the halves.
    """
    wanted, known = np.zeros((len(KINDS), 3), np.float32), np.ones((len(KINDS), 3), np.float32)
    for k, kind in enumerate(KINDS):
        there, sides = reading.whether[kind] in ("present", "possible"), reading.sides[kind]
        wanted[k] = (there, "left" in sides, "right" in sides)
        if there and ("midline" in sides or not sides):
            known[k, 1:] = wanted[k, 1:]
    return wanted, known


def of_boxes(sample: Sample) -> Reading:
    """What a perfect report would say of kinds and sides, from the true boxes; those to be ignored do not count."""
    whether: dict[str, str] = {}
    sides: dict[str, set[str]] = {}
    if sample.boxes is not None and sample.labels is not None and sample.ignore is not None:
        for box, label in zip(sample.boxes[~sample.ignore], sample.labels[~sample.ignore], strict=True):
            kind = sample.classes[label]
            off = ((box[1] + box[3]) / 2 - sample.shape[1] / 2) * sample.spacing[1]
            side = "midline" if abs(off) < MIDDLE_MM else "left" if off > 0 else "right"
            whether[kind] = "present"
            sides.setdefault(kind, set()).add(side)
    return Reading.of(whether, sides, {})


def _boxes(maps: NDArray[np.float32], chance: NDArray[np.float32], share: float) -> Detections:
    """Boxes of each kind's map; the hottest has the kind's probability as its score, the others their part of it."""
    boxes, scores, labels = [np.zeros((0, 4))], [np.zeros(0)], [np.zeros(0, dtype=np.int64)]
    for k, (heat, p) in enumerate(zip(maps, chance, strict=True)):
        found, height = explain.map_to_boxes(heat, share=share)
        if p < UNLIKELY or len(found) == 0:
            continue
        boxes.append(found)
        scores.append(p * height / height.max())
        labels.append(np.full(len(found), k))
    score = np.concatenate(scores)
    order = np.argsort(-score, kind="stable")[:MOST]
    return Detections(
        np.concatenate(boxes)[order], score[order], np.concatenate(labels)[order], heatmap=maps.max(axis=0)
    )
