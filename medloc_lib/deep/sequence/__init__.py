"""Volumes and series as sequences: what one slice or one frame does not tell, its neighbours do.

`slice_features` describes each slice by a detector's backbone; a `SequenceModel` learns from such sequences; `link` and
`LinkedLocalizer` make boxes of a volume from those of its slices; `curves` are the time courses of a contrast series.
"""

from __future__ import annotations

from medloc_lib.deep.sequence.features import PIXEL, Projection, brain_alone, planes_of, slice_features
from medloc_lib.deep.sequence.linking import LinkedLocalizer, cuts, link
from medloc_lib.deep.sequence.model import SequenceModel, smoothed, span
from medloc_lib.deep.sequence.nets import KINDS, SequenceNet, gradient_by_distance
from medloc_lib.deep.sequence.uptake import Curves, curves

__all__ = [
    "KINDS",
    "PIXEL",
    "Curves",
    "LinkedLocalizer",
    "Projection",
    "SequenceModel",
    "SequenceNet",
    "brain_alone",
    "curves",
    "cuts",
    "gradient_by_distance",
    "link",
    "planes_of",
    "slice_features",
    "smoothed",
    "span",
]
