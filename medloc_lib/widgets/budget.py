"""`budget`: a slider over label budgets, and the curve of every method with the scores at that budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import traitlets
from matplotlib.figure import Figure

from medloc_lib.errors import InputError
from medloc_lib.metrics import Interval
from medloc_lib.plot import trend
from medloc_lib.plot.curves import DARK
from medloc_lib.widgets.base import Widget, script


def budget(
    budgets: Sequence[int], curves: Mapping[str, Sequence[Interval]], *, ceiling: float, unit: str = "labelled patients"
) -> Budget:
    """Look at scores against a label budget: the slider chooses the budget, and the scores there stand beside.

    Parameters
    ----------
    budgets : rising numbers. curves : method to one score for each of them. ceiling : the score with all labels.
    unit : what is counted.

    Returns
    -------
    A widget whose `step`, the position of the budget, can be read and set.

    Raises
    ------
    InputError
        If budgets do not rise, there is no curve, or one has more or fewer scores than there are budgets.

    Examples
    --------
    >>> budget([2, 5], {"alone": [Interval(0.2, 0.1, 0.3), Interval(0.4, 0.3, 0.5)]}, ceiling=0.8)
    Budget: 2 labelled patients: alone 0.200 (25 % of all labels)
    """
    return Budget(budgets, curves, ceiling, unit)


class Budget(Widget):
    """The widget that `budget` gives.

    Parameters
    ----------
    budgets, curves, ceiling, unit : as in `budget`.
    """

    _esm = script("budget")
    step = traitlets.Int(0, help="Position of the budget that is shown.").tag(sync=True)

    def __init__(
        self, budgets: Sequence[int], curves: Mapping[str, Sequence[Interval]], ceiling: float, unit: str
    ) -> None:
        if not curves or any(len(c) != len(budgets) for c in curves.values()) or not (np.diff(budgets) > 0).all():
            raise InputError(
                f"needs rising budgets and curves of as many scores; got {list(budgets)} and "
                f"{ {name: len(curve) for name, curve in curves.items()} }"
            )
        self.budgets, self.curves, self.ceiling, self.unit = list(budgets), dict(curves), ceiling, unit
        facts = {
            "budgets": self.budgets,
            "unit": unit,
            "ceiling": ceiling,
            "curves": [
                {"name": name, "color": DARK[i % len(DARK)], "points": [[s.value, s.low, s.high] for s in scores]}
                for i, (name, scores) in enumerate(self.curves.items())
            ],
        }
        super().__init__(_facts=facts)

    @traitlets.validate("step")
    def _inside(self, proposal: Any) -> int:
        if not 0 <= proposal["value"] < len(self.budgets):
            raise InputError(f"step must be 0 to {len(self.budgets) - 1}; got {proposal['value']}")
        return int(proposal["value"])

    def still(self) -> Figure:
        """The present state as a figure: `plot.trend`, with the budget as a line."""
        figure = Figure(figsize=(7, 4), layout="constrained")
        axes = trend(self.budgets, self.curves, ax=figure.subplots())
        axes.axhline(self.ceiling, color="black", linewidth=1)
        axes.axvline(self.budgets[self.step], color="grey", linestyle="dotted")
        axes.set_xlabel(self.unit)
        return figure

    def words(self) -> str:
        """The present state as a sentence."""
        scores = {name: curve[self.step].value for name, curve in self.curves.items()}
        shown = ", ".join(f"{n} {v:.3f} ({v / self.ceiling:.0%} of all labels)" for n, v in scores.items())
        return f"Budget: {self.budgets[self.step]} {self.unit}: {shown}".replace("%", " %")
