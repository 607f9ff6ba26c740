"""Any segmenter as a localizer: its regions are candidates, and those that stand out are finds."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from medloc_lib.errors import InputError
from medloc_lib.geometry import as_label_map
from medloc_lib.localizer.contract import Localizer, any_class
from medloc_lib.localizer.first import (
    SIZES,
    as_detections,
    components,
    lesions_of,
    looked_at,
    warn_nothing_to_learn,
)
from medloc_lib.localizer.function import pick_channel
from medloc_lib.metrics import average_precision, box_size_mm
from medloc_lib.sample import Detections, Sample

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

SEEN = 120
"""Training samples, drawn by a fixed seed, from which thresholds are learned."""
SHARES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
"""Shares of the lesions' pixels that the thresholds which are tried leave out."""
PIXELS = 100
"""Pixels of lesions, and as many of the rest, that `PixelLocalizer` takes from each training sample."""


class _OnEvidence(Localizer):
    """Connected pixels over a threshold of the evidence are a find; its score is its mean evidence less the threshold.

    `fit` learns the threshold, among ten quantiles of the evidence in the training lesions, and the smallest size that
    counts; it keeps the pair with the best average precision on `validation` if given, else on the training samples.
    """

    within: Callable[[Sample], Any] | None
    channels: Sequence[str] | None
    threshold: float | None
    min_size: float | None

    @abstractmethod
    def evidence(self, sample: Sample) -> Floats:
        """How much each pixel stands out: float32 (*spatial), -inf where it cannot be a find."""

    def fit(self, samples: Sequence[Sample], y: None = None, *, validation: Sequence[Sample] | None = None) -> Self:
        """Choose the threshold and the smallest size.

        Raises
        ------
        InputError
            If nobody looked at any of the samples, or as `evidence` does.
        """
        drawn = np.sort(np.random.default_rng(0).permutation(len(samples))[:SEEN])
        some = list(looked_at([samples[int(i)] for i in drawn]))
        self.n_parameters_ = (self.threshold is None) + (self.min_size is None)
        self.threshold_, self.min_size_ = self.threshold or 0.0, self.min_size or 0.0
        if self.n_parameters_ == 0:
            return self
        sizes = np.concatenate([box_size_mm(s.boxes[~s.ignore], s.spacing) for s in some])
        seen = list(looked_at(validation or some))
        truth = any_class(seen, [])[0]
        if len(sizes) == 0 or all(s.ignore.all() for s in looked_at(truth)):
            warn_nothing_to_learn(f"threshold {self.threshold_:g} is a guess")
            return self
        least = [share * float(np.median(sizes)) for share in SIZES] if self.min_size is None else [self.min_size]
        maps = [self.evidence(s) for s in seen]
        taught = None if validation else maps  # then both are of the same samples
        levels = self._levels(some, taught) if self.threshold is None else [self.threshold]
        best = -1.0
        for level in levels:
            parts = [components(e, level, s.spacing) for e, s in zip(maps, seen, strict=True)]
            for size in least:
                score = average_precision(truth, [as_detections(p, size, level) for p in parts], iou=0.3).mean
                if score >= best:  # of equals the strictest
                    best, self.threshold_, self.min_size_ = score, level, size
        return self

    def predict(self, samples: Sequence[Sample]) -> list[Detections]:
        """Connected pixels over the threshold, best first, at most 100 an image.

        Raises
        ------
        InputError
            If it is not fitted, or as `evidence` does.
        """
        if not hasattr(self, "threshold_"):
            raise InputError(f"this {type(self).__name__} is not fitted: call fit(samples) first")
        found = []
        for sample in samples:
            parts = components(self.evidence(sample), self.threshold_, sample.spacing)
            found.append(as_detections(parts, self.min_size_, self.threshold_))
        return found

    def _inside(self, sample: Sample) -> Bools:
        """Where to look; everywhere, if that is nowhere."""
        everywhere = np.ones(sample.shape, dtype=bool)
        inside = everywhere if self.within is None else np.asarray(self.within(sample)) != 0
        return inside if inside.any() else everywhere

    def _stack(self, sample: Sample, inside: Bools) -> Floats:
        return np.stack([_standardized(sample[name], inside) for name in self.channels or sample.channels])

    def _levels(self, samples: Sequence[Sample], maps: Sequence[Floats] | None) -> list[float]:
        """Thresholds worth trying: quantiles of the evidence in lesions; `maps` is the evidence where it is known."""
        values = []
        for i, sample in enumerate(samples):
            lesions = lesions_of(sample)
            if lesions.any():
                values.append((self.evidence(sample) if maps is None else maps[i])[lesions])
        known = np.concatenate([*values, np.zeros(0)])
        known = known[np.isfinite(known)]
        levels = np.unique(np.quantile(known, SHARES)) if len(known) else np.zeros(1)
        # A little lower, so that a region whose evidence is the quantile itself is over it.
        found: list[float] = np.nextafter(levels.astype(np.float32), np.float32(-np.inf)).tolist()
        return found


class SegmentedLocalizer(_OnEvidence):
    """A segmenter, and behind it the question which of its regions stand out.

    The segmenter is given pictures in robust standard deviations from the median, z = (x - median) / (1.4826 · MAD),
    both taken over `within`; outside it is NaN, which segmenters leave out. What it answers becomes *evidence*: in a
    label map each region (connected, of one label) counts with its mean z in `channel`, and label 0 never counts; an
    array of floats, such as a probability, is evidence already. Connected pixels over a threshold of the evidence are a
    find; its score is its mean evidence less the threshold.

    `fit` learns the threshold, among ten quantiles of the evidence in the training lesions, and the smallest size that
    counts; it keeps the pair with the best average precision on `validation` if given, else on the training samples.

    Parameters
    ----------
    segment : function, array -> label map (int or bool) or evidence (float) of the same spatial shape.
    channel : which channel z is taken of; None: "FLAIR" if there is one, else the first.
    channels : names of the channels that `segment` is given, (channels, *spatial); None: `channel` alone, (*spatial).
    within : function, Sample -> mask, where to look; None: everywhere.
    threshold, min_size : of the evidence, and in mm; None: learned.

    Attributes
    ----------
    threshold_, min_size_ : what is used.

    Examples
    --------
    >>> from medloc_lib.segmentation import multi_otsu
    >>> image = np.random.default_rng(0).normal(100, 1, (1, 20, 20))
    >>> image[0, 5:9, 10:15] += 20
    >>> truth = [Sample(image, boxes=[[5, 10, 9, 15]])]
    >>> SegmentedLocalizer(multi_otsu).fit(truth).predict(truth)[0].boxes
    array([[ 5., 10.,  9., 15.]])
    """

    def __init__(
        self,
        segment: Callable[..., Any],
        channel: str | None = None,
        channels: Sequence[str] | None = None,
        within: Callable[[Sample], Any] | None = None,
        threshold: float | None = None,
        min_size: float | None = None,
    ) -> None:
        self.segment = segment
        self.channel = channel
        self.channels = channels
        self.within = within
        self.threshold = threshold
        self.min_size = min_size

    def evidence(self, sample: Sample) -> Floats:
        """How much each pixel stands out: float32 (*spatial), -inf where it cannot be a find.

        Raises
        ------
        InputError
            If a channel is missing, or the segmenter gives something else than is asked of it.
        """
        inside = self._inside(sample)
        z = _standardized(pick_channel(sample, self.channel), inside)
        given = z if self.channels is None else self._stack(sample, inside)
        answer = np.asarray(self.segment(given))
        if answer.shape != sample.shape:
            name = getattr(self.segment, "__name__", "the segmenter")
            raise InputError(f"{name} must give an array of the image's shape {sample.shape}; got {answer.shape}")
        if answer.dtype.kind == "f":
            return np.where(inside & np.isfinite(answer), answer, -np.inf).astype(np.float32)
        return _region_means(np.nan_to_num(z), as_label_map(answer) * inside)


class PixelLocalizer(_OnEvidence):
    """The classifier of pixels that learns from strokes, taught by the truth of the training samples.

    From each training sample with lesions up to 100 of their pixels and as many others are taken for strokes; the
    evidence of a pixel is the share of trees that call it a lesion.

    Parameters
    ----------
    channels : names of what is looked at; None: all.
    within, threshold, min_size : as in `SegmentedLocalizer`.
    trees, depth, seed : of the forest, as in `segmentation.PixelClassifier`.

    Attributes
    ----------
    classifier_ : the classifier, fitted. threshold_, min_size_ : as in `SegmentedLocalizer`.
    """

    def __init__(
        self,
        channels: Sequence[str] | None = None,
        within: Callable[[Sample], Any] | None = None,
        threshold: float | None = None,
        min_size: float | None = None,
        trees: int = 50,
        depth: int = 12,
        seed: int = 0,
    ) -> None:
        self.channels = channels
        self.within = within
        self.threshold = threshold
        self.min_size = min_size
        self.trees = trees
        self.depth = depth
        self.seed = seed

    def fit(self, samples: Sequence[Sample], y: None = None, *, validation: Sequence[Sample] | None = None) -> Self:
        """Teach the classifier; then choose the threshold and the smallest size.

        Raises
        ------
        InputError
            If no sample has lesions, or nobody looked.
        """
        from medloc_lib.segmentation import PixelClassifier

        rng = np.random.default_rng(self.seed)
        features, strokes = [], []
        for sample in looked_at(samples):
            inside = self._inside(sample)
            lesion = lesions_of(sample) & inside
            if not lesion.any():
                continue
            maps = self._features(sample, inside)
            for kind, where in ((2, lesion), (1, inside & ~lesion)):
                at = np.flatnonzero(where)
                at = rng.choice(at, min(PIXELS, len(at)), replace=False)
                features.append(maps.reshape(len(maps), -1)[:, at][:, None])
                strokes.append(np.full((1, len(at)), kind))
        if not features:
            raise InputError("needs samples with lesions to learn from; got none")
        self.classifier_ = PixelClassifier(trees=self.trees, depth=self.depth, seed=self.seed)
        self.classifier_.fit(features, strokes)
        return super().fit(samples, validation=validation)

    def evidence(self, sample: Sample) -> Floats:
        """The share of trees that call a pixel a lesion: float32 (*spatial), -inf where it cannot be a find."""
        if not hasattr(self, "classifier_"):
            raise InputError("this PixelLocalizer is not fitted: call fit(samples) first")
        inside = self._inside(sample)
        sure = self.classifier_.shares(self._features(sample, inside))[self.classifier_.labels_.index(2)]
        return np.where(inside, sure, -np.inf).astype(np.float32)

    def _features(self, sample: Sample, inside: Bools) -> Floats:
        from medloc_lib.segmentation import pixel_features

        return pixel_features(self._stack(sample, inside))


def _standardized(picture: NDArray[Any], inside: Bools) -> Floats:
    """z over `inside`, NaN outside; 0 where the picture has no contrast."""
    values = picture.astype(np.float32)
    here = values[inside]
    median = np.median(here)
    spread = 1.4826 * np.median(np.abs(here - median)) or here.std() or 1.0
    return np.where(inside, (values - median) / spread, np.nan).astype(np.float32)


def _region_means(z: Floats, labels: NDArray[Any]) -> Floats:
    """The mean of z over each region, -inf where the label is 0.

    >>> _region_means(np.array([[1.0, 3.0, 5.0, 7.0]]), np.array([[1, 1, 0, 1]])).tolist()
    [[2.0, 2.0, -inf, 7.0]]
    """
    from skimage.measure import label

    regions = label(labels, background=0, connectivity=labels.ndim)
    count = np.bincount(regions.ravel())
    means = np.bincount(regions.ravel(), weights=z.ravel()) / np.maximum(count, 1)
    means[0] = -np.inf
    return np.asarray(means[regions], dtype=np.float32)
