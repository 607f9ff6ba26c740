"""Scores of a yes or no for a whole image: is there a lesion?"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medloc_lib.errors import InputError

Floats = NDArray[np.float64]


def balanced_accuracy(
    sick: ArrayLike, probability: ArrayLike, *, threshold: float = 0.5, weights: ArrayLike | None = None
) -> float:
    """Mean of sensitivity and specificity: 0.5 for guessing, however rare the disease is.

    Parameters
    ----------
    sick : bool (n,), the truth.
    probability : (n,); from `threshold` on the answer is yes.
    weights : (n,), how often each image counts, as `bootstrap` gives them; default once.

    Returns
    -------
    0 to 1; NaN if one of the two kinds is missing.

    Raises
    ------
    InputError
        If lengths differ, or a probability is NaN.

    Examples
    --------
    >>> balanced_accuracy([True, True, False, False], [0.9, 0.2, 0.1, 0.4])
    0.75
    """
    truth, answer, weight = _checked(sick, probability, weights)
    right = (answer >= threshold) == truth
    shares = [float(weight[right & kind].sum() / weight[kind].sum()) for kind in (truth, ~truth) if weight[kind].sum()]
    return sum(shares) / 2 if len(shares) == 2 else float("nan")


def auroc(sick: ArrayLike, probability: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """Area under the receiver operating characteristic: how often a sick image has the higher probability of a pair.

    Ties count half (J. Hanley and B. McNeil, Radiology 143 (1982)).

    Parameters
    ----------
    sick, probability, weights : as for `balanced_accuracy`.

    Returns
    -------
    0 to 1; NaN if one of the two kinds is missing.

    Raises
    ------
    InputError
        If lengths differ, or a probability is NaN.

    Examples
    --------
    >>> auroc([True, True, False, False], [0.9, 0.3, 0.1, 0.4])
    0.75
    """
    truth, answer, weight = _checked(sick, probability, weights)
    _, rank = np.unique(answer, return_inverse=True)
    healthy = np.bincount(rank, weight * ~truth)
    sick_at = np.bincount(rank, weight * truth)
    pairs = healthy.sum() * sick_at.sum()
    below = np.cumsum(healthy) - healthy / 2
    return float((sick_at * below).sum() / pairs) if pairs else float("nan")


def _checked(
    sick: ArrayLike, probability: ArrayLike, weights: ArrayLike | None
) -> tuple[NDArray[np.bool_], Floats, Floats]:
    truth = np.asarray(sick, dtype=bool)
    answer = np.asarray(probability, dtype=np.float64)
    weight = np.ones(truth.shape) if weights is None else np.asarray(weights, dtype=np.float64)
    if truth.ndim != 1 or not truth.shape == answer.shape == weight.shape or np.isnan(answer).any():
        raise InputError(
            f"needs one truth, one probability that is a number, and one weight per image; got shapes {truth.shape}, "
            f"{answer.shape}, {weight.shape}, {int(np.isnan(answer).sum())} NaN"
        )
    return truth, answer, weight
