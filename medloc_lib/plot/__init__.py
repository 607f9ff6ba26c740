"""Static figures, for paper and headless runs. Every function takes axes and gives them back.

>>> import numpy as np
>>> ax = show(np.eye(8))
>>> ax.get_title()
'8×8'
"""

from __future__ import annotations

from medloc_lib.plot.curves import froc, leaderboard, learning, reliability, trend
from medloc_lib.plot.figures import compare, histogram, planes, show
from medloc_lib.plot.grounding import grounded
from medloc_lib.plot.maps import som_map
from medloc_lib.plot.marking import marked
from medloc_lib.plot.mixing import mixture
from medloc_lib.plot.present import present
from medloc_lib.plot.row import channels, outlines, row
from medloc_lib.plot.spaces import feature_space

__all__ = [
    "channels",
    "compare",
    "feature_space",
    "froc",
    "grounded",
    "histogram",
    "leaderboard",
    "learning",
    "marked",
    "mixture",
    "outlines",
    "planes",
    "present",
    "reliability",
    "row",
    "show",
    "som_map",
    "trend",
]
