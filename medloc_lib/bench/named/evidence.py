"""Lesson 13: the stored detector of lesson 09, its classes judged again by the patient's blood."""

from __future__ import annotations

from typing import Any


def _evidence() -> Any:
    from medloc_lib.multimodal import EvidenceLocalizer

    return EvidenceLocalizer()


ROWS = {"heatmap_evidence": _evidence}
