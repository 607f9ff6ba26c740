"""The weights of a weighted fusion, found by trying: a search that knows only a score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from medloc_lib.errors import InputError

STEPS = (0.5, 0.25, 0.125)


@dataclass(frozen=True, eq=False, repr=False)
class Search:
    """What a search for weights found.

    Parameters
    ----------
    weights : float64 (channels,), the best; magnitudes sum to 1.
    score : theirs.
    tried : (m, channels), all weights in the order in which they were tried.
    scores : (m,), theirs; NaN where the score was.
    """

    weights: NDArray[np.float64]
    score: float
    tried: NDArray[np.float64]
    scores: NDArray[np.float64]

    def __repr__(self) -> str:
        shown = ", ".join(f"{w:+.2f}" for w in self.weights)
        return f"Search: weights {shown}, score {self.score:.3f}, the best of {len(self.tried)} tried"


def find_weights(
    score: Callable[[NDArray[np.float64]], float], channels: int, *, tries: int = 60, progress: bool = True
) -> Search:
    """The weights with the highest score, by pattern search; the same in every run.

    Every channel alone and the mean of all are tried first. From the best of them one weight at a time is moved up or
    down by a half, and kept where that is better; when nothing is, the step is halved, down to an eighth. Weights are
    scaled so that their magnitudes sum to 1, as `weighted` does.

    The search climbs the nearest hill, and may miss a higher one. What it finds is chosen on the samples that the
    score looks at: keep the test set out of it.

    Parameters
    ----------
    score : weights (channels,) -> number; higher is better, NaN is worst.
    channels : how many weights.
    tries : how often `score` may be called, at most; at least once for each channel and once for the mean.
    progress : show a progress bar.

    Raises
    ------
    InputError
        If there is no channel, or `tries` is too small.

    References
    ----------
    R. Hooke and T. Jeeves, "'Direct search' solution of numerical and statistical problems", Journal of the ACM 8
    (1961).

    Examples
    --------
    >>> wanted = np.array([-0.25, 0.75])
    >>> find_weights(lambda w: -np.abs(w - wanted).sum(), 2, progress=False)
    Search: weights -0.25, +0.75, score -0.008, the best of 22 tried
    """
    if channels < 1 or tries < channels + 1:
        raise InputError(f"needs a channel, and a try for each and for their mean; got {channels} and {tries} tries")
    known: dict[tuple[float, ...], float] = {}
    with tqdm(total=tries, desc="weights", unit="try", disable=not progress, leave=False) as bar:

        def value(weights: NDArray[np.float64]) -> float:
            """Score of a direction; NaN, which compares as lower than all, where it may not be tried any more."""
            key = _key(weights)
            if key not in known:
                if len(known) == tries or not any(key):
                    return float("nan")
                known[key] = float(score(np.array(key)))
                bar.update()
                bar.set_postfix(best=f"{_best(known)[1]:.3f}")
            return known[key]

        for start in (*np.eye(channels), np.ones(channels)):
            value(start)
        best, highest = _best(known)
        for step in STEPS:
            moved = True
            while moved:
                moved = False
                for move in (sign * step * unit for unit in np.eye(channels) for sign in (1, -1)):
                    candidate = np.array(best) + move
                    if value(candidate) > highest:
                        best, highest, moved = _key(candidate), value(candidate), True
    return Search(np.array(best), highest, np.array(list(known)), np.array(list(known.values())))


def _key(weights: NDArray[np.float64]) -> tuple[float, ...]:
    """Weights whose magnitudes sum to 1, rounded, so that the same direction is known again."""
    total: Any = np.abs(weights).sum()
    return tuple(float(w) for w in np.round(weights / total, 6) + 0.0) if total > 1e-9 else (0.0,) * len(weights)


def _best(known: dict[tuple[float, ...], float]) -> tuple[tuple[float, ...], float]:
    """Of equals the first that was tried; NaN last."""
    best = max(known, key=lambda k: -np.inf if np.isnan(known[k]) else known[k])
    return best, -np.inf if np.isnan(known[best]) else known[best]
