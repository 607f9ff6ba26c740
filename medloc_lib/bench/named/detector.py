"""Lesson 09: a heat map of centres with extents, the stored one at four views of each picture, and a U-Net's mask."""

from __future__ import annotations

from typing import Any


def _heatmap() -> Any:
    from medloc_lib.deep.localizers import HeatmapLocalizer

    return HeatmapLocalizer(precision="fast")


def _views() -> Any:
    from medloc_lib.deep.localizers import ViewsLocalizer

    return ViewsLocalizer("brain_lesions_heatmap", sizes=(1.0, 1.15), iou=0.4)


def _unet() -> Any:
    from medloc_lib.deep.localizers import UnetLocalizer

    return UnetLocalizer()


ROWS = {"heatmap": _heatmap, "heatmap_views": _views, "unet": _unet}
