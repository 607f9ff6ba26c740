"""Every method of the course by name: what `medloc bench --localizer NAME` finds, and `make bench` runs.

One module per lesson, each with its `ROWS`: name -> what makes the localizer. One that needs PyTorch is imported inside
the function that makes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from medloc_lib.bench.named import (
    blood_cells,
    cnn,
    detector,
    enhancement,
    evidence,
    fusion,
    generalization,
    hippocampus,
    reports,
    segmentation,
    semisupervised,
    sequences,
    start,
    supervised,
    ultrasound,
    unsupervised,
)
from medloc_lib.errors import InputError

Make = Callable[[], Any]

LESSONS: Mapping[str, Mapping[str, Make]] = {
    "start": start.ROWS,
    "enhancement": enhancement.ROWS,
    "fusion": fusion.ROWS,
    "segmentation": segmentation.ROWS,
    "supervised": supervised.ROWS,
    "unsupervised": unsupervised.ROWS,
    "semisupervised": semisupervised.ROWS,
    "cnn": cnn.ROWS,
    "detector": detector.ROWS,
    "generalization": generalization.ROWS,
    "sequences": sequences.ROWS,
    "reports": reports.ROWS,
    "evidence": evidence.ROWS,
    "blood_cells": blood_cells.ROWS,
    "ultrasound": ultrasound.ROWS,
    "hippocampus": hippocampus.ROWS,
}
"""Lesson -> its rows, in the order of the course."""


def names() -> tuple[str, ...]:
    """Names of all methods, in the order of the course.

    >>> names()[:2]
    ('mean_box', 'threshold')
    """
    return tuple(name for rows in LESSONS.values() for name in rows)


def make(name: str) -> Any:
    """The localizer of a row, not fitted.

    Raises
    ------
    InputError
        If there is no method of that name.

    Examples
    --------
    >>> make("threshold")
    ThresholdLocalizer()
    """
    found = find(name)
    if name not in found:
        raise InputError(f"{name!r} is a lesson with several methods: {', '.join(found)}")
    return found[name]()


def find(name: str) -> dict[str, Make]:
    """What makes the localizers of that name: one method, or all of a lesson.

    Raises
    ------
    InputError
        If there is neither a method nor a lesson of that name.

    Examples
    --------
    >>> list(find("threshold")), list(find("start"))
    (['threshold'], ['mean_box', 'threshold'])
    """
    if name in LESSONS:
        return dict(LESSONS[name])
    found = {row: make for rows in LESSONS.values() for row, make in rows.items() if row == name}
    if not found:
        raise InputError(
            f"there is no localizer {name!r}; there is: {', '.join(names())}, all of a lesson "
            f"({', '.join(LESSONS)}), or your own as module:Class"
        )
    return found
