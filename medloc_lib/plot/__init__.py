"""Static figures, for paper and headless runs. Every function takes axes and gives them back.

>>> import numpy as np
>>> ax = show(np.eye(8))
>>> ax.get_title()
'8×8'
"""

from __future__ import annotations

from medloc_lib.plot.curves import froc, leaderboard, learning
from medloc_lib.plot.figures import compare, histogram, planes, show
from medloc_lib.plot.present import present
from medloc_lib.plot.row import row

__all__ = ["compare", "froc", "histogram", "leaderboard", "learning", "planes", "present", "row", "show"]
