"""Pseudo-labels: what a model says of items that nobody looked at, taken as if somebody had."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone

from medloc_lib.classical.features.tables import Table
from medloc_lib.errors import InputError
from medloc_lib.geometry import iou

Array = NDArray[Any]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Numbers = NDArray[np.float64]


def self_train(
    model: Any, values: Array, labels: ArrayLike, unlabelled: Array, *, threshold: float = 0.9, rounds: int = 10
) -> tuple[Any, Ints]:
    """Plain self-training: fit, label what the model is sure of, fit again with it, until nothing is left to add.

    An item that has got a label keeps it, right or wrong.

    Parameters
    ----------
    model : classifier with `predict_proba`; copies of it are fitted.
    values : (n, columns). labels : (n,), 0 or 1, some of either. unlabelled : (m, columns).
    threshold : probability over which a label is taken.

    Returns
    -------
    The last fitted copy, and the labels of the unlabelled items, int64 (m,), -1 where it never was sure.

    Raises
    ------
    InputError
        If the labels are all of one class.

    References
    ----------
    D. Yarowsky, "Unsupervised word sense disambiguation rivaling supervised methods", ACL 1995.

    Examples
    --------
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> near = KNeighborsClassifier(1)
    >>> _, given = self_train(near, np.array([[0.0], [9.0]]), [0, 1], np.array([[1.0], [2.0], [7.0]]))
    >>> given
    array([0, 0, 1])
    """
    known = np.asarray(labels).astype(np.int64)
    if len(np.unique(known)) < 2:
        raise InputError(f"needs labels of both classes to begin with; got {np.unique(known).tolist()} alone")
    given = np.full(len(unlabelled), -1, dtype=np.int64)
    fitted = clone(model).fit(values, known)
    for _ in range(rounds):
        left = np.flatnonzero(given < 0)
        if len(left) == 0:
            break
        probability = fitted.predict_proba(unlabelled[left])
        sure = probability.max(axis=1) > threshold
        if not sure.any():
            break
        given[left[sure]] = probability[sure].argmax(axis=1)
        taken = given >= 0
        fitted = clone(model).fit(np.concatenate([values, unlabelled[taken]]), np.concatenate([known, given[taken]]))
    return fitted, given


class Pictures:
    """The candidates of some pictures by picture, and how much those of one picture overlap.

    Parameters
    ----------
    table : of the candidates. Pictures with fewer than the most candidates are padded.
    """

    def __init__(self, table: Table) -> None:
        _, picture, counts = np.unique(table.image, return_inverse=True, return_counts=True)
        most = int(counts.max(initial=0))
        place = np.arange(len(table)) - np.repeat(np.cumsum(counts) - counts, counts)
        self.at = picture, place
        self.overlap = np.zeros((len(counts), most, most), dtype=np.float32)
        for k, boxes in enumerate(np.split(table.boxes, np.cumsum(counts)[:-1])):
            self.overlap[k, : len(boxes), : len(boxes)] = iou(boxes, boxes)

    def __len__(self) -> int:
        return len(self.overlap)

    def by_picture(self, scores: ArrayLike, *, missing: float = -np.inf) -> Numbers:
        """Scores (n,) as (pictures, most candidates)."""
        made = np.full(self.overlap.shape[:2], missing)
        made[self.at] = scores
        return made

    def apart(self, scores: ArrayLike, *, overlap: float) -> Bools:
        """The candidates that are left when those that overlap a surer one are dropped: bool (n,).

        Non-maximum suppression in all pictures at once; see `geometry.nms`.
        """
        left = self.by_picture(scores)
        kept = np.zeros(left.shape, dtype=bool)
        every = np.arange(len(left))
        while np.isfinite(left).any():
            best = left.argmax(axis=1)
            some = np.isfinite(left[every, best])
            kept[every[some], best[some]] = True
            left[self.overlap[every, best] > overlap] = -np.inf
            left[every, best] = -np.inf
        return np.asarray(kept[self.at])

    def fit_to(self, chosen: Bools) -> Numbers:
        """The highest IoU of each candidate with a chosen one of its picture: (n,)."""
        picked = self.by_picture(chosen, missing=0.0) > 0
        return np.asarray(np.where(picked[:, None, :], self.overlap, 0).max(axis=2, initial=0)[self.at])
