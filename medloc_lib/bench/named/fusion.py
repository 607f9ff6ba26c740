"""Lesson 03: every rule of fusion on T1, FLAIR and PET, beside each of them alone. The same threshold looks at all."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from medloc_lib.localizer import FusedLocalizer, MergedLocalizer, StackedLocalizer

CHANNELS = ("T1", "FLAIR", "PET")
MR = ("T1", "FLAIR")


def boxes_single() -> MergedLocalizer:
    """The finds of each channel alone, merged."""
    return MergedLocalizer([FusedLocalizer("average", (name,)) for name in CHANNELS])


def boxes() -> MergedLocalizer:
    """The finds of three ways to fuse, merged."""
    fused = [FusedLocalizer("product", MR), FusedLocalizer("weighted", CHANNELS), StackedLocalizer(CHANNELS)]
    return MergedLocalizer(fused)


ROWS: dict[str, Callable[[], Any]] = {
    "single_t1": partial(FusedLocalizer, "average", ("T1",)),
    "single_flair": partial(FusedLocalizer, "average", ("FLAIR",)),
    "single_pet": partial(FusedLocalizer, "average", ("PET",)),
    "fusion_average": partial(FusedLocalizer, "average", CHANNELS),
    "fusion_weighted": partial(FusedLocalizer, "weighted", CHANNELS),
    "fusion_product": partial(FusedLocalizer, "product", CHANNELS),
    "fusion_product_mr": partial(FusedLocalizer, "product", MR),
    "fusion_geometric_mean": partial(FusedLocalizer, "geometric_mean", CHANNELS),
    "fusion_maximum": partial(FusedLocalizer, "maximum", CHANNELS),
    "fusion_minimum": partial(FusedLocalizer, "minimum", CHANNELS),
    "fusion_pca": partial(FusedLocalizer, "pca", CHANNELS),
    "fusion_laplacian_pyramid": partial(FusedLocalizer, "laplacian_pyramid", CHANNELS),
    "fusion_wavelet": partial(FusedLocalizer, "wavelet", CHANNELS),
    "fusion_stacked": partial(StackedLocalizer, CHANNELS),
    "fusion_boxes_single": boxes_single,
    "fusion_boxes": boxes,
}
