"""Which lessons can run here: a case study on fetched data needs them in the cache or in the mirror.

`make test` tries to fetch them first. What is still not here is left out by name, in a printed line.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from medloc_lib.data import registry

NEEDS = {"20_blood_cells": "bccd", "21_ultrasound": "usgra_seg", "22_hippocampus": "msd_hippocampus"}
"""Lesson -> the fetched data set that it works on."""


def left_out(lesson: str) -> str:
    """Why a lesson cannot run here; "" if it can.

    >>> left_out("00_start_here")
    ''
    """
    name = NEEDS.get(lesson)
    if name is None or registry.available(name):
        return ""
    return (
        f"{lesson} is left out: its data set {name} is neither in the cache nor in a mirror (medloc data fetch {name})"
    )


def runnable(paths: Iterable[Path]) -> list[Path]:
    """The notebooks that can run here; for each other one a line is printed."""
    kept = []
    for path in paths:
        reason = left_out(path.stem)
        if reason:
            print(reason)
        else:
            kept.append(path)
    return kept
