"""A U-Net, and boxes from its mask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor, nn

from medloc_lib.deep import tensors
from medloc_lib.deep.augment import Augment
from medloc_lib.deep.localizers.base import NetLocalizer
from medloc_lib.deep.localizers.detector import HEADS
from medloc_lib.deep.nets import unet
from medloc_lib.deep.tensors import Batch, Data
from medloc_lib.sample import Detections, Sample

MOST = 100
"""Objects of a picture that are told, the surest first."""


class UnetLocalizer(NetLocalizer):
    """A U-Net says for each pixel what it is; what hangs together is an object, and gets a box.

    MONAI's U-Net, trained with the sum of Dice loss and cross-entropy on the samples' masks (0 is background, 1 the
    first class). How a mask becomes boxes says `mask_to_detections`. Lesions that touch are one for it: that is what a
    heat map does better. 2-D and 3-D.

    Parameters
    ----------
    channels : names of the channels to look at; None: all of the first training sample.
    widths : feature maps of each stage.
    scale : size at which the network sees the pictures, as a factor.
    augment : what may happen to a training picture, or None.
    by_class : whether objects of different classes that touch are two, as organs are, or one, as the parts of a lesion.
    epochs, batch, rate, weight_decay, ema, patience : of the training; see `Settings`.
    seed, device, precision : see `Settings`.

    References
    ----------
    O. Ronneberger, P. Fischer and T. Brox, "U-Net", MICCAI 2015. F. Milletari, N. Navab and S.-A. Ahmadi, "V-Net", 3DV
    2016 (Dice loss).
    """

    tells_classes = True
    fixed: ClassVar[Mapping[str, Any]] = {"clip": 5.0}

    def __init__(
        self,
        channels: Sequence[str] | None = None,
        widths: Sequence[int] = (16, 32, 64, 128),
        scale: float = 1.0,
        augment: Augment | None = HEADS,
        by_class: bool = False,
        epochs: int = 8,
        batch: int = 16,
        rate: float = 3e-3,
        weight_decay: float = 0.02,
        ema: float = 0.998,
        patience: int | None = None,
        seed: int = 0,
        device: str = "auto",
        precision: str = "auto",
    ) -> None:
        self.channels = channels
        self.widths = widths
        self.scale = scale
        self.augment = augment
        self.by_class = by_class
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
        return unet(len(self.channels_), len(self.classes_), ndim=self.ndim_, widths=self.widths)

    def _data(self, samples: Sequence[Sample]) -> Data:
        images = tensors.stack(self._pictures(samples))
        masks = tensors.stack(tensors.masks(samples, scale=self.scale))[:, 0]
        return Data({"images": images, "masks": masks}, tuple(sample.id for sample in samples))

    def _loss(self, net: Any, batch: Batch) -> dict[str, Tensor]:
        from monai.losses.dice import DiceLoss

        logits, wanted = net(batch["images"]).float(), batch["masks"].long()
        dice = DiceLoss(softmax=True, to_onehot_y=True, include_background=False, batch=True)
        return {
            "dice": dice(logits, wanted[:, None]),
            "cross-entropy": nn.functional.cross_entropy(logits, wanted),
        }

    def _detect(self, net: nn.Module, pictures: Tensor) -> list[Detections]:
        maps = net(pictures).float().softmax(1).cpu().numpy()
        return [mask_to_detections(p, by_class=self.by_class) for p in maps]


def mask_to_detections(probability: NDArray[Any], *, threshold: float = 0.5, by_class: bool = False) -> Detections:
    """Boxes around what hangs together where the background is unlikely.

    Parameters
    ----------
    probability : (1 + classes, *spatial), the background's first.
    threshold : of the probability that a pixel is not background.
    by_class : whether pixels whose likeliest classes differ are of different objects, even where they touch.

    Returns
    -------
    Detections with the objects' masks, the class that is likeliest over an object's pixels, and as the score the mean
    of its (at most) five surest pixels; the heat map is the probability that there is an object.

    Examples
    --------
    >>> p = np.zeros((3, 4, 6))
    >>> p[2, 1:3, 2:5] = 0.8
    >>> p[0] = 1 - p[2]
    >>> found = mask_to_detections(p)
    >>> found.boxes, found.scores, found.labels
    (array([[1., 2., 3., 5.]]), array([0.8]), array([1]))
    >>> found.masks.sum()
    np.int64(6)
    >>> p[1, 1:3, 2], p[2, 1:3, 2] = 0.8, 0
    >>> mask_to_detections(p, by_class=True).boxes
    array([[1., 2., 3., 3.],
           [1., 3., 3., 5.]])
    """
    there = 1 - probability[0]
    kind = probability[1:].argmax(0) if by_class else np.zeros(there.shape, dtype=np.int64)
    objects = np.zeros(there.shape, dtype=np.int64)
    for k in range(len(probability) - 1 if by_class else 1):
        parts, _ = ndimage.label((there >= threshold) & (kind == k), structure=np.ones((3,) * there.ndim))
        objects[parts > 0] = parts[parts > 0] + objects.max()
    boxes, scores, labels = [], [], []
    for i, place in enumerate(ndimage.find_objects(objects)):
        inside = objects[place] == i + 1
        boxes.append([s.start for s in place] + [s.stop for s in place])
        scores.append(np.sort(there[place][inside])[-5:].mean())
        labels.append(probability[(slice(1, None), *place)][:, inside].mean(1).argmax())
    order = np.argsort(-np.asarray(scores), kind="stable")[:MOST]
    masks = [objects == i + 1 for i in order]
    found = np.asarray(boxes, dtype=np.float64).reshape(len(boxes), 2 * there.ndim)
    return Detections(
        found[order],
        np.asarray(scores, dtype=np.float64)[order],
        np.asarray(labels, dtype=np.int64)[order],
        masks=np.asarray(masks, dtype=bool).reshape(len(order), *there.shape),
        heatmap=there,
    )
