"""More than one look: one localizer at several views of a picture, or several localizers at one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray

from medloc_lib.deep import tensors
from medloc_lib.deep.localizers.base import mirrorings, resized
from medloc_lib.deep.localizers.stored import load_model
from medloc_lib.errors import InputError
from medloc_lib.geometry import iou as overlaps
from medloc_lib.localizer import Localizer, weighted_box_fusion
from medloc_lib.sample import Detections, Sample

Floats = NDArray[np.float64]


class View(NamedTuple):
    """A picture seen another way: mirrored along some of its last axes, and at another size."""

    flip: tuple[int, ...] = ()
    size: float = 1.0

    def of(self, sample: Sample) -> Sample:
        """The sample's picture, seen this way; its truth is left behind."""
        image = np.flip(sample.image, self.flip)
        shape = tensors.scaled(sample.shape, self.size)
        if shape != sample.shape:
            other = tensors.resize(torch.from_numpy(image.astype(np.float32)), shape).numpy()
            image = np.rint(other).astype(np.uint8) if image.dtype == np.uint8 else other  # a photograph stays one
        spacing = tuple(s * a / b for s, a, b in zip(sample.spacing, sample.shape, shape, strict=True))
        return Sample(image.copy(), channels=sample.channels, spacing=spacing, classes=sample.classes, id=sample.id)

    def back(self, found: Detections, shape: tuple[int, ...]) -> Detections:
        """What was found in the view, as it lies in the picture of this shape; without masks and heat map.

        A box from a to b along a mirrored axis of n pixels lies from n - b to n - a.

        >>> View(flip=(-1,)).back(Detections([[2, 3, 6, 4]]), (10, 10)).boxes
        array([[2., 6., 6., 7.]])
        """
        plain = Detections(found.boxes, found.scores, found.labels)
        boxes = np.array(resized(plain, tensors.scaled(shape, self.size), shape).boxes)
        for axis in self.flip:
            start, stop = axis % len(shape), len(shape) + axis % len(shape)
            boxes[:, [start, stop]] = shape[axis] - boxes[:, [stop, start]]
        return Detections(boxes, found.scores, found.labels)


class ViewsLocalizer(Localizer):
    """Test-time augmentation: a localizer looks at several views of each picture, and its finds are merged.

    The views are the picture mirrored along each choice of `flip`, each at every one of `sizes`; boxes are mapped back
    and merged by weighted boxes fusion. It costs one prediction per view.

    Parameters
    ----------
    localizer : any, fitted as it is, once; or the name or path of a stored model, which is fitted already.
    flip : axes, counted from the last; -1 is left and right.
    sizes : of the views, as factors.
    iou : as in `weighted_box_fusion`.

    Attributes
    ----------
    localizer_ : fitted.

    References
    ----------
    G. Wang et al., "Aleatoric uncertainty estimation with test-time augmentation for medical image segmentation with
    convolutional neural networks", Neurocomputing 338 (2019). R. Solovyev, W. Wang and T. Gabruseva, "Weighted boxes
    fusion", Image and Vision Computing 107 (2021).
    """

    def __init__(
        self, localizer: Any, flip: Sequence[int] = (-1,), sizes: Sequence[float] = (1.0,), iou: float = 0.55
    ) -> None:
        self.localizer = localizer
        self.flip = flip
        self.sizes = sizes
        self.iou = iou

    def fit(self, samples: Sequence[Sample], y: None = None, *, validation: Sequence[Sample] | None = None) -> Self:
        """Fit the localizer, unless it is stored.

        Raises
        ------
        ReadError
            If there is no such stored model.
        """
        from sklearn.base import clone

        if isinstance(self.localizer, (str, Path)):
            self.localizer_: Any = load_model(self.localizer)
        else:
            self.localizer_ = clone(self.localizer).fit(samples, validation=validation)
        self.n_parameters_ = int(getattr(self.localizer_, "n_parameters_", 0))
        return self

    def predict(self, samples: Sequence[Sample]) -> list[Detections]:
        """The merged finds of all views of each sample.

        Raises
        ------
        InputError
            If it is not fitted.
        """
        if not hasattr(self, "localizer_"):
            raise InputError("this ViewsLocalizer is not fitted: call fit(samples) first")
        return merged(look(self.localizer_, samples, views(self.flip, self.sizes)), iou=self.iou)


class EnsembleLocalizer(Localizer):
    """A deep ensemble: the same localizer, trained several times from different seeds; its finds are merged.

    Parameters
    ----------
    localizer : with a parameter ``seed``.
    members : how many.
    iou : as in `weighted_box_fusion`.
    seed : the members' seeds are all different, and different for each seed.

    Attributes
    ----------
    localizers_ : fitted.

    References
    ----------
    B. Lakshminarayanan, A. Pritzel and C. Blundell, "Simple and scalable predictive uncertainty estimation using deep
    ensembles", NeurIPS 2017.
    """

    def __init__(self, localizer: Any, members: int = 4, iou: float = 0.55, seed: int = 0) -> None:
        self.localizer = localizer
        self.members = members
        self.iou = iou
        self.seed = seed

    def fit(self, samples: Sequence[Sample], y: None = None, *, validation: Sequence[Sample] | None = None) -> Self:
        """Fit the members, one after another.

        Raises
        ------
        InputError
            If there are no members.
        """
        from sklearn.base import clone

        if self.members < 1:
            raise InputError(f"needs a member or more; got {self.members}")
        first = self.seed * self.members
        self.localizers_ = [
            clone(self.localizer).set_params(seed=first + k).fit(samples, validation=validation)
            for k in range(self.members)
        ]
        self.n_parameters_ = sum(int(getattr(one, "n_parameters_", 0)) for one in self.localizers_)
        return self

    def predict_each(self, samples: Sequence[Sample]) -> list[list[Detections]]:
        """What each member finds in each sample: members, then samples.

        Raises
        ------
        InputError
            If it is not fitted.
        """
        if not hasattr(self, "localizers_"):
            raise InputError("this EnsembleLocalizer is not fitted: call fit(samples) first")
        return [one.predict(samples) for one in self.localizers_]

    def predict(self, samples: Sequence[Sample]) -> list[Detections]:
        """The merged finds of all members in each sample."""
        return merged(self.predict_each(samples), iou=self.iou)


def views(flip: Sequence[int] = (-1,), sizes: Sequence[float] = (1.0,)) -> list[View]:
    """Every choice of mirrored axes at every size; the plain one first if 1.0 is the first size.

    >>> views((-1,), (1.0, 1.2))
    [View(flip=(), size=1.0), View(flip=(-1,), size=1.0), View(flip=(), size=1.2), View(flip=(-1,), size=1.2)]
    """
    return [View(axes, size) for size in sizes for axes in mirrorings(flip)]


def look(localizer: Any, samples: Sequence[Sample], at: Sequence[View]) -> list[list[Detections]]:
    """What a fitted localizer finds in each view of each sample, mapped back: views, then samples."""
    made = []
    for view in at:
        found = localizer.predict([view.of(sample) for sample in samples])
        made.append([view.back(one, sample.shape) for one, sample in zip(found, samples, strict=True)])
    return made


def merged(each: Sequence[Sequence[Detections]], *, iou: float = 0.55) -> list[Detections]:
    """Finds of several looks at the same samples (looks, then samples), merged sample by sample."""
    return [weighted_box_fusion(found, iou=iou) for found in zip(*each, strict=True)]


def member_scores(fused: Detections, each: Sequence[Detections], *, iou: float = 0.55) -> Floats:
    """How sure each member is of each merged box, (boxes, members): the highest score that it gives a box of that class
    which overlaps by `iou` or more; 0 where it has none.

    Their standard deviation over the members says how much these disagree.

    >>> fused = Detections([[0, 0, 10, 10]])
    >>> member_scores(fused, [Detections([[0, 0, 10, 9]], scores=[0.8]), Detections([[5, 5, 9, 9]])])
    array([[0.8, 0. ]])
    """
    told = np.zeros((len(fused), len(each)))
    labels = np.asarray(fused.labels)
    for k, found in enumerate(each):
        if len(found) and len(fused):
            meets = overlaps(fused.boxes, found.boxes) >= iou
            meets &= labels[:, None] == np.asarray(found.labels)
            told[:, k] = np.where(meets, np.asarray(found.scores), 0.0).max(axis=1)
    return told
