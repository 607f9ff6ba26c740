"""Lesson 02: the same threshold after each enhancement of FLAIR.

Nothing but the threshold is learned, anew after each. Parameters are the library's defaults; where one is in the
picture's units it is a fixed multiple of the noise that the air around the head shows. None was tuned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from medloc_lib import enhancement as en
from medloc_lib.localizer import Preprocess, ThresholdLocalizer
from medloc_lib.sample import Sample

Picture = NDArray[np.float32]
CHANNEL = "FLAIR"
CORNER = 16  # pixels: so much of each corner of a slice is air


def noise(picture: Picture) -> float:
    """Standard deviation of the noise, from the air in the four corners."""
    air = np.zeros(picture.shape, dtype=bool)
    for rows in (slice(None, CORNER), slice(-CORNER, None)):
        air[..., rows, :CORNER] = air[..., rows, -CORNER:] = True
    return en.air_noise(picture, air)


def hysteresis(picture: Picture) -> Picture:
    """What is over the upper of Otsu's two levels, where something in it stands out by eight times the noise."""
    _, level = en.multi_otsu(picture)
    return en.hysteresis_threshold(picture, low=level, high=level + 8 * noise(picture))


def bilateral(picture: Picture) -> Picture:
    return en.bilateral(picture, contrast=3 * noise(picture))


def non_local_means(picture: Picture) -> Picture:
    return en.non_local_means(picture, noise=noise(picture))


def total_variation(picture: Picture) -> Picture:
    return en.total_variation(picture, weight=noise(picture))


def n4_total_variation(picture: Picture) -> Picture:
    return total_variation(en.correct_bias(picture))


class MatchFirst(Preprocess):
    """Histogram matching to the first training sample."""

    def __init__(self) -> None:
        super().__init__(self._match)

    def fit(self, samples: Sequence[Sample], y: None = None) -> Self:
        """Keep the reference."""
        self.reference_ = np.array(samples[0][CHANNEL])
        return self

    def fit_transform(self, samples: Sequence[Sample], y: None = None) -> list[Sample]:
        """Both."""
        return self.fit(samples).transform(samples)

    def _match(self, sample: Sample) -> Sample:
        return _enhanced(sample, partial(en.match, reference=self.reference_))


def _enhanced(sample: Sample, function: Callable[[Picture], Picture]) -> Sample:
    """The sample with FLAIR alone, enhanced."""
    return sample.replace(image=function(np.asarray(sample[CHANNEL]))[None], channels=(CHANNEL,))


def _then_threshold(step: Preprocess) -> Any:
    from sklearn.pipeline import Pipeline

    return Pipeline([("enhance", step), ("threshold", ThresholdLocalizer())])


def _row(function: Callable[[Picture], Picture]) -> Callable[[], Any]:
    return lambda: _then_threshold(Preprocess(partial(_enhanced, function=function)))


ENHANCEMENTS: dict[str, Callable[[Picture], Picture]] = {
    "stretch": en.stretch_percentiles,
    "gamma": partial(en.gamma, exponent=2.0),
    "logarithm": en.logarithm,
    "sigmoid": en.sigmoid,
    "hysteresis": hysteresis,
    "equalize": en.equalize,
    "bihistogram": en.equalize_bihistogram,
    "clahe": en.clahe,
    "median": en.median,
    "bilateral": bilateral,
    "nlm": non_local_means,
    "tv": total_variation,
    "n4": en.correct_bias,
    "n4_tv": n4_total_variation,
    "unsharp": en.unsharp,
    "laplacian": en.laplacian_sharpen,
    "dog": en.difference_of_gaussians,
}

ROWS = {f"enhanced_{name}": _row(function) for name, function in ENHANCEMENTS.items()} | {
    "enhanced_match": lambda: _then_threshold(MatchFirst())
}
