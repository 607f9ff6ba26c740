"""Fusion: several pictures of one patient become one, so that what each of them sees counts.

Register them (`register`, `align`), bring them to a common scale (`common_scale`), and fuse them by a rule (`combine`),
with weights that a score may choose (`find_weights`). What a fused picture keeps of its sources is measured by
`mutual_information`, `edge_preservation` and `ssim`; whether it helps to find anything, only the leaderboard tells.
Fusion of features and of finds is in `medloc_lib.localizer`: `StackedLocalizer`, `MergedLocalizer`.

>>> import numpy as np
>>> t1, flair = np.eye(4) * 200, np.ones((4, 4)) * np.arange(4)
>>> fused = weighted(common_scale([t1, flair], percentiles=(0, 100)), (-1, 1))
>>> fused[0].round(2)
array([-0.5 ,  0.17,  0.33,  0.5 ])
"""

from __future__ import annotations

from medloc_lib.fusion.multiscale import laplacian_pyramid, wavelet
from medloc_lib.fusion.pixel import (
    average,
    common_scale,
    geometric_mean,
    maximum,
    minimum,
    pca,
    pca_weights,
    product,
    weighted,
)
from medloc_lib.fusion.quality import edge_preservation, mutual_information, ssim
from medloc_lib.fusion.registration import Registration, align, register
from medloc_lib.fusion.rules import RULES, combine
from medloc_lib.fusion.weights import Search, find_weights

__all__ = [
    "RULES",
    "Registration",
    "Search",
    "align",
    "average",
    "combine",
    "common_scale",
    "edge_preservation",
    "find_weights",
    "geometric_mean",
    "laplacian_pyramid",
    "maximum",
    "minimum",
    "mutual_information",
    "pca",
    "pca_weights",
    "product",
    "register",
    "ssim",
    "wavelet",
    "weighted",
]
