"""The label budget in JupyterLab in Chromium: the slider moves the line and the scores, and the kernel knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser import Lab, write_notebook
from tests.widgets.test_browser import contrast, until

pytestmark = pytest.mark.browser

CELL = f"""
import sys

sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from medloc_lib.widgets import budget
from tests.widgets.test_budget import CURVES

b = budget([2, 10], CURVES, ceiling=0.8)
b
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    write_notebook(folder / "budget.ipynb", [CELL])
    with Lab(folder) as lab:
        yield lab


def test_the_slider_moves_the_line_and_the_scores(lab):
    page = lab.ready("budget.ipynb", ".medloc-budget")
    output = page.locator(".jp-Cell").nth(0).locator(".medloc")
    assert output.locator("polyline").count() == 2
    before = float(output.locator(".medloc-at").get_attribute("x1"))
    assert "both 0.300 [0.200, 0.400], 38 % of all labels" in output.locator("li").first.inner_text()
    output.get_by_label("labelled patients", exact=True).focus()
    page.keyboard.press("ArrowRight")
    until(lambda: lab.ask(page, "b.step") == 1)
    assert lab.ask(page, "b.step") == 1
    assert output.locator(".medloc-score").inner_text() == "10 labelled patients"
    assert "both 0.600 [0.500, 0.700], 75 % of all labels" in output.locator("li").first.inner_text()
    assert float(output.locator(".medloc-at").get_attribute("x1")) > before + 100
    lab.ask(page, "b.set_trait('step', 0)")
    until(lambda: output.locator(".medloc-score").inner_text() == "2 labelled patients")
    assert output.locator(".medloc-score").inner_text() == "2 labelled patients"
    for theme in ("JupyterLab Dark", "JupyterLab Light"):
        lab.theme(page, theme)
        assert contrast(page, ".medloc label, .medloc-score, .medloc-caption") >= 4.5
