"""The ladder of lessons 08 to 10, each rung a localizer.

`ImageClassifier` knows only *whether* and is asked where it looked; `OneBoxLocalizer` answers one box;
`HeatmapLocalizer` is the kit's main detector; `UnetLocalizer` paints a mask, `OrganLocalizer` one in which each class
is there once. `ViewsLocalizer` and `EnsembleLocalizer` (lesson 10) look more than once. `save_model` and `load_model`
keep fitted ones as files.
"""

from __future__ import annotations

from medloc_lib.deep.localizers.classifier import ImageClassifier
from medloc_lib.deep.localizers.detector import HeatmapLocalizer
from medloc_lib.deep.localizers.ensemble import EnsembleLocalizer, ViewsLocalizer
from medloc_lib.deep.localizers.onebox import OneBoxLocalizer
from medloc_lib.deep.localizers.organ import OrganLocalizer
from medloc_lib.deep.localizers.segmenter import UnetLocalizer
from medloc_lib.deep.localizers.stored import load_model, models, save_model

__all__ = [
    "EnsembleLocalizer",
    "HeatmapLocalizer",
    "ImageClassifier",
    "OneBoxLocalizer",
    "OrganLocalizer",
    "UnetLocalizer",
    "ViewsLocalizer",
    "load_model",
    "models",
    "save_model",
]
