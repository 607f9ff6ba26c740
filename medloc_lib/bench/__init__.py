"""One protocol, one leaderboard.

`leaderboard` fits each localizer in a process of its own, lets it answer on test samples from which everything that it
did not declare is taken away, scores all of them by the same code, and gives a table. `evaluate` does one.

What is asked is *where*: in every score of the table all classes are made one, so that a threshold, which knows no
kinds, stands beside a detector that does. A localizer that tells classes has its AP for each class beside that.
"""

from __future__ import annotations

from medloc_lib.bench.protocol import evaluate, leaderboard
from medloc_lib.bench.row import SCORES, Row
from medloc_lib.bench.table import Leaderboard, read_leaderboard

__all__ = ["SCORES", "Leaderboard", "Row", "evaluate", "leaderboard", "read_leaderboard"]
