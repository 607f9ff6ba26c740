"""Lesson 09: a heat map of centres with extents, also trained on pasted lesions or asked at four views; a U-Net."""

from __future__ import annotations

from typing import Any


def _heatmap() -> Any:
    from medloc_lib.deep.localizers import HeatmapLocalizer

    return HeatmapLocalizer(precision="fast")


def _pasted() -> Any:
    from medloc_lib.deep.augment import Augment
    from medloc_lib.deep.localizers import HeatmapLocalizer

    augment = Augment(crop=128, rotate=30.0, scale=0.25, flip=(-1, -2), paste=0.5)
    return HeatmapLocalizer(augment=augment, mirror=(-1, -2), epochs=46, precision="fast")


def _views() -> Any:
    from medloc_lib.deep.localizers import ViewsLocalizer

    return ViewsLocalizer("brain_lesions_heatmap", sizes=(1.0, 1.15), iou=0.4)


def _unet() -> Any:
    from medloc_lib.deep.localizers import UnetLocalizer

    return UnetLocalizer()


ROWS = {"heatmap": _heatmap, "heatmap_pasted": _pasted, "heatmap_views": _views, "unet": _unet}
