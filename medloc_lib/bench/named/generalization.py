"""Lesson 10: a small heat-map detector as it is, from random scanners, at six views, and three of it together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

MEMBERS = 3
EPOCHS = 6  # of the rows, over 1,200 slices


def small(**changes: Any) -> Any:
    """The detector of lesson 09 at half the size of the pictures, with fewer features: half a minute of training.

    Parameters
    ----------
    changes : other parameters than these.
    """
    from medloc_lib.deep.augment import Augment
    from medloc_lib.deep.localizers import HeatmapLocalizer

    usual = {"widths": (16, 32, 64, 96), "scale": 0.5, "augment": Augment(crop=64), "ema": 0.98, "rate": 4e-3}
    return HeatmapLocalizer(**{**usual, "epochs": EPOCHS, **changes})


def scanners(**changes: Any) -> Any:
    """The usual augmentation with a random scanner for every picture.

    Parameters
    ----------
    changes : other values of `Augment`.
    """
    from medloc_lib.deep.augment import Augment

    return replace(Augment(crop=64, curve=0.3, bias=0.1, focus=1.0), **changes)


def _random() -> Any:
    return small(augment=scanners())


def _views() -> Any:
    from medloc_lib.deep.localizers import ViewsLocalizer

    return ViewsLocalizer(small(), sizes=(1.0, 0.9, 1.1))


def _ensemble() -> Any:
    from medloc_lib.deep.localizers import EnsembleLocalizer

    return EnsembleLocalizer(small(), members=MEMBERS)


ROWS = {
    "heatmap_small": small,
    "heatmap_small_random": _random,
    "heatmap_small_tta": _views,
    "ensemble_small": _ensemble,
}
