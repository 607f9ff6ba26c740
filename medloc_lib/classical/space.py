"""Candidates as points: any two features or principal components, beside their truth, their scores and a threshold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medloc_lib.classical.features.tables import Described, stack
from medloc_lib.classical.supervised import SupervisedLocalizer, lesion_scores, logistic, scaled, taught
from medloc_lib.errors import InputError
from medloc_lib.localizer import any_class
from medloc_lib.metrics import match

Numbers = NDArray[np.float64]
Ints = NDArray[np.int64]

COMPONENTS = ("component 1", "component 2")
"""The two directions in which the candidates differ most (principal components of the scaled features)."""

TRUTHS = ("background", "between", "lesion", "ignored")
"""What a candidate is by its best overlap with a truth box; "between" is neither a hit nor a clear miss."""

GRID = 48


class Operating(NamedTuple):
    """What a localizer does at one threshold of its scores.

    Parameters
    ----------
    sensitivity : share of the lesions that are found at IoU 0.3; NaN without any.
    false_positives : a picture.
    """

    sensitivity: float
    false_positives: float


class Space:
    """The candidates of some pictures and what a fitted localizer says of them.

    Parameters
    ----------
    localizer : fitted, with both hits and misses in its training set.
    items : described pictures whose truth is known.

    Attributes
    ----------
    table : features and truth of all candidates.
    scores : float (n,), how sure the localizer is of each.
    truth : int (n,), index into `kinds`, here `TRUTHS`.
    boxes, image : (n, 4), and the picture each candidate is of; `pictures`: how many there are.
    names : of the axes that there are: `COMPONENTS`, then the features.
    thresholds, sensitivity, false_positives : the operating points, by falling threshold.

    Raises
    ------
    InputError
        If nobody looked at one of the pictures, the localizer found nothing to learn, or there is no candidate.
    """

    kinds: ClassVar[tuple[str, ...]] = TRUTHS

    def __init__(self, localizer: SupervisedLocalizer, items: Sequence[Described]) -> None:
        self.items = list(items)
        self.table = stack(self.items)
        if getattr(localizer, "classifier_", None) is None or len(self.table) == 0:
            raise InputError("needs a localizer that is fitted, on lesions and background, and candidates to look at")
        if np.isnan(self.table.overlap).any():
            raise InputError("needs pictures whose boxes are known; one has boxes=None")
        self.boxes, self.image, self.pictures = self.table.boxes, self.table.image, len(self.items)
        self.scores = localizer.scores(self.table.values)
        hit, miss = taught(self.table)
        self.truth: Ints = np.where(self.table.ignored, 3, np.where(hit, 2, np.where(miss, 0, 1)))
        self.names: tuple[str, ...] = (*COMPONENTS, *self.table.columns)
        samples = [item.sample for item in self.items]
        matches = match(*any_class(samples, localizer.predict(self.items)), iou=0.3)
        self.thresholds: Numbers = matches.score
        self.sensitivity: Numbers = np.cumsum(matches.hit) / max(int(matches.truths.sum()), 1)
        self.false_positives: Numbers = np.cumsum(~matches.hit) / len(samples)
        self._components: Numbers | None = None

    def __len__(self) -> int:
        return len(self.scores)

    def axis(self, name: str) -> Numbers:
        """Where the candidates lie on one axis: float (n,).

        Raises
        ------
        InputError
            If there is no such axis.
        """
        if name not in COMPONENTS:
            return np.asarray(self.table.column(name), dtype=np.float64)
        if self._components is None:
            from sklearn.decomposition import PCA

            values = scaled().fit_transform(self.table.values)
            self._components = PCA(2, random_state=0, svd_solver="full").fit_transform(values)
        return np.asarray(self._components[:, COMPONENTS.index(name)])

    def operating(self, threshold: float) -> Operating:
        """What is found, and what is raised in vain, if all from this score on counts as found."""
        counted = int((self.thresholds >= threshold).sum())
        if counted == 0:
            return Operating(0.0, 0.0)
        return Operating(float(self.sensitivity[counted - 1]), float(self.false_positives[counted - 1]))

    def boundary(self, x: str, y: str) -> tuple[Numbers, tuple[float, float, float, float]]:
        """What the two axes alone would decide: on a grid, the share of candidates that look more suspect.

        A logistic regression with squares and product is fitted to the two axes, lesions against background. Where the
        localizer lets a share `s` of the candidates through, the boundary of the two axes is where this share is `s`.

        Returns
        -------
        Shares (GRID, GRID), row by row from the lowest `y`; and (x low, x high, y low, y high), the edges.
        """
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import PolynomialFeatures, StandardScaler

        points = np.stack([self.axis(x), self.axis(y)], axis=1)
        (low_x, low_y), (high_x, high_y) = np.percentile(points, (0.5, 99.5), axis=0)
        high_x, high_y = max(high_x, low_x + 1e-6), max(high_y, low_y + 1e-6)
        clear = (self.truth == 0) | (self.truth == 2)
        edges = (float(low_x), float(high_x), float(low_y), float(high_y))
        if len(np.unique(self.truth[clear])) < 2:
            return np.ones((GRID, GRID)), edges
        clipped = np.clip(points, (low_x, low_y), (high_x, high_y))
        model = make_pipeline(StandardScaler(), PolynomialFeatures(2), logistic(1.0)[-1])
        model.fit(clipped[clear], self.truth[clear] == 2)
        at_x, at_y = (low + (np.arange(GRID) + 0.5) / GRID * (high - low) for low, high in (edges[:2], edges[2:]))
        grid = np.stack(np.meshgrid(at_x, at_y), axis=-1).reshape(-1, 2)
        ordered = np.sort(lesion_scores(model, clipped))
        above = len(ordered) - np.searchsorted(ordered, lesion_scores(model, grid))
        return (above / len(ordered)).reshape(GRID, GRID), edges
