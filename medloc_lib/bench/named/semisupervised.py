"""Lesson 07: ten labelled training patients, and the others without their truth, by each method.

The row hides the truth itself: `fit` draws the patients by its seed and takes ``boxes=None`` for all others, so that
all rows of the leaderboard are given the same data. ``python benchmarks/semisupervised.py`` has more budgets and draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Self

from medloc_lib.classical.features import Described
from medloc_lib.classical.semisupervised import METHODS, SemiSupervisedLocalizer, draw_patients, hide
from medloc_lib.sample import Sample

PATIENTS = 10


class FewLabels(SemiSupervisedLocalizer):
    """A `SemiSupervisedLocalizer` that looks at the truth of `PATIENTS` patients alone."""

    def fit(
        self,
        samples: Sequence[Sample | Described],
        y: None = None,
        *,
        validation: Sequence[Sample | Described] | None = None,
    ) -> Self:
        """Draw patients, hide the truth of the others, learn."""
        items = self._described(samples)
        return super().fit(hide(items, draw_patients(items, PATIENTS, seed=self.random_state)))


ROWS: dict[str, Any] = {f"ten_{method}": partial(FewLabels, method, cached=True) for method in METHODS} | {
    "all_labels": partial(SemiSupervisedLocalizer, "labels", cached=True)
}
