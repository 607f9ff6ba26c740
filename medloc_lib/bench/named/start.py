"""Lesson 00: a first guess, and the floor that anything must beat."""

from __future__ import annotations

from medloc_lib.localizer import MeanBoxLocalizer, ThresholdLocalizer

ROWS = {"mean_box": MeanBoxLocalizer, "threshold": ThresholdLocalizer}
