"""The localizer: one question, *what is where?*, and every method as a scikit-learn estimator that answers it.

A localizer of your own is one class with `predict`, and `fit` if it learns something; see `Localizer`. A function
becomes one with `as_localizer`. `check_localizer` says whether it keeps the contract. `ThresholdLocalizer` and
`MeanBoxLocalizer` are the first two rows of every leaderboard: a first guess, and the floor that anything must beat.
`FusedLocalizer`, `StackedLocalizer` and `MergedLocalizer` fuse pictures, features and finds.
`SegmentedLocalizer` looks at the regions of any segmenter, `PixelLocalizer` at pixels that it learned to tell apart.
"""

from __future__ import annotations

from medloc_lib.localizer.check import check_localizer
from medloc_lib.localizer.contract import Localizer, Preprocess, any_class, inputs_of
from medloc_lib.localizer.first import MeanBoxLocalizer, ThresholdLocalizer
from medloc_lib.localizer.function import FunctionLocalizer, as_localizer
from medloc_lib.localizer.fused import FusedLocalizer, StackedLocalizer
from medloc_lib.localizer.merged import MergedLocalizer, weighted_box_fusion
from medloc_lib.localizer.segmented import PixelLocalizer, SegmentedLocalizer

__all__ = [
    "FunctionLocalizer",
    "FusedLocalizer",
    "Localizer",
    "MeanBoxLocalizer",
    "MergedLocalizer",
    "PixelLocalizer",
    "Preprocess",
    "SegmentedLocalizer",
    "StackedLocalizer",
    "ThresholdLocalizer",
    "any_class",
    "as_localizer",
    "check_localizer",
    "inputs_of",
    "weighted_box_fusion",
]
