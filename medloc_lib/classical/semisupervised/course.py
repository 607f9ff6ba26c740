"""Self-training, round after round: a committee teaches its successor what it says of those that nobody looked at."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from medloc_lib.classical.features.tables import Table
from medloc_lib.classical.semisupervised.confident import likely_wrong
from medloc_lib.classical.semisupervised.correction import density_ratio, prior_shift
from medloc_lib.classical.semisupervised.model import Views
from medloc_lib.classical.semisupervised.pseudo import Pictures
from medloc_lib.classical.supervised import HIT, MISS, mine, taught

Array = NDArray[Any]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Numbers = NDArray[np.float64]

APART = 0.1
"""IoU over which the less sure of two finds is dropped."""

SURE, DOUBT = 0.5, 0.2
"""Probability from which on a find is taught as a lesion, and under which as background; between, it is in doubt."""

PLAIN = 0.9
"""Probability over which plain self-training takes an answer for a label."""

CERTAIN = 0.5
"""Of the lesions that are expected, the share that counts as sure where probabilities are aligned."""

TEMPER = 1.25
"""The estimated share of lesions is believed up to this factor away from the labelled one, and then met halfway."""

AGREE = 10.0
"""A view must rank each hit among its first, this many times as many as there are hits; and no miss among a part."""

MOST = 1200
"""Pictures that nobody looked at, drawn at random, from which a round takes its pseudo-labels."""

FOLDS = 5
"""Of labelled patients, for calibration."""


class Course:
    """Committees that learn from labelled candidates, and from what the committee before them said of the others.

    A round of "self" takes every answer over `PLAIN` as a label. The other methods teach as a picture's truth would:
    of overlapping finds the surest counts as a lesion if it is `SURE`; candidates that fit it are hits, those beside
    all finds misses, and what overlaps a find in doubt is left out. Then

    - "error" keeps a hit only if no view (T1 or FLAIR) ranks it far down, and a miss only if none ranks it high, and
      drops what `likely_wrong` finds, by a model that learned from the other half of the pictures;
    - "bias" weights the labelled candidates by `density_ratio` and aligns the finds to the share of lesions that there
      should be: the surer half of as many are taught as lesions, the other half is in doubt. The share is the labelled
      one, moved halfway to what `prior_shift` says of the committee, calibrated on labelled patients that it did not
      see; that estimate is believed within a factor of `TEMPER`, for with few patients it is wild;
    - "both" does both.

    Parameters
    ----------
    views : pipelines' fitted features, one member of the committee each: its columns and what transforms them.
    learner : classifier; copies are fitted.
    table : candidates of labelled pictures, some hits and some misses. here : their features in each view.
    others : of pictures that nobody looked at. there : as `here`.
    mining, seed : as `SupervisedLocalizer` takes them.
    """

    def __init__(
        self,
        views: list[tuple[Ints, Any]],
        learner: Any,
        table: Table,
        here: list[Array],
        others: Table | None = None,
        there: list[Array] | None = None,
        *,
        mining: int = 2,
        seed: int = 0,
    ) -> None:
        hit, miss = taught(table)
        rows = np.flatnonzero(hit | miss)
        self.views, self.learner, self.mining, self.seed = views, learner, mining, seed
        self.hit, self.group = hit[rows], table.group[rows]
        self.here = [x[rows] for x in here]
        self.there = there or []
        lesions = np.unique(np.stack([table.image[hit], table.target[hit]]), axis=1).shape[1]
        self.per_hit = lesions / max(int(hit.sum()), 1)
        self.pictures = Pictures(others) if others is not None else None
        self.weight = np.ones(len(rows))
        self.calibration: Any = None

    def run(self, method: str, *, rounds: int, weight: float) -> Views:
        """The committee after some rounds; with nobody else to learn from, or "labels", the first one."""
        unbiased = method in ("bias", "both") and bool(self.there)
        if unbiased:
            self.weight = density_ratio(self.here[0], self.there[0])
        committee = self._fitted(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=bool), 1.0, self.mining)
        if unbiased:
            self.calibration = self._calibrated()
        for _ in range(rounds if self.there and method != "labels" else 0):
            lesion, background = self._pseudo(committee, method)
            rows = np.flatnonzero(lesion | background)
            committee = self._fitted(rows, lesion[rows], 1.0 if method == "self" else weight, 1)
        return committee

    def _fitted(self, rows: Ints, labels: Bools, weight: float, mining: int) -> Views:
        """A committee that learned from the labelled candidates and from some of the others."""
        members = []
        for k, (at, made) in enumerate(self.views):
            x, y, w = self.here[k], self.hit, self.weight
            if len(rows):
                x, y = np.concatenate([x, self.there[k][rows]]), np.concatenate([y, labels])
                w = np.concatenate([w, np.full(len(rows), weight)])
            members.append((at, made, self._told(x, y, w, mining)))
        return Views(members)

    def _told(self, x: Array, y: Bools, weight: Numbers, mining: int) -> Any:
        chosen = mine(self.learner, x, y, rounds=mining, seed=self.seed)
        return clone(self.learner).fit(x[chosen], y[chosen], sample_weight=weight[chosen])

    def _pseudo(self, committee: Views, method: str) -> tuple[Bools, Bools]:
        """Which of the others are taught as lesions and which as background."""
        odds = committee.odds(self.there)
        p = expit(odds.mean(axis=0))
        if method == "self" or self.pictures is None:
            return p > PLAIN, p < 1 - PLAIN
        finds = self.pictures.apart(p, overlap=APART)
        sure, doubt = self._limits(odds.mean(axis=0), p[finds]) if method in ("bias", "both") else (SURE, DOUBT)
        fit = self.pictures.fit_to(finds & (p >= sure))
        unsure = self.pictures.fit_to(finds & (p >= doubt) & (p < sure))
        lesion, background = (fit >= HIT) & (unsure <= fit), (fit < MISS) & (unsure < MISS)
        if method in ("error", "both"):
            high = np.quantile(odds[1:], 1 - AGREE * lesion.mean(), axis=1)[:, None]
            low = np.quantile(odds[1:], 1 - lesion.mean() / AGREE, axis=1)[:, None]
            lesion &= (odds[1:] >= high).all(axis=0)
            background &= (odds[1:] < low).all(axis=0)
            rows = np.flatnonzero(lesion | background)
            keep = ~likely_wrong(lesion[rows], self._by_the_other_half(rows, lesion[rows]))
            right = np.zeros(len(lesion), dtype=bool)
            right[rows[keep]] = True
            lesion, background = lesion & right, background & right
        return lesion, background

    def _limits(self, odds: Numbers, finds: Numbers) -> tuple[float, float]:
        """The probabilities of the last find that is sure, and of the last that is expected to be a lesion at all."""
        share = float(np.average(self.hit, weights=self.weight))
        here = share
        if self.calibration is not None:
            _, here = prior_shift(self.calibration.predict_proba(odds[:, None])[:, 1], share)
        target = float(np.sqrt(share * np.clip(here, share / TEMPER, share * TEMPER)))
        expected = self.per_hit * target * len(odds)
        order = np.sort(finds)[::-1]
        last = len(order) - 1
        return float(order[min(int(expected * CERTAIN), last)]), float(order[min(int(expected), last)])

    def _calibrated(self) -> Any:
        """A logistic curve through the scores of labelled patients by committees that did not learn from them."""
        folds = min(FOLDS, len(np.unique(self.group)))
        odds = np.full(len(self.hit), np.nan)
        for a, b in GroupKFold(folds).split(self.hit, groups=self.group) if folds > 1 else ():
            if self.hit[a].any() and not self.hit[a].all():
                fits = [self._told(x[a], self.hit[a], self.weight[a], 0) for x in self.here]
                odds[b] = np.mean([f.decision_function(x[b]) for f, x in zip(fits, self.here, strict=True)], axis=0)
        known = np.isfinite(odds)
        if not self.hit[known].any() or self.hit[known].all():
            return None
        return LogisticRegression(C=1e6).fit(odds[known, None], self.hit[known], sample_weight=self.weight[known])

    def _by_the_other_half(self, rows: Ints, labels: Bools) -> Numbers:
        """Probability of a lesion by a model that learned from the labelled and from the other half of the pictures."""
        picture = self.pictures.at[0][rows] % 2 if self.pictures is not None else np.zeros(len(rows), dtype=int)
        p = np.zeros(len(rows))
        for half in (0, 1):
            mine_, its = picture != half, picture == half
            x = np.concatenate([self.here[0], self.there[0][rows[mine_]]])
            y, w = np.concatenate([self.hit, labels[mine_]]), np.concatenate([self.weight, np.full(mine_.sum(), 0.1)])
            if its.any():
                p[its] = self._told(x, y, w, 0).predict_proba(self.there[0][rows[its]])[:, 1]
        return p
