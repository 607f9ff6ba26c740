"""Lesson 09: a heat map of centres with extents, and a U-Net's mask."""

from __future__ import annotations

from typing import Any


def _heatmap() -> Any:
    from medloc_lib.deep.localizers import HeatmapLocalizer

    return HeatmapLocalizer(precision="fast")


def _unet() -> Any:
    from medloc_lib.deep.localizers import UnetLocalizer

    return UnetLocalizer()


ROWS = {"heatmap": _heatmap, "unet": _unet}
