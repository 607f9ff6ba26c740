"""Localizers that have never been shown a lesion: what is unusual, by eigen-brains, a self-organizing map, or clusters.

`EigenbrainLocalizer` and `SomLocalizer` learn what healthy slices look like and find what does not fit.
`ClusterLocalizer` groups candidates and finds the groups that healthy slices are rarely in. Of a training slice they
ask only whether it is healthy, never where a lesion is.
"""

from __future__ import annotations

from medloc_lib.classical.unsupervised.anomaly import AnomalyLocalizer, healthy
from medloc_lib.classical.unsupervised.atlas import SomAtlas
from medloc_lib.classical.unsupervised.clusters import ClusterLocalizer, rarity
from medloc_lib.classical.unsupervised.eigenbrains import EigenbrainLocalizer, from_frame, to_frame, usual_part
from medloc_lib.classical.unsupervised.som import SomLocalizer, nearest, pixel_vectors, trained_map, u_matrix

__all__ = [
    "AnomalyLocalizer",
    "ClusterLocalizer",
    "EigenbrainLocalizer",
    "SomAtlas",
    "SomLocalizer",
    "from_frame",
    "healthy",
    "nearest",
    "pixel_vectors",
    "rarity",
    "to_frame",
    "trained_map",
    "u_matrix",
    "usual_part",
]
