"""The first two localizers: a first guess, and the floor that anything must beat."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from medloc_lib.errors import InputError, MedlocWarning
from medloc_lib.geometry import boxes_to_mask
from medloc_lib.localizer.contract import Localizer, any_class
from medloc_lib.localizer.function import pick_channel
from medloc_lib.metrics import average_precision, box_size_mm
from medloc_lib.sample import Detections, Sample

Floats = NDArray[np.float64]

THRESHOLDS = (0.0, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0)
SIZES = (0.0, 0.1, 0.25, 0.5)
MOST = 100


class ThresholdLocalizer(Localizer):
    """What stands out by its brightness: a threshold, and the connected components over it.

    Brightness is counted in robust standard deviations z from the median of the foreground, so that it means the same
    on every scanner: z = (x - median) / (1.4826 · MAD), where the foreground is every pixel over the picture's mean (in
    a head scan, most of the head). Each component of z over the threshold becomes a box; its score is its mean z less
    the threshold.

    `fit` tries 8 thresholds and 4 smallest sizes, and keeps the pair with the best `score` on `validation` if given,
    else on the training samples. It knows no classes: all labels are 0.

    Parameters
    ----------
    channel : name of the channel to look at; None: "FLAIR" if there is one, else the first.
    bright : look for what is brighter than the rest, or, if False, for what is darker.
    threshold : z; None: learned.
    min_size : in mm, the side of the square (cube) of the same area (volume) as the smallest component that counts;
        None: learned, as 0, 0.1, 0.25 or 0.5 of the median size of the training boxes.

    Attributes
    ----------
    threshold_, min_size_ : what is used.

    References
    ----------
    Foreground by the mean: L. Nyúl and J. Udupa, "On standardizing the MR image intensity scale", Magn. Reson. Med. 42
    (1999).

    Examples
    --------
    >>> image = np.random.default_rng(0).normal(100, 1, (1, 20, 20))
    >>> image[:, :, :8] -= 100
    >>> image[0, 5:9, 10:15] += 20
    >>> truth = [Sample(image, boxes=[[5, 10, 9, 15]], channels=("FLAIR",))]
    >>> ThresholdLocalizer().fit(truth).predict(truth)[0].boxes
    array([[ 5., 10.,  9., 15.]])
    """

    def __init__(
        self,
        channel: str | None = None,
        bright: bool = True,
        threshold: float | None = None,
        min_size: float | None = None,
    ) -> None:
        self.channel = channel
        self.bright = bright
        self.threshold = threshold
        self.min_size = min_size

    def fit(self, samples: Sequence[Sample], y: None = None, *, validation: Sequence[Sample] | None = None) -> Self:
        """Choose the threshold and the smallest size.

        Raises
        ------
        InputError
            If nobody looked at any of the samples.
        """
        sizes = np.concatenate([box_size_mm(s.boxes[~s.ignore], s.spacing) for s in looked_at(samples)])
        thresholds = THRESHOLDS if self.threshold is None else (self.threshold,)
        median = float(np.median(sizes)) if len(sizes) else 0.0
        least = tuple(share * median for share in SIZES) if self.min_size is None else (self.min_size,)
        self.threshold_, self.min_size_ = thresholds[len(thresholds) // 2], least[0]
        self.n_parameters_ = (self.threshold is None) + (self.min_size is None)
        if self.n_parameters_ == 0:
            return self
        pictures, truth = [], []
        for sample in looked_at(validation or samples):
            pictures.append((self._standardized(sample), sample.spacing))
            truth += any_class([sample], [])[0]
        if all(s.ignore.all() for s in looked_at(truth)):
            warn_nothing_to_learn(f"threshold {self.threshold_:g} is a guess")
            return self
        best = -1.0
        for threshold in thresholds:
            parts = [components(z, threshold, spacing) for z, spacing in pictures]
            for size in least:
                score = average_precision(truth, [as_detections(p, size, threshold) for p in parts], iou=0.3).mean
                if score >= best:  # of equals the strictest
                    best, self.threshold_, self.min_size_ = score, threshold, size
        return self

    def predict(self, samples: Sequence[Sample]) -> list[Detections]:
        """The components over the threshold, best first, at most 100 an image.

        Raises
        ------
        InputError
            If it is not fitted, or a sample lacks the channel.
        """
        if not hasattr(self, "threshold_"):
            raise InputError("this ThresholdLocalizer is not fitted: call fit(samples) first")
        found = []
        for sample in samples:
            parts = components(self._standardized(sample), self.threshold_, sample.spacing)
            found.append(as_detections(parts, self.min_size_, self.threshold_))
        return found

    def _standardized(self, sample: Sample) -> NDArray[np.float32]:
        picture = pick_channel(sample, self.channel)
        return robust_z(picture if self.bright else -picture.astype(np.float32))


class MeanBoxLocalizer(Localizer):
    """The mean training box of each class, in every image alike. It looks at nothing: the floor for all others.

    Boxes are averaged as shares of their image, so that images may differ in size. The score of a class is its
    prevalence, the share of the training images that have it.

    Attributes
    ----------
    boxes_ : (n, 2 * ndim), shares of the image, 0 to 1.
    scores_, labels_ : (n,).

    Examples
    --------
    >>> train = [
    ...     Sample(np.zeros((1, 10, 10)), boxes=[[0, 0, 4, 4]]),
    ...     Sample(np.zeros((1, 10, 10)), boxes=[[2, 2, 6, 8]]),
    ...     Sample(np.zeros((1, 10, 10)), boxes=[]),
    ... ]
    >>> found = MeanBoxLocalizer().fit(train).predict([Sample(np.zeros((1, 20, 10)))])[0]
    >>> found.boxes, found.scores.round(2)
    (array([[ 2.,  1., 10.,  6.]]), array([0.67]))
    """

    def fit(self, samples: Sequence[Sample], y: None = None, *, validation: Sequence[Sample] | None = None) -> Self:
        """Average the boxes. `validation` is not used.

        Raises
        ------
        InputError
            If nobody looked at any of the samples, or some are 2-D and some 3-D.
        """
        shares, kinds = [], []
        for sample in looked_at(samples):
            shares.append(sample.boxes[~sample.ignore] / np.tile(sample.shape, 2))
            kinds.append(sample.labels[~sample.ignore])
        if len({boxes.shape[1] for boxes in shares}) > 1:
            raise InputError("samples must all be 2-D or all 3-D; got both")
        boxes, labels = np.concatenate(shares), np.concatenate(kinds)
        self.labels_ = np.unique(labels)
        if len(labels) == 0:
            warn_nothing_to_learn("it will find nothing")
        means = [boxes[labels == k].mean(axis=0) for k in self.labels_]
        self.boxes_ = np.asarray(means).reshape(-1, boxes.shape[1])
        self.scores_ = np.asarray([np.mean([k in image for image in kinds]) for k in self.labels_])
        self.n_parameters_ = self.boxes_.size + self.scores_.size
        return self

    def predict(self, samples: Sequence[Sample]) -> list[Detections]:
        """The same boxes, scaled to each image.

        Raises
        ------
        InputError
            If it is not fitted, or was fitted on samples of another dimension.
        """
        if not hasattr(self, "boxes_"):
            raise InputError("this MeanBoxLocalizer is not fitted: call fit(samples) first")
        ndim = self.boxes_.shape[1] // 2
        for s in samples:
            if s.ndim != ndim:
                raise InputError(f"fitted on {ndim}-D samples; {s.id!r} is {s.ndim}-D")
        return [Detections(self.boxes_ * np.tile(s.shape, 2), self.scores_, self.labels_) for s in samples]


def robust_z(picture: NDArray[Any]) -> NDArray[np.float32]:
    """Brightness in robust standard deviations from the foreground's median, as `ThresholdLocalizer` counts it.

    A picture without contrast is 0 throughout.

    >>> robust_z(np.array([[0, 0, 0, 10], [0, 0, 11, 12]])).round(2)
    array([[-7.42, -7.42, -7.42, -0.67],
           [-7.42, -7.42,  0.  ,  0.67]], dtype=float32)
    """
    values = picture.astype(np.float32)
    foreground = values[values > values.mean(dtype=np.float64)]
    if len(foreground) == 0:
        return np.zeros_like(values)
    median = np.median(foreground)
    spread = 1.4826 * np.median(np.abs(foreground - median)) or foreground.std()
    if spread == 0:  # every foreground pixel is the same: measure the rest against the whole picture
        spread = values.std()
    return np.asarray((values - median) / spread, dtype=np.float32)


class Components(NamedTuple):
    boxes: Floats
    size_mm: Floats
    mean_z: Floats


def components(z: NDArray[np.float32], threshold: float, spacing: Sequence[float]) -> Components:
    from scipy import ndimage

    over = z > threshold
    labels, n = ndimage.label(over, structure=np.ones((3,) * z.ndim, dtype=bool))
    pixels = np.bincount(labels.ravel(), minlength=n + 1)[1:]
    total = np.bincount(labels.ravel(), weights=z.ravel(), minlength=n + 1)[1:]
    edges = [[s.start for s in part] + [s.stop for s in part] for part in ndimage.find_objects(labels)]
    return Components(
        np.asarray(edges, dtype=np.float64).reshape(-1, 2 * z.ndim),
        (pixels * np.prod(spacing)) ** (1 / z.ndim),
        total / pixels,
    )


def as_detections(parts: Components, min_size: float, threshold: float) -> Detections:
    large = np.flatnonzero(parts.size_mm >= min_size)
    best = large[np.argsort(-parts.mean_z[large], kind="stable")[:MOST]]
    return Detections(parts.boxes[best], parts.mean_z[best] - threshold)


def looked_at(samples: Sequence[Sample]) -> Iterator[Any]:
    """Samples whose boxes are known, one at a time, so that those read from disk need not all be in memory."""
    none = True
    for sample in samples:
        if sample.boxes is not None:
            none = False
            yield sample
    if none:
        raise InputError(
            f"needs samples with boxes to learn from; got {len(samples)}, none with known boxes (boxes=None)"
        )


def lesions_of(sample: Sample) -> NDArray[np.bool_]:
    """Where the lesions are: by the mask, else by the boxes; nowhere if nobody looked."""
    if sample.mask is not None:
        return np.asarray(sample.mask != 0)
    boxes = np.zeros((0, 2 * sample.ndim)) if sample.boxes is None else sample.boxes
    return np.asarray(boxes_to_mask(boxes, sample.shape) != 0)


def warn_nothing_to_learn(consequence: str) -> None:
    warnings.warn(
        f"the samples have no box to learn from (looked at, nothing found); {consequence}", MedlocWarning, stacklevel=3
    )
