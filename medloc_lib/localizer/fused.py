"""Channels fused before anything is sought: into one picture, or as one vector of features a pixel.

`medloc_lib.fusion` is imported where it is used: SimpleITK and PyWavelets come with it, and everyone who types
``import medloc_lib`` would wait for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from medloc_lib.errors import InputError
from medloc_lib.geometry import boxes_to_mask
from medloc_lib.localizer.contract import Localizer
from medloc_lib.localizer.first import ThresholdLocalizer
from medloc_lib.sample import Detections, Sample

Floats = NDArray[np.floating[Any]]

SEARCHED = 240
"""Training samples, evenly taken, on which weights are searched."""
AROUND = 5
"""Pixels around a lesion that it is compared with."""
LOWEST = -20.0
"""Log-likelihood ratios below this are all the same: surely healthy."""


class _OnOnePicture(Localizer):
    """A localizer that makes one picture of the channels, and looks at that with another."""

    channels: Sequence[str] | None
    localizer: Any
    invert_: tuple[bool, ...] = ()

    def fuse(self, sample: Sample) -> Floats:
        """The one picture of a sample, (*spatial).

        Raises
        ------
        InputError
            If it is not fitted, or the sample lacks a channel.
        """
        if not hasattr(self, "channels_"):
            raise InputError(f"this {type(self).__name__} is not fitted: call fit(samples) first")
        return self._fuse(_scaled(sample, self.channels_, self.invert_))

    def predict(self, samples: Sequence[Sample]) -> list[Detections]:
        """What the inner localizer finds in each fused picture.

        Raises
        ------
        InputError
            If it is not fitted, or a sample lacks a channel.
        """
        fused = [_one_channel(sample, self.fuse(sample)) for sample in samples]
        found: list[Detections] = self.localizer_.predict(fused)
        return found

    def _fit_inner(self, samples: Sequence[Sample], validation: Sequence[Sample] | None, learned: int) -> Self:
        inner = _fresh(self.localizer)
        seen = None if validation is None else [_one_channel(s, self.fuse(s)) for s in validation]
        self.localizer_ = inner.fit([_one_channel(s, self.fuse(s)) for s in samples], validation=seen)
        self.n_parameters_ = learned + int(getattr(self.localizer_, "n_parameters_", 0))
        return self

    def _start(self, samples: Sequence[Sample]) -> None:
        if len(samples) == 0:
            raise InputError("needs samples to learn from; got none")
        self.channels_ = tuple(self.channels or samples[0].channels)

    def _fuse(self, scaled: Floats) -> Floats:
        """One picture from channels on a common scale."""
        raise NotImplementedError


class FusedLocalizer(_OnOnePicture):
    """Pixel-level fusion: the channels become one picture by a rule, and a localizer looks at that.

    Channels are brought to a common scale (`fusion.common_scale`). `fit` learns on the training samples whether lesions
    are darker than the tissue around them in a channel, which is then turned over, so that bright means suspicious in
    all; for "weighted", whose weights have signs, it searches the weights (`fusion.find_weights`) that give the highest
    average precision on up to 240 of the training samples. Then the inner localizer is fitted. `validation` is handed
    on to the inner localizer alone.

    Parameters
    ----------
    rule : a name of `fusion.RULES`, or "weighted".
    channels : names of what is fused; None: all of the first training sample.
    weights : for "weighted": one per channel; None: searched.
    localizer : looks at the fused picture; None: `ThresholdLocalizer`.

    Attributes
    ----------
    channels_, invert_, weights_ : what is fused, which are turned over, and the weights ("weighted" only).
    localizer_ : the inner localizer, fitted.

    Examples
    --------
    A spot that is dark in T1 and bright in FLAIR, and fat, which is bright in both.

    >>> image = np.ones((2, 24, 24)) + np.random.default_rng(0).normal(0, 0.05, (2, 24, 24))
    >>> image[:, :3] += 3
    >>> image[0, 10:14, 10:15] -= 0.8
    >>> image[1, 10:14, 10:15] += 2
    >>> truth = [Sample(image, ("T1", "FLAIR"), boxes=[[10, 10, 14, 15]])]
    >>> fused = FusedLocalizer("product").fit(truth)
    >>> fused.invert_, fused.predict(truth)[0].boxes
    ((True, False), array([[10., 10., 14., 15.]]))
    """

    def __init__(
        self,
        rule: str = "weighted",
        channels: Sequence[str] | None = None,
        weights: Sequence[float] | None = None,
        localizer: Any = None,
    ) -> None:
        self.rule = rule
        self.channels = channels
        self.weights = weights
        self.localizer = localizer

    def fit(self, samples: Sequence[Sample], y: None = None, *, validation: Sequence[Sample] | None = None) -> Self:
        """Learn which channels to turn over, or the weights; then fit the inner localizer.

        Raises
        ------
        InputError
            If there is no such rule, no sample, or a sample lacks a channel.
        """
        from medloc_lib.fusion import RULES

        if self.rule not in (*RULES, "weighted"):
            raise InputError(f"rule must be weighted or one of {', '.join(RULES)}; got {self.rule!r}")
        self._start(samples)
        learned = 0
        if self.rule == "weighted":
            self.weights_ = self._search(samples) if self.weights is None else np.asarray(self.weights, dtype=float)
            self.invert_ = (False,) * len(self.channels_)
            learned = len(self.channels_) if self.weights is None else 0
        else:
            self.invert_ = darker(samples, self.channels_)
            learned = len(self.channels_)
        return self._fit_inner(samples, validation, learned)

    def _search(self, samples: Sequence[Sample]) -> NDArray[np.float64]:
        from medloc_lib.fusion import find_weights, weighted

        step = -(-len(samples) // SEARCHED)
        some = [samples[i] for i in range(0, len(samples), step)]
        scaled = [_scaled(s, self.channels_) for s in some]

        def score(weights: NDArray[np.float64]) -> float:
            fused = [_one_channel(s, weighted(x, weights)) for s, x in zip(some, scaled, strict=True)]
            return float(_fresh(self.localizer).fit(fused).score(fused))

        return find_weights(score, len(self.channels_), progress=False).weights

    def _fuse(self, scaled: Floats) -> Floats:
        from medloc_lib.fusion import RULES, weighted

        return weighted(scaled, self.weights_) if self.rule == "weighted" else RULES[self.rule](scaled)


class StackedLocalizer(_OnOnePicture):
    """Feature-level fusion: the channels of a pixel are one vector, and what is typical of a lesion is learned of it.

    Two normal distributions of the vector are learned, of lesions and of the rest, each with its own mean and
    covariance; the fused picture is the log-likelihood ratio of the two (quadratic discriminant analysis). Unlike a
    weighted mean it can prefer a *combination*, such as bright in FLAIR and dark in PET, to any of its parts. Pixels
    that are dark in all channels (the air around a head) count as neither, and are surely healthy.

    Parameters
    ----------
    channels : names of what is stacked; None: all of the first training sample.
    localizer : looks at the fused picture; None: `ThresholdLocalizer`.

    Attributes
    ----------
    channels_ : what is stacked. means_ : (2, channels) of the rest and of lesions. covariances_ : (2, channels,
    channels). localizer_ : the inner localizer, fitted.

    References
    ----------
    R. Fisher, "The use of multiple measurements in taxonomic problems", Annals of Eugenics 7 (1936); the quadratic
    form: C. Smith, "Some examples of discrimination", Annals of Eugenics 13 (1947).
    """

    def __init__(self, channels: Sequence[str] | None = None, localizer: Any = None) -> None:
        self.channels = channels
        self.localizer = localizer

    def fit(self, samples: Sequence[Sample], y: None = None, *, validation: Sequence[Sample] | None = None) -> Self:
        """Learn both distributions from masks, or where there are none from boxes; then fit the inner localizer.

        Raises
        ------
        InputError
            If there is no sample, a sample lacks a channel, or there are no pixels of lesions or none of the rest.
        """
        self._start(samples)
        n = len(self.channels_)
        count, total, square = np.zeros(2), np.zeros((2, n)), np.zeros((2, n, n))
        for sample, inside in _with_lesions(samples):
            scaled = _scaled(sample, self.channels_).astype(np.float64)
            seen = _body(scaled)
            for k, where in enumerate((seen & ~inside, seen & inside)):
                vectors = scaled[:, where]
                count[k] += vectors.shape[1]
                total[k] += vectors.sum(axis=1)
                square[k] += vectors @ vectors.T
        if (count < 2).any():
            raise InputError(f"needs pixels of lesions and of the rest; got {int(count[1])} and {int(count[0])}")
        self.means_ = total / count[:, None]
        outer = self.means_[:, :, None] * self.means_[:, None, :]
        # A little of the identity, so that channels without noise of their own do not make it singular.
        self.covariances_ = square / count[:, None, None] - outer + 1e-4 * np.eye(n)
        return self._fit_inner(samples, validation, int(self.means_.size + n * (n + 1)))

    def _fuse(self, scaled: Floats) -> Floats:
        seen = _body(scaled)
        ratio = np.full(scaled.shape[1:], LOWEST, dtype=np.float32)
        vectors = scaled[:, seen].astype(np.float64)
        rest, lesion = (_log_density(vectors, m, c) for m, c in zip(self.means_, self.covariances_, strict=True))
        ratio[seen] = np.maximum(lesion - rest, LOWEST)
        return ratio


def darker(samples: Iterable[Sample], channels: Sequence[str]) -> tuple[bool, ...]:
    """For each channel whether lesions are darker there, on average, than the 5 pixels around them.

    >>> image = np.ones((2, 20, 20))
    >>> image[0, 8:12, 8:12], image[1, 8:12, 8:12] = 0.5, 2
    >>> darker([Sample(image, ("T1", "FLAIR"), boxes=[[8, 8, 12, 12]])], ("T1", "FLAIR"))
    (True, False)
    """
    from scipy import ndimage

    contrast = np.zeros(len(channels))
    for sample, inside in _with_lesions(samples):
        ring = ndimage.binary_dilation(inside, iterations=AROUND) & ~inside
        if ring.any():
            scaled = _scaled(sample, channels)
            contrast += scaled[:, inside].mean(axis=1) - scaled[:, ring].mean(axis=1)
    return tuple(bool(c < 0) for c in contrast)


def _with_lesions(samples: Iterable[Sample]) -> Iterable[tuple[Sample, NDArray[np.bool_]]]:
    """Samples with lesions, and where these are: from the mask, else from the boxes."""
    for sample in samples:
        if sample.boxes is None or len(sample.boxes) == 0:
            continue
        mask = boxes_to_mask(sample.boxes, sample.shape) if sample.mask is None else sample.mask
        if (mask != 0).any():
            yield sample, mask != 0


def _body(scaled: Floats) -> NDArray[np.bool_]:
    """Pixels that are not dark in every channel."""
    return np.asarray(scaled.max(axis=0) > 0.1)


def _log_density(vectors: NDArray[np.float64], mean: Any, covariance: Any) -> NDArray[np.float64]:
    """Of a normal distribution, up to a constant that all have; vectors (channels, n)."""
    factor = np.linalg.cholesky(covariance)
    z = np.linalg.solve(factor, vectors - mean[:, None])
    return np.asarray(-0.5 * (z**2).sum(axis=0) - np.log(np.diag(factor)).sum())


def _scaled(sample: Sample, channels: Sequence[str], invert: Sequence[bool] = ()) -> Floats:
    from medloc_lib.fusion import common_scale

    return common_scale(np.stack([sample[name] for name in channels]), invert=invert)


def _one_channel(sample: Sample, picture: Floats) -> Sample:
    return sample.replace(image=picture[None], channels=("fused",), layers={})


def _fresh(localizer: Any) -> Any:
    """An unfitted copy; by default a threshold."""
    from sklearn.base import clone

    return ThresholdLocalizer() if localizer is None else clone(localizer)
