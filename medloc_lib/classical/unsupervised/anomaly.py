"""What is usual is learned from healthy slices; a find is what lies over a level that healthy slices rarely pass."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Self

import cv2
import numpy as np

from medloc_lib.classical.scene import WATER, Bools, Floats, Scene, prepare
from medloc_lib.errors import InputError
from medloc_lib.localizer import Localizer
from medloc_lib.localizer.first import as_detections, components
from medloc_lib.sample import Detections, Sample

LIMIT = 5.0
"""Deviations at which a channel is cut before anything is learned from it."""
RIM = 2
"""Pixels at the inner side of the skull that are left out: there the skull and the next slice shine in."""
SMALLEST = 2.0
"""Side in mm of the square of the same area under which a find is noise."""
JUDGES = 60
"""Healthy slices, evenly drawn, by which the level is set."""


class AnomalyLocalizer(Localizer):
    """Connected pixels whose anomaly passes a level; their score is the mean anomaly less the level.

    Subclasses say how what is usual is learned and what it leaves unexplained. `fit` looks at the healthy slices alone:
    those with an empty array of boxes. The level is a quantile of the anomaly in healthy slices: of `validation` if
    given, else of the training slices. So no lesion is ever seen.

    Attributes
    ----------
    channels_ : names of the channels it was fitted on.
    threshold_ : the level, of the anomaly.
    """

    signed: bool
    level: float

    @abstractmethod
    def _learn(self, scenes: Sequence[Scene]) -> None:
        """Learn what is usual from healthy slices, all with the same channels."""

    @abstractmethod
    def unexplained(self, scene: Scene) -> Floats:
        """What is left of each channel when what is usual is taken away: float32 (channels, rows, cols)."""

    def fit(self, samples: Sequence[Sample], y: None = None, *, validation: Sequence[Sample] | None = None) -> Self:
        """Learn what is usual, then the level.

        Raises
        ------
        InputError
            If no slice is known to be healthy, all are of one patient, their channels differ or are all constant, they
            are fewer than what is to be learned, or they are volumes.
        """
        if not 0 < self.level < 1:
            raise InputError(f"level is a share of healthy pixels, between 0 and 1; got {self.level}")
        usual = healthy(samples)
        self.channels_ = usual[0].channels
        for sample in usual:
            self.check(sample)
        scenes = [prepare(sample) for sample in usual]
        if max(float(scene.z.std()) for scene in scenes) == 0:
            raise InputError("every channel of every healthy slice is constant: there is nothing to learn from")
        self._learn(scenes)
        free = [s for s in validation or () if is_healthy(s)]
        judges = [prepare(free[k]) for k in _drawn(len(free))] if free else [scenes[k] for k in _drawn(len(scenes))]
        values = np.concatenate([a[np.isfinite(a)] for a in map(self.anomaly, judges)])
        if len(values) == 0:
            raise InputError("the healthy slices are so small that no pixel is left inside their rim")
        self.threshold_ = float(np.quantile(values, self.level))
        return self

    def predict(self, samples: Sequence[Sample]) -> list[Detections]:
        """What is unusual, the most unusual first, at most 100 a slice.

        Raises
        ------
        InputError
            If it is not fitted, a sample has other channels, or is a volume.
        """
        return [self.found_in(self.anomaly(sample), sample.spacing) for sample in samples]

    def found_in(self, anomaly: Floats, spacing: Sequence[float]) -> Detections:
        """The finds in an anomaly map, as `predict` gives them. `spacing` in mm."""
        return as_detections(components(anomaly, self.threshold_, spacing), SMALLEST, self.threshold_)

    def anomaly(self, picture: Sample | Scene) -> Floats:
        """How unusual each pixel is: float32 (rows, cols), -inf outside the skull and at its rim.

        With `signed`, what is unexplained counts in the direction of more water (`scene.WATER`: bright on FLAIR and T2,
        dark on T1; the first channel, where none of these is there). Without, it is the root mean square over the
        channels: the plain reconstruction error.

        Raises
        ------
        InputError
            If it is not fitted, the channels are others, or it is a volume.
        """
        if not hasattr(self, "channels_"):
            raise InputError(f"this {type(self).__name__} is not fitted: call fit(samples) first")
        self.check(picture)
        scene = prepare(picture) if isinstance(picture, Sample) else picture
        left = self.unexplained(scene)
        if self.signed:
            known = [WATER.get(name, 0.0) for name in scene.channels]
            weights = np.asarray(known if any(known) else np.eye(len(left))[0], dtype=np.float32)
            total = np.tensordot(weights, left, axes=1)
        else:
            total = np.sqrt((left**2).mean(axis=0))
        return np.where(_within(scene.inside), total, -np.inf).astype(np.float32)

    def check(self, picture: Sample | Scene) -> None:
        """Raise `InputError` if the channels are not those it was fitted on."""
        if picture.channels != self.channels_:
            name = picture.id if isinstance(picture, Sample) else ""
            raise InputError(
                f"{name or 'a slice'} has the channels {', '.join(picture.channels)}; the first healthy one had "
                f"{', '.join(self.channels_)}: give all the same, in the same order"
            )


def is_healthy(sample: Sample) -> bool:
    """Whether somebody looked at the sample and found nothing."""
    return sample.boxes is not None and len(sample.boxes) == 0


def healthy(samples: Sequence[Sample]) -> list[Sample]:
    """The samples that somebody looked at and found healthy: those with an empty array of boxes.

    Raises
    ------
    InputError
        If there is none, or all are of one patient: what is usual in one head is unusual in the next.

    Examples
    --------
    >>> picture = np.zeros((1, 4, 4))
    >>> samples = [Sample(picture, boxes=[]), Sample(picture), Sample(picture, boxes=[[0, 0, 2, 2]])]
    >>> [sample is samples[0] for sample in healthy(samples)]
    [True]
    """
    usual = [s for s in samples if is_healthy(s)]
    if not usual:
        unknown = sum(s.boxes is None for s in samples)
        raise InputError(
            "needs healthy slices, which have an empty array of boxes, to learn what is usual; got "
            f"{len(samples) - unknown} with boxes and {unknown} that nobody looked at (boxes=None)"
        )
    if len(usual) > 1 and len({s.group for s in usual}) == 1 and usual[0].group:
        raise InputError(
            f"all {len(usual)} healthy slices are of one patient, {usual[0].group!r}; what is usual takes slices of "
            "two patients at least"
        )
    return usual


def cut(scene: Scene) -> Floats:
    """The scene's channels cut at `LIMIT` deviations, 0 outside the skull."""
    return np.asarray(np.clip(scene.z, -LIMIT, LIMIT) * scene.inside, dtype=np.float32)


def _drawn(n: int) -> list[int]:
    """Positions of at most `JUDGES` of n items, evenly drawn."""
    return sorted(set(np.linspace(0, n - 1, min(JUDGES, n)).astype(int).tolist()))


def _within(inside: Bools) -> Bools:
    padded = np.pad(inside.astype(np.uint8), 1)
    shrunk = cv2.erode(padded, np.ones((2 * RIM + 1, 2 * RIM + 1), np.uint8))
    return np.asarray(shrunk[1:-1, 1:-1] > 0)
