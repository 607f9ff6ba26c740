"""A localizer that learns from few labelled patients and from all the others, in one of six ways."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from medloc_lib.classical.candidate_localizer import sample_of
from medloc_lib.classical.features.tables import Described, Table, stack
from medloc_lib.classical.semisupervised.budget import part_of
from medloc_lib.classical.semisupervised.course import MOST, Course
from medloc_lib.classical.semisupervised.model import Spread, curved, features_of_views
from medloc_lib.classical.supervised import SupervisedLocalizer, taught
from medloc_lib.errors import InputError
from medloc_lib.sample import Sample

METHODS = ("labels", "self", "spreading", "error", "bias", "both")
"""Labels alone; plain self-training; label spreading; pseudo-labels that are checked; pseudo-labels corrected for
biases; both."""

SPREAD = 4000
"""Candidates that nobody looked at, drawn at random, in the graph of label spreading."""


class SemiSupervisedLocalizer(SupervisedLocalizer):
    """As `SupervisedLocalizer`, but it also learns from the samples with ``boxes=None``.

    The classifier is a committee: copies of one model that see all columns, those of T1 (with T2 and PET), and those of
    FLAIR (with the suspicion); place and shape are seen by all. Its score is the mean of their log odds.

    What needs no label is learned from all patients: the scales of the columns and the landmarks. What needs labels is
    learned from the labelled ones: the classifier, its misses, the regression that mends boxes, the kinds of lesion.
    The methods differ in what they make of the others. "labels" does nothing more with them. "self" takes the
    committee's own answers over 0.9 and under 0.1 as labels. "spreading" lets the labels flow along the edges of a
    graph of near candidates. "error", "bias" and "both": see `Course`.

    Parameters
    ----------
    method : one of `METHODS`.
    classifier : scikit-learn pipeline that ends in a classifier with `predict_proba` and sample weights; None:
        `curved()`.
    rounds : how often pseudo-labels are made anew.
    weight : of a pseudo-labelled candidate, where a labelled one has 1; "self" takes them in full.
    alpha, mining, overlap, candidates, cached, random_state : as in `SupervisedLocalizer`.

    References
    ----------
    A. Blum and T. Mitchell, "Combining labeled and unlabeled data with co-training", COLT 1998. D. Zhou et al.,
    "Learning with local and global consistency", NIPS 2003.

    Examples
    --------
    >>> from medloc_lib.localizer.check import check_localizer
    >>> check_localizer(SemiSupervisedLocalizer())
    """

    def __init__(
        self,
        method: str = "both",
        classifier: Any = None,
        *,
        rounds: int = 2,
        weight: float = 0.1,
        alpha: float | None = 100.0,
        mining: int = 2,
        overlap: float = 0.1,
        candidates: int = 50,
        cached: bool = False,
        random_state: int = 0,
    ) -> None:
        super().__init__(
            classifier,
            alpha=alpha,
            mining=mining,
            overlap=overlap,
            candidates=candidates,
            cached=cached,
            random_state=random_state,
        )
        self.method = method
        self.rounds = rounds
        self.weight = weight

    def _default(self) -> Any:
        return curved()

    def _learn(self, model: Any, table: Table, samples: Sequence[Sample | Described]) -> Any:
        if self.method not in METHODS:
            raise InputError(f"method must be one of {', '.join(METHODS)}; got {self.method!r}")
        others = self._others(samples)
        values = table.values if others is None else np.concatenate([table.values, others.values])
        views = features_of_views(model, table.columns, values, seed=self.random_state)
        if others is not None:
            few = np.random.default_rng(self.random_state).permutation(others.image.max() + 1)[:MOST]
            others = part_of(others, np.isin(others.image, few))
        here = [made.transform(table.values[:, at]) for at, made in views]
        there = [] if others is None else [made.transform(others.values[:, at]) for at, made in views]
        return learned_by(
            self.method,
            views,
            model[-1],
            table,
            here,
            others,
            there,
            rounds=self.rounds,
            weight=self.weight,
            mining=self.mining,
            seed=self.random_state,
        )

    def _others(self, samples: Sequence[Sample | Described]) -> Table | None:
        nobody = [s for s in samples if sample_of(s).boxes is None]
        return stack(self._described(nobody)) if nobody else None


def learned_by(
    method: str,
    views: list[tuple[Any, Any]],
    learner: Any,
    table: Table,
    here: list[Any],
    others: Table | None,
    there: list[Any],
    *,
    rounds: int = 2,
    weight: float = 0.1,
    mining: int = 2,
    seed: int = 0,
) -> Any:
    """The classifier that a method makes of features that are there already: see `Course` for what they are."""
    if method == "spreading" and others is not None:
        hit, miss = taught(table)
        rows = np.flatnonzero(hit | miss)
        some = np.random.default_rng(seed).permutation(len(others))[:SPREAD]
        y = np.concatenate([hit[rows].astype(np.int64), np.full(len(some), -1)])
        return Spread(*views[0], np.concatenate([here[0][rows], there[0][some]]), y)
    course = Course(views, learner, table, here, others, there, mining=mining, seed=seed)
    return course.run("labels" if method == "spreading" else method, rounds=rounds, weight=weight)
