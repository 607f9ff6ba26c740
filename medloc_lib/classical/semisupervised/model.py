"""The classifier of lesson 07: logistic regression on landmarks, and several of them that see different columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.semi_supervised import LabelSpreading

from medloc_lib.classical.supervised import lesion_scores, scaled

Array = NDArray[Any]
Numbers = NDArray[np.float64]
Ints = NDArray[np.int64]

FITTED_ON = 5000
"""Rows, at most, from which scales and landmarks are learned."""


class Landmarks(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Likeness to some rows, the landmarks, as features: a linear model of them bends as a kernel machine does.

    Nyström's approximation of the kernel exp(-reach · mean squared difference of the columns). The landmarks are drawn
    among the rows it is fitted on; no label is needed.

    Parameters
    ----------
    count : of landmarks, at most; with fewer rows, all of them.
    reach : the higher, the nearer a row must be to count as alike.
    random_state : seed of the landmarks.

    References
    ----------
    C. Williams and M. Seeger, "Using the Nyström method to speed up kernel machines", NIPS 2000.

    Examples
    --------
    >>> Landmarks(5).fit_transform(np.random.default_rng(0).normal(size=(20, 3))).shape
    (20, 5)
    """

    def __init__(self, count: int = 200, *, reach: float = 0.6, random_state: int = 0) -> None:
        self.count = count
        self.reach = reach
        self.random_state = random_state

    def fit(self, values: Array, y: None = None) -> Self:
        """Draw the landmarks."""
        count = min(self.count, len(values))
        gamma = self.reach / max(values.shape[1], 1)
        self.kernel_ = Nystroem(gamma=gamma, n_components=count, random_state=self.random_state).fit(values)
        return self

    def transform(self, values: Array) -> Array:
        """(n, landmarks), float32."""
        return np.asarray(self.kernel_.transform(values), dtype=np.float32)


def curved(strength: float = 10.0, *, count: int = 200, reach: float = 0.6) -> Pipeline:
    """Logistic regression that may bend: scaled features, `Landmarks`, logistic regression with C = `strength`."""
    return make_pipeline(
        scaled(), Landmarks(count, reach=reach), LogisticRegression(C=strength, max_iter=200, tol=1e-3)
    )


def columns_of_views(columns: Sequence[str]) -> list[Ints]:
    """Columns of the three views: all; the T1 view, without FLAIR and suspicion; the FLAIR view, with these alone.

    Columns of no channel, such as shape and place, are in each. Without FLAIR there is one view.

    >>> [view.tolist() for view in columns_of_views(["T1/stat_mean", "FLAIR/stat_mean", "shape_area"])]
    [[0, 1, 2], [0, 2], [1, 2]]
    """
    flair = np.array([name.startswith(("FLAIR/", "suspicion/")) for name in columns])
    other = np.array(["/" in name for name in columns]) & ~flair
    every = np.arange(len(flair))
    return [every, every[~flair], every[~other]] if flair.any() and other.any() else [every] * 3


def features_of_views(
    model: Pipeline, columns: Sequence[str], values: Array, *, seed: int = 0
) -> list[tuple[Ints, Any]]:
    """What makes the features of each view, fitted without labels on some rows of the table."""
    some = values[np.random.default_rng(seed).permutation(len(values))[:FITTED_ON]]
    return [(at, clone(model[:-1]).fit(some[:, at])) for at in columns_of_views(columns)]


class Views:
    """Fitted classifiers that see different columns; together they say the mean of their log odds.

    Parameters
    ----------
    members : for each, the columns that it sees, what makes its features, and the classifier.
    """

    def __init__(self, members: list[tuple[Ints, Any, Any]]) -> None:
        self.members = members

    def odds(self, features: Sequence[Array]) -> Numbers:
        """Log odds of each member (members, n), by the features of each view."""
        pairs = zip(self.members, features, strict=True)
        return np.asarray([lesion_scores(told, x) for (_, _, told), x in pairs])

    def decision_function(self, values: Array) -> Numbers:
        """Mean log odds, float64 (n,), by the table's values."""
        return np.asarray(self.odds([made.transform(values[:, at]) for at, made, _ in self.members]).mean(axis=0))


class Spread:
    """Labels that flow along the edges of a graph of near candidates: scikit-learn's `LabelSpreading`.

    Parameters
    ----------
    at, made : columns, and what makes the features in which candidates are near.
    x : features (n, columns) of labelled and other candidates. y : 0, 1, or -1 for the others.
    """

    def __init__(self, at: Ints, made: Any, x: Array, y: Ints) -> None:
        self.at, self.made = at, made
        self.spreading = LabelSpreading(kernel="knn", n_neighbors=15, alpha=0.2, max_iter=50).fit(x, y)

    def predict_proba(self, values: Array) -> Numbers:
        """(n, 2)."""
        return self.told(self.made.transform(values[:, self.at]))

    def told(self, features: Array) -> Numbers:
        """As `predict_proba`, by features."""
        with np.errstate(invalid="ignore"):
            return np.nan_to_num(np.asarray(self.spreading.predict_proba(features), dtype=np.float64))
