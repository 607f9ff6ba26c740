"""Lesson 12: the pooled classifier of lesson 08 with kinds and sides, told by reports or by the true boxes."""

from __future__ import annotations

from typing import Any


def _by_reports() -> Any:
    from medloc_lib.reports.weak import ReportLocalizer

    return ReportLocalizer("reports")


def _by_boxes() -> Any:
    from medloc_lib.reports.weak import ReportLocalizer

    return ReportLocalizer("boxes")


ROWS = {"report_labels": _by_reports, "true_labels": _by_boxes}
