"""`budget` without a browser: its words, its still, and what it refuses."""

from __future__ import annotations

import pytest

from medloc_lib.errors import InputError
from medloc_lib.metrics import Interval
from medloc_lib.widgets import budget
from tests.widgets.front import Front

CURVES = {
    "alone": [Interval(0.2, 0.1, 0.3), Interval(0.4, 0.3, 0.5)],
    "both": [Interval(0.3, 0.2, 0.4), Interval(0.6, 0.5, 0.7)],
}


def test_the_scores_follow_the_slider(monkeypatch):
    widget = budget([2, 10], CURVES, ceiling=0.8)
    Front(widget, monkeypatch).set(step=1)
    wanted = "Budget: 10 labelled patients: alone 0.400 (50 % of all labels), both 0.600 (75 % of all labels)"
    assert repr(widget) == wanted


def test_the_still_has_the_curves_and_the_budget():
    widget = budget([2, 10], CURVES, ceiling=0.8)
    widget.step = 1
    lines = widget.still().axes[0].lines
    assert list(lines[1].get_ydata()) == [0.3, 0.6]
    assert list(lines[-1].get_xdata()) == [10, 10]
    data, metadata = widget._repr_mimebundle_()
    assert data["image/png"].startswith("iVBOR")
    assert metadata["image/png"]["alt"] == repr(widget)


@pytest.mark.parametrize(("budgets", "curves"), [([2], CURVES), ([10, 2], CURVES), ([2, 10], {})])
def test_what_is_no_curve(budgets, curves):
    with pytest.raises(InputError, match="needs rising budgets"):
        budget(budgets, curves, ceiling=0.8)


def test_a_step_outside_is_refused():
    with pytest.raises(InputError, match="step must be 0 to 1"):
        budget([2, 10], CURVES, ceiling=0.8).step = 2
