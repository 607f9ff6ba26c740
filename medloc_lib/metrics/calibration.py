"""Whether a score means what it says: reliability, calibration error, and scores made to mean it.

A score is calibrated where of all detections with a score of 0.7, seven in ten are hits. Plain arrays in: a score from
0 to 1 and whether it hit, one of each per detection (`Matches.score` and `Matches.hit`) or per picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medloc_lib.errors import InputError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

NEAREST = 1e-6
"""Scores are kept so far from 0 and 1, where the log odds are infinite."""


@dataclass(frozen=True, eq=False, repr=False)
class Reliability:
    """What scores promise and what they keep, in bins of equal width. Made by `reliability`.

    Parameters
    ----------
    edges : (bins + 1,), from 0 to 1.
    promised : (bins,), mean score of each bin; NaN where it is empty.
    kept : (bins,), share of hits in each bin; NaN where it is empty.
    count : (bins,), how many there are.
    error : expected calibration error, the mean of |promised - kept| over all scores.
    brier : mean squared distance of a score from 1 for a hit, 0 for a miss.
    """

    edges: Floats
    promised: Floats
    kept: Floats
    count: Floats
    error: float
    brier: float

    def __repr__(self) -> str:
        return f"Reliability: {self.count.sum():g} scores, calibration error {self.error:.3f}, Brier {self.brier:.3f}"


def reliability(scores: ArrayLike, hits: ArrayLike, *, bins: int = 10, weights: ArrayLike | None = None) -> Reliability:
    """Promised and kept, bin by bin, and the expected calibration error.

    A score s lies in bin floor(s · bins); 1 in the last.

    Parameters
    ----------
    scores : (n,), 0 to 1.
    hits : bool (n,).
    bins : how many.
    weights : (n,), how often each counts, as `bootstrap` gives them; default once.

    Raises
    ------
    InputError
        If lengths differ, there is nothing, or a score is not from 0 to 1.

    References
    ----------
    C. Guo, G. Pleiss, Y. Sun and K. Weinberger, "On calibration of modern neural networks", ICML 2017, equation 5. Of
    detections: F. Küppers et al., "Multivariate confidence calibration for object detection", CVPR Workshops 2020. G.
    Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review 78 (1950).

    Examples
    --------
    Two at 0.9 of which one hits, and two at 0.2 that miss: (2 · 0.4 + 2 · 0.2) / 4.

    >>> reliability([0.9, 0.9, 0.2, 0.2], [True, False, False, False])
    Reliability: 4 scores, calibration error 0.300, Brier 0.225
    """
    score, hit = _checked(scores, hits)
    weight = np.ones(len(score)) if weights is None else np.asarray(weights, dtype=np.float64)
    if bins < 1 or weight.shape != score.shape:
        raise InputError(f"needs a bin or more and one weight per score; got {bins} bins, weights {weight.shape}")
    bin_of = np.minimum((score * bins).astype(np.int64), bins - 1)
    count, promised, kept = (
        np.bincount(bin_of, values, minlength=bins).astype(np.float64)
        for values in (weight, weight * score, weight * hit)
    )
    total = weight.sum()
    with np.errstate(invalid="ignore"):
        return Reliability(
            np.linspace(0, 1, bins + 1),
            promised / count,
            kept / count,
            count,
            float(np.abs(promised - kept).sum() / total),
            float(weight @ (score - hit) ** 2 / total),
        )


def rescale(scores: ArrayLike, temperature: float, offset: float = 0.0) -> Floats:
    """Scores with other odds and the same order: σ(logit(s) / T + offset).

    Examples
    --------
    >>> rescale([0.2, 0.5, 0.8], 2.0).round(3)
    array([0.333, 0.5  , 0.667])
    """
    score = np.clip(np.asarray(scores, dtype=np.float64), NEAREST, 1 - NEAREST)
    made: Floats = 1 / (1 + np.exp(-(np.log(score / (1 - score)) / temperature + offset)))
    return made


def find_temperature(scores: ArrayLike, hits: ArrayLike, *, offset: bool = False) -> tuple[float, float]:
    """The temperature, and if asked for the offset, under which the hits are the likeliest (`rescale`).

    Over 1 the scores were too sure of themselves, under 1 not sure enough. Choose it on other pictures than those that
    are scored.

    Parameters
    ----------
    scores, hits : as for `reliability`.
    offset : False: temperature scaling (Guo et al., 2017), the offset is 0; True: Platt's scaling.

    Returns
    -------
    temperature, offset.

    Raises
    ------
    InputError
        If lengths differ, a score is not from 0 to 1, or there is no hit or no miss to learn from.

    References
    ----------
    J. Platt, "Probabilistic outputs for support vector machines", Advances in Large Margin Classifiers (1999).

    Examples
    --------
    Of those at 0.9 six in ten hit, of those at 0.1 four in ten: log odds of ±2.197 that should be ±0.405.

    >>> scores, hits = [0.9] * 10 + [0.1] * 10, [True] * 6 + [False] * 10 + [True] * 4
    >>> temperature, _ = find_temperature(scores, hits)
    >>> round(temperature, 2), rescale([0.9, 0.1], temperature).round(2)
    (5.42, array([0.6, 0.4]))
    """
    from scipy.optimize import minimize

    score, hit = _checked(scores, hits)
    if hit.all() or not hit.any():
        raise InputError(f"needs hits and misses to learn from; got {int(hit.sum())} hits of {len(hit)}")
    score = np.clip(score, NEAREST, 1 - NEAREST)
    odds, sign = np.log(score / (1 - score)), np.where(hit, 1.0, -1.0)

    def loss(x: Floats) -> tuple[float, Floats]:
        """Mean negative log likelihood and its gradient, for slope exp(x[0]) and offset x[1]."""
        slope = np.exp(x[0])
        margin = sign * (slope * odds + (x[1] if offset else 0.0))
        pull = -sign / (1 + np.exp(np.clip(margin, -500, 500)))
        gradient = np.array([(pull * slope * odds).mean(), pull.mean() if offset else 0.0])
        return float(np.logaddexp(0, -margin).mean()), gradient

    best = minimize(loss, np.zeros(2), jac=True, method="L-BFGS-B", bounds=[(-7, 7), (-50, 50)], tol=1e-12)
    return float(np.exp(-best.x[0])), float(best.x[1])


def _checked(scores: ArrayLike, hits: ArrayLike) -> tuple[Floats, Bools]:
    score, hit = np.asarray(scores, dtype=np.float64), np.asarray(hits, dtype=bool)
    if score.ndim != 1 or score.shape != hit.shape or not len(score) or not ((score >= 0) & (score <= 1)).all():
        span = f", from {score.min():g} to {score.max():g}" if score.size else ""
        raise InputError(f"needs scores from 0 to 1 and as many hits; got shapes {score.shape}, {hit.shape}{span}")
    return score, hit
