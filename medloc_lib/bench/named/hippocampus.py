"""Case study 22: an atlas, the detector of lesson 09 in 3-D, and a U-Net at full resolution, on the hippocampus."""

from __future__ import annotations

from typing import Any

from medloc_lib.localizer import MeanBoxLocalizer
from medloc_lib.localizer.atlas import AtlasLocalizer


def _turns() -> Any:
    from medloc_lib.deep.augment import Augment

    return Augment(rotate=(15.0, 15.0, 15.0), scale=0.15, flip=(), crop=(32, 48, 32))


def _heatmap() -> Any:
    from medloc_lib.deep.localizers import HeatmapLocalizer

    return HeatmapLocalizer(
        widths=(16, 32, 64),
        augment=_turns(),
        epochs=20,
        batch=4,
        ema=0.99,
        iou=0.5,
        precision="fast",
    )


def _unet() -> Any:
    from medloc_lib.deep.localizers import OrganLocalizer

    return OrganLocalizer(augment=_turns(), epochs=32, batch=2, precision="fast")


ROWS = {
    "hippocampus_mean_box": MeanBoxLocalizer,
    "hippocampus_atlas": AtlasLocalizer,
    "hippocampus_heatmap": _heatmap,
    "hippocampus_unet": _unet,
}
