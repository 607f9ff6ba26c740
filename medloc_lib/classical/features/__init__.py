"""Features of candidates: named columns of one table, computed once and kept.

`describe` proposes the candidates of a picture and measures them; `stack` makes one table of many pictures for
scikit-learn; `load` gives the described pictures of a data set from the cache, which ``medloc features NAME`` fills.
"""

from __future__ import annotations

from medloc_lib.classical.features.firstorder import first_order
from medloc_lib.classical.features.glcm import cooccurrence, cooccurrence_matrices, grey_levels
from medloc_lib.classical.features.regions import Regions, from_masks
from medloc_lib.classical.features.shapes import shape
from medloc_lib.classical.features.store import kept, load
from medloc_lib.classical.features.tables import Described, Table, columns_of, describe, described, stack
from medloc_lib.classical.features.texture import local_patterns, oriented_gradients

__all__ = [
    "Described",
    "Regions",
    "Table",
    "columns_of",
    "cooccurrence",
    "cooccurrence_matrices",
    "describe",
    "described",
    "first_order",
    "from_masks",
    "grey_levels",
    "kept",
    "load",
    "local_patterns",
    "oriented_gradients",
    "shape",
    "stack",
]
