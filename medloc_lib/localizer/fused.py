"""Channels fused before anything is sought: into one picture, or as one vector of features a pixel.

`medloc_lib.fusion` is imported where it is used: SimpleITK and PyWavelets come with it, and everyone who types
``import medloc_lib`` would wait for them.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from medloc_lib.errors import InputError
from medloc_lib.localizer.contract import Localizer
from medloc_lib.localizer.first import ThresholdLocalizer, lesions_of
from medloc_lib.sample import Detections, Sample

Floats = NDArray[np.floating[Any]]

SEARCHED = 240
"""Training samples, drawn by a fixed seed, on which weights are searched."""
AROUND = 5
"""Pixels around a lesion that it is compared with."""
LOWEST = -20.0
"""Log-likelihood ratios below this are all the same: surely healthy."""


class _OnOnePicture(Localizer):
    """A localizer that makes one picture of the channels, and looks at that with another."""

    channels: Sequence[str] | None
    localizer: Any

    def fuse(self, sample: Sample) -> Floats:
        """The one picture of a sample, (*spatial).

        Raises
        ------
        InputError
            If it is not fitted, or the sample lacks a channel.
        """
        if not hasattr(self, "channels_"):
            raise InputError(f"this {type(self).__name__} is not fitted: call fit(samples) first")
        return self._fuse(_scaled(sample, self.channels_))

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

    @abstractmethod
    def _fuse(self, scaled: Floats) -> Floats:
        """One picture from channels on a common scale."""


class FusedLocalizer(_OnOnePicture):
    """Pixel-level fusion: the channels become one picture by a rule, and a localizer looks at that.

    Channels are brought to a common scale and combined (`fusion.common_scale`, `fusion.combine`). For "weighted", `fit`
    searches the weights (`fusion.find_weights`) that give the highest average precision on up to 240 of the training
    samples. For every other rule it learns on the training samples in which channels lesions are darker than the tissue
    around them; these are turned over, so that bright means suspicious in all. Then the inner localizer is fitted.
    `validation` is handed on to the inner localizer alone.

    Parameters
    ----------
    rule : "weighted" or a name of `fusion.RULES`.
    channels : names of what is fused; None: all of the first training sample.
    weights : one per channel, as `fusion.combine` takes them; None: learned.
    localizer : looks at the fused picture; None: `ThresholdLocalizer`.

    Attributes
    ----------
    channels_, weights_ : what is fused, and how: for rules other than "weighted" -1 where a channel is turned over.
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
    >>> fused.weights_, fused.predict(truth)[0].boxes
    (array([-1.,  1.]), array([[10., 10., 14., 15.]]))
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
        """Learn the weights; then fit the inner localizer.

        Raises
        ------
        InputError
            If there is no such rule, no sample, a sample lacks a channel, or the weights are malformed.
        """
        from medloc_lib.fusion import RULES

        if self.rule not in (*RULES, "weighted"):
            raise InputError(f"rule must be weighted or one of {', '.join(RULES)}; got {self.rule!r}")
        self._start(samples)
        if self.weights is not None:
            self.weights_ = np.asarray(self.weights, dtype=np.float64)
        else:
            weighted = self.rule == "weighted"
            self.weights_ = self._search(samples) if weighted else polarity(samples, self.channels_)
        return self._fit_inner(samples, validation, len(self.channels_) if self.weights is None else 0)

    def _search(self, samples: Sequence[Sample]) -> NDArray[np.float64]:
        from medloc_lib.fusion import combine, find_weights

        drawn = np.random.default_rng(0).permutation(len(samples))[:SEARCHED]
        some = [samples[int(i)] for i in sorted(drawn)]
        scaled = [_scaled(s, self.channels_) for s in some]

        def score(weights: NDArray[np.float64]) -> float:
            fused = [_one_channel(s, combine(x, weights=weights)) for s, x in zip(some, scaled, strict=True)]
            return float(_fresh(self.localizer).fit(fused).score(fused))

        return find_weights(score, len(self.channels_), progress=False).weights

    def _fuse(self, scaled: Floats) -> Floats:
        from medloc_lib.fusion import combine

        return combine(scaled, self.rule, weights=self.weights_)


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


def polarity(samples: Iterable[Sample], channels: Sequence[str]) -> NDArray[np.float64]:
    """-1 for each channel in which lesions are darker, on average, than the 5 pixels around them; 1 for the others.

    >>> image = np.ones((2, 20, 20))
    >>> image[0, 8:12, 8:12], image[1, 8:12, 8:12] = 0.5, 2
    >>> polarity([Sample(image, ("T1", "FLAIR"), boxes=[[8, 8, 12, 12]])], ("T1", "FLAIR"))
    array([-1.,  1.])
    """
    from scipy import ndimage

    contrast = np.zeros(len(channels))
    for sample, inside in _with_lesions(samples):
        ring = ndimage.binary_dilation(inside, iterations=AROUND) & ~inside
        if ring.any():
            scaled = _scaled(sample, channels)
            contrast += scaled[:, inside].mean(axis=1) - scaled[:, ring].mean(axis=1)
    return np.where(contrast < 0, -1.0, 1.0)


def _with_lesions(samples: Iterable[Sample]) -> Iterable[tuple[Sample, NDArray[np.bool_]]]:
    """Samples with lesions, and where these are."""
    for sample in samples:
        if sample.boxes is None or len(sample.boxes) == 0:
            continue
        inside = lesions_of(sample)
        if inside.any():
            yield sample, inside


def _body(scaled: Floats) -> NDArray[np.bool_]:
    """Pixels that are not dark in every channel."""
    return np.asarray(scaled.max(axis=0) > 0.1)


def _log_density(vectors: NDArray[np.float64], mean: Any, covariance: Any) -> NDArray[np.float64]:
    """Of a normal distribution, up to a constant that all have; vectors (channels, n)."""
    factor = np.linalg.cholesky(covariance)
    z = np.linalg.solve(factor, vectors - mean[:, None])
    return np.asarray(-0.5 * (z**2).sum(axis=0) - np.log(np.diag(factor)).sum())


def _scaled(sample: Sample, channels: Sequence[str]) -> Floats:
    from medloc_lib.fusion import common_scale

    return common_scale(np.stack([sample[name] for name in channels]))


def _one_channel(sample: Sample, picture: Floats) -> Sample:
    return sample.replace(image=picture[None], channels=("fused",), layers={})


def _fresh(localizer: Any) -> Any:
    """An unfitted copy; by default a threshold."""
    from sklearn.base import clone

    return ThresholdLocalizer() if localizer is None else clone(localizer)
