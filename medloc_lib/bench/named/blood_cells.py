"""Case study 20: the detector of lesson 09 on blood cells.

It sees the pictures at half their size and answers at every fourth pixel, which is fine enough for platelets; as a
smear has no upright, pictures are turned and mirrored at will, and each answer is the mean over the four mirror images;
and as cells lie on each other, boxes may overlap more.
"""

from __future__ import annotations

from typing import Any

from medloc_lib.localizer import ThresholdLocalizer


def _cells() -> Any:
    from medloc_lib.deep.augment import Augment
    from medloc_lib.deep.localizers import HeatmapLocalizer

    return HeatmapLocalizer(
        widths=(32, 64, 96, 128),
        stride=4,
        scale=0.5,
        augment=Augment(rotate=8.0, turn=True, flip=(-1, -2), crop=240),
        epochs=100,
        batch=8,
        ema=0.995,
        overlap=0.65,
        mirror=(-1, -2),
        precision="fast",
    )


def _views() -> Any:
    from medloc_lib.deep.localizers import ViewsLocalizer

    return ViewsLocalizer("bccd_heatmap", flip=(), sizes=(1.0, 0.9, 1.1), iou=0.7)


def _threshold() -> ThresholdLocalizer:
    return ThresholdLocalizer(channel="G", bright=False)


ROWS = {
    "blood_cells_threshold": _threshold,
    "blood_cells_heatmap": _cells,
    "blood_cells_views": _views,
}
