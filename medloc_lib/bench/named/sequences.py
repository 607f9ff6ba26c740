"""Lesson 11: the detector of lesson 09 on each slice of a volume, its boxes linked into 3-D, and not.

For `brain_lesions:dims=3`. The detector is the stored one, which has learned from the 2-D training split; `fit` chooses
the score from which on a box counts.
"""

from __future__ import annotations

from typing import Any

from medloc_lib.localizer import ThresholdLocalizer


def _linked() -> Any:
    from medloc_lib.deep.sequence import LinkedLocalizer

    return LinkedLocalizer()


def _unlinked() -> Any:
    from medloc_lib.deep.sequence import LinkedLocalizer

    return LinkedLocalizer(overlap=None)


ROWS: dict[str, Any] = {"threshold_3d": ThresholdLocalizer, "unlinked": _unlinked, "linked": _linked}
