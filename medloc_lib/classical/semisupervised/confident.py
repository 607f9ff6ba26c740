"""Confident learning: which labels are likely to be wrong, by what a model says that did not learn from them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medloc_lib.errors import InputError

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def confident_joint(labels: ArrayLike, probability: ArrayLike) -> Ints:
    """How many items given as class i (row) are confidently of class j (column): int64 (2, 2).

    A model is *confident* of a class where its probability of it is at least as high as it is on average for the items
    that are given as that class. So each class has its own threshold, and a class of which the model is never sure is
    not lost. Where it is confident of both, the more probable one counts; where of none, the item is not counted.

    Parameters
    ----------
    labels : (n,), 0 or 1, as given.
    probability : (n,), of class 1, by a model that did not learn from the item.

    Raises
    ------
    InputError
        If the two differ in length.

    References
    ----------
    C. Northcutt, L. Jiang and I. Chuang, "Confident learning: estimating uncertainty in dataset labels", J. Artificial
    Intelligence Research 70 (2021), equations 1 and 2.

    Examples
    --------
    Four lesions, one of them given as background:

    >>> confident_joint([1, 1, 1, 0, 0, 0, 0], [0.9, 0.8, 0.9, 0.9, 0.1, 0.2, 0.1])
    array([[3, 1],
           [0, 2]])
    """
    given, sure = _sure(labels, probability)
    counted = sure >= 0
    return np.bincount(2 * given[counted] + sure[counted], minlength=4).reshape(2, 2)


def likely_wrong(labels: ArrayLike, probability: ArrayLike) -> Bools:
    """Items of which the model is confident that they are of the other class: bool (n,).

    Those off the diagonal of `confident_joint`.

    Parameters
    ----------
    labels, probability : as `confident_joint` takes them.

    Examples
    --------
    >>> likely_wrong([1, 1, 1, 0, 0, 0, 0], [0.9, 0.8, 0.9, 0.9, 0.1, 0.2, 0.1]).nonzero()[0]
    array([3])
    """
    given, sure = _sure(labels, probability)
    return np.asarray((sure >= 0) & (sure != given))


def _sure(labels: ArrayLike, probability: ArrayLike) -> tuple[Ints, Ints]:
    """Labels as given, and as the model is confident of: 0, 1, or -1 for neither."""
    given = np.asarray(labels).astype(np.int64).reshape(-1)
    one = np.asarray(probability, dtype=np.float64).reshape(-1)
    if len(given) != len(one):
        raise InputError(f"each label needs a probability; got {len(given)} labels and {len(one)} probabilities")
    both = np.stack([1 - one, one], axis=1)
    limits = np.array([both[given == k, k].mean() if (given == k).any() else np.inf for k in (0, 1)])
    over = both >= limits
    best = np.where(over, both, -1.0).argmax(axis=1)
    return given, np.where(over.any(axis=1), best, -1)
