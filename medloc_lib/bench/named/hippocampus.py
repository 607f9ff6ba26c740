"""Case study 22: an atlas, and a U-Net at full resolution, on volumes of the hippocampus."""

from __future__ import annotations

from typing import Any

from medloc_lib.localizer import MeanBoxLocalizer
from medloc_lib.localizer.atlas import AtlasLocalizer


def _unet() -> Any:
    from medloc_lib.deep.augment import Augment
    from medloc_lib.deep.localizers import OrganLocalizer

    turns = Augment(rotate=(15.0, 15.0, 15.0), scale=0.15, flip=(), crop=(32, 48, 32))
    return OrganLocalizer(augment=turns, epochs=32, batch=2, precision="fast")


ROWS = {"hippocampus_mean_box": MeanBoxLocalizer, "hippocampus_atlas": AtlasLocalizer, "hippocampus_unet": _unet}
