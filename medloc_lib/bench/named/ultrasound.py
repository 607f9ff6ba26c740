"""Case study 21: the U-Net of lesson 09 on ultrasound, for nerves and vessels.

It sees the pictures at a quarter of their size, and has one stage more than for heads, so that it sees where in the
whole picture a place lies: a nerve is told by what is around it. Nerve and vessel often touch and are two objects.
"""

from __future__ import annotations

from typing import Any

from medloc_lib.localizer import MeanBoxLocalizer, ThresholdLocalizer


def _unet() -> Any:
    from medloc_lib.deep.augment import Augment
    from medloc_lib.deep.localizers import UnetLocalizer

    return UnetLocalizer(
        widths=(16, 32, 64, 128, 192),
        scale=0.25,
        augment=Augment(rotate=10.0, scale=0.2, crop=(128, 144), gain=0.3),
        by_class=True,
        epochs=60,
        batch=8,
        ema=0.99,
    )


def _threshold() -> ThresholdLocalizer:
    """What is darker than the median of all that is not black; of eight thresholds 0 is what training chooses."""
    return ThresholdLocalizer(bright=False, threshold=0.0)


ROWS = {
    "ultrasound_mean_box": MeanBoxLocalizer,
    "ultrasound_threshold": _threshold,
    "ultrasound_unet": _unet,
}
