"""What all localizers with a network share: from samples to tensors, training, answering, saving."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from medloc_lib.deep import tensors
from medloc_lib.deep.augment import Augment
from medloc_lib.deep.nets import count
from medloc_lib.deep.settings import History, Settings, Watch, fabric_for
from medloc_lib.deep.tensors import Batch, Data
from medloc_lib.deep.training import train
from medloc_lib.errors import InputError
from medloc_lib.localizer import Localizer, any_class
from medloc_lib.localizer.contract import without_pixels
from medloc_lib.localizer.first import looked_at
from medloc_lib.metrics import average_precision
from medloc_lib.sample import Detections, Sample

AT_ONCE = 16
"""Pictures that are read, and answered, together."""

SMALLEST = 8
"""Pixels along each axis that a picture must have."""

MOST_PIXELS = 2**22
"""Pixels or voxels that a network is given at once, so that its memory is bounded: 2048×2048, or 161×161×161."""


class NetLocalizer(Localizer):
    """A network as a localizer.

    A subclass says what its network is (`_build`), what it learns from (`_data`), by which loss (`_loss`), and how its
    answers are read (`_detect`). Of its parameters `channels`, `scale` and `augment` are used here, and all that are
    named like one of the `Settings` are settings.

    Attributes
    ----------
    net_ : the trained network, on the CPU, in eval mode.
    history_ : how the training went; None for one that was loaded.
    channels_, classes_, ndim_ : what it was trained on.
    n_parameters_ : how many numbers the network has learned.
    """

    channels: Sequence[str] | None
    scale: float = 1.0
    augment: Augment | None = None
    seed: int
    device: str
    precision: str
    metric: ClassVar[str] = "AP"
    """What the score on the validation samples is called by which the best epoch is chosen."""
    iou: float = 0.3
    """From which overlap on that score counts a hit."""
    tells_classes: ClassVar[bool] = False
    """Whether that score tells classes apart."""
    learned: ClassVar[tuple[str, ...]] = ()
    """Attributes beside the network that `fit` learns and a saved model must hold; plain numbers."""
    fixed: ClassVar[Mapping[str, Any]] = {}
    """Settings that are no parameters of it."""

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
        """Train the network.

        Parameters
        ----------
        samples : those with ``boxes=None`` are left out.
        validation : the epoch that scores best on them is kept; without them the last.
        watch : sees how training goes and may end it, such as `medloc_lib.widgets.curves`.
        folder : where a checkpoint is kept, from which a run that was killed goes on.
        start : a fitted one with the same network, whose weights training begins with (fine-tuning); it stays as it is.

        Raises
        ------
        InputError
            If nobody looked at any of the samples, they do not go together, or `start` has another network.
        TrainingError
            If the loss is not finite, or memory runs out.
        """
        known = list(looked_at(samples))
        self.channels_ = self._choose_channels(known[0])
        self.classes_ = known[0].classes or tuple(map(str, range(_highest(known) + 1)))
        self.ndim_ = known[0].ndim
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            net = self._build()
        if start is not None:
            self._begin(net, start)
        looked = None if validation is None else [s for s in validation if s.boxes is not None]
        self.history_: History | None = train(
            net,
            self._data(known),
            self._loss,
            settings=self._settings(),
            augment=self.augment,
            validate=self._validation(looked) if looked else None,
            metric=self.metric,
            watch=watch,
            folder=folder,
        )
        self.net_ = net.cpu().eval()
        self.n_parameters_ = count(net)
        self._choose(looked or known)
        return self

    def predict(self, samples: Sequence[Sample]) -> list[Detections]:
        """What the network finds in each sample.

        Raises
        ------
        InputError
            If it is not fitted, or a sample has other channels or dimensions than those it was fitted on.
        """
        found: list[Detections] = []
        with self._in_use() as net:
            for start in range(0, len(samples), AT_ONCE):
                part = [samples[i] for i in range(start, min(start + AT_ONCE, len(samples)))]
                found += self._answer(net, self._pictures(part), [s.shape for s in part])
        return found

    def _begin(self, net: nn.Module, start: NetLocalizer) -> None:
        """Give a new network the weights of one that has learned."""
        if not hasattr(start, "net_"):
            raise InputError("start is not fitted: fit it first, or load a stored model")
        known, new = start.net_.state_dict(), net.state_dict()
        if {k: v.shape for k, v in known.items()} != {k: v.shape for k, v in new.items()}:
            raise InputError(
                f"start must have the same network: {count(net):,} parameters are to be trained, it has "
                f"{count(start.net_):,}; give both the same widths, channels and classes"
            )
        if tuple(start.channels_) != self.channels_:
            raise InputError(f"start looks at {', '.join(start.channels_)}; this one at {', '.join(self.channels_)}")
        net.load_state_dict(known)

    @contextmanager
    def _in_use(self) -> Iterator[nn.Module]:
        """The trained network on its device, with its precision, without gradients.

        What trained in a CPU's "fast" precision answers in single precision, so that every machine finds the same.
        """
        if not hasattr(self, "net_"):
            raise InputError(f"this {type(self).__name__} is not fitted: call fit(samples) first")
        precision = "auto" if self.precision == "fast" else self.precision
        fabric = fabric_for(Settings(device=self.device, precision=precision))
        self.net_.to(fabric.device)
        with torch.no_grad(), fabric.autocast():
            yield self.net_
        self.net_.cpu()

    @abstractmethod
    def _build(self) -> nn.Module:
        """The network, untrained."""

    @abstractmethod
    def _data(self, samples: Sequence[Sample]) -> Data:
        """What it learns from."""

    @abstractmethod
    def _loss(self, net: Any, batch: Batch) -> dict[str, Tensor]:
        """Parts of the loss."""

    @abstractmethod
    def _detect(self, net: nn.Module, pictures: Tensor) -> list[Detections]:
        """What it finds in pictures (n, channels, *spatial) of one shape, in their pixels."""

    def _settings(self) -> Settings:
        """Its parameters that are settings, and what is fixed."""
        names = [field.name for field in dataclasses.fields(Settings)]
        return Settings(**{**self.fixed, **{name: getattr(self, name) for name in names if hasattr(self, name)}})

    def _choose(self, samples: Sequence[Sample]) -> None:
        """Choices after the training, on the validation samples, or without those on the training samples."""

    def _choose_channels(self, sample: Sample) -> tuple[str, ...]:
        return sample.channels if self.channels is None else tuple(self.channels)

    def _pictures(self, samples: Sequence[Sample]) -> list[Tensor]:
        for sample in samples:
            if sample.ndim != self.ndim_:
                raise InputError(f"it was fitted on {self.ndim_}-D samples; {sample.id!r} is {sample.ndim}-D")
            if min(tensors.scaled(sample.shape, self.scale)) < SMALLEST:
                raise InputError(
                    f"the network needs {SMALLEST} pixels along each axis; {sample.id!r} is {sample.shape}"
                )
        return tensors.pictures(samples, self.channels_, scale=self.scale)

    def _validation(self, samples: Sequence[Sample]) -> Any:
        """Network -> AP on samples whose pixels are made ready once; of each class, where it tells them."""
        pictures, shapes = self._pictures(samples), [s.shape for s in samples]
        truth = [without_pixels(sample) for sample in samples]

        def score(net: nn.Module) -> float:
            found = self._answer(net, pictures, shapes)
            pair = (truth, found) if self.tells_classes else any_class(truth, found)
            return average_precision(*pair, iou=self.iou).mean

        return score

    def _answer(
        self, net: nn.Module, pictures: Sequence[Tensor], shapes: Sequence[tuple[int, ...]]
    ) -> list[Detections]:
        """What is found in each picture, in the pixels of its sample; pictures of one shape are asked together."""
        found: list[Detections] = [Detections.none(self.ndim_)] * len(pictures)
        for group in alike(pictures):
            asked = tensors.together([pictures[i] for i in group], net)
            for i, detections in zip(group, self._detect(net, asked), strict=True):
                found[i] = resized(detections, tuple(pictures[i].shape[1:]), shapes[i])
        return found


def alike(pictures: Sequence[Tensor]) -> Iterator[list[int]]:
    """Numbers of the pictures that have one shape, so many together as are no burden."""
    by_shape: dict[tuple[int, ...], list[int]] = {}
    for i, picture in enumerate(pictures):
        by_shape.setdefault(tuple(picture.shape[1:]), []).append(i)
    for shape, numbers in by_shape.items():
        most = min(AT_ONCE, max(1, MOST_PIXELS // int(np.prod(shape))))
        yield from (numbers[k : k + most] for k in range(0, len(numbers), most))


def mirrorings(axes: Sequence[int]) -> list[tuple[int, ...]]:
    """Every choice of these axes to mirror a picture along; none of them first.

    >>> mirrorings((-1, -2))
    [(), (-1,), (-2,), (-1, -2)]
    """
    return [chosen for n in range(len(axes) + 1) for chosen in combinations(axes, n)]


def resized(found: Detections, old: tuple[int, ...], new: tuple[int, ...]) -> Detections:
    """Detections in a picture of shape `old` as they lie in one of shape `new`."""
    if old == new:
        return found
    factor = np.tile(np.asarray(new) / np.asarray(old), 2)
    heatmap = masks = None
    if found.heatmap is not None:
        heatmap = tensors.resize(torch.from_numpy(np.array(found.heatmap))[None], new)[0].numpy()
    if found.masks is not None and len(found):
        masks = tensors.resize(torch.from_numpy(found.masks.astype(np.uint8)), new, nearest=True).numpy() > 0
    return Detections(found.boxes * factor, found.scores, found.labels, masks, heatmap)


def _highest(samples: Iterable[Sample]) -> int:
    return max((int(s.labels.max(initial=0)) for s in samples if s.labels is not None), default=0)
