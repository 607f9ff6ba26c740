"""Classical machine learning: candidates without labels, named features, and localizers that learn from them.

`propose` finds regions that may hold a lesion, `describe` measures them, `stack` makes one table of many pictures, and
`features.load` reads the described pictures of a whole data set from the cache. `SupervisedLocalizer` learns from all
that, with any scikit-learn classifier. `EigenbrainLocalizer`, `SomLocalizer` and `ClusterLocalizer` learn from healthy
slices what is usual; `SemiSupervisedLocalizer` learns also from pictures that nobody looked at.
"""

from __future__ import annotations

from medloc_lib.classical.candidates import STRATA, Candidates, best_overlaps, propose, recall
from medloc_lib.classical.features import Described, Table, describe, described, stack
from medloc_lib.classical.proposals import METHODS
from medloc_lib.classical.scene import Scene, prepare
from medloc_lib.classical.semisupervised import SemiSupervisedLocalizer
from medloc_lib.classical.supervised import SupervisedLocalizer
from medloc_lib.classical.unsupervised import ClusterLocalizer, EigenbrainLocalizer, SomLocalizer

__all__ = [
    "METHODS",
    "STRATA",
    "Candidates",
    "ClusterLocalizer",
    "Described",
    "EigenbrainLocalizer",
    "Scene",
    "SemiSupervisedLocalizer",
    "SomLocalizer",
    "SupervisedLocalizer",
    "Table",
    "best_overlaps",
    "describe",
    "described",
    "prepare",
    "propose",
    "recall",
    "stack",
]
