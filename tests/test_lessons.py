"""Every lesson as a learner meets it: opened in JupyterLab, run from top to bottom, its sliders moved."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import nbformat
import pytest

from tests.browser import Lab
from tools.lessons import runnable

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parent.parent
LESSONS = runnable(sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")))
FLAT = re.compile(r"\b(explore|explore_features|explore_som|ground|view|mix)\(")
PAINTED = "canvases => canvases.map(c => c.toDataURL()).join()"


@pytest.fixture(scope="module")
def lab():
    with Lab(ROOT) as lab:
        yield lab


def painted(output) -> str:
    """What stands on the canvases once it stands: a new picture clears them before they are painted."""
    seen = ""
    while seen != (seen := hashlib.sha256(output.locator("canvas").evaluate_all(PAINTED).encode()).hexdigest()):
        output.page.wait_for_timeout(100)
    return seen


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_runs_and_its_widgets_are_alive(lab, path):
    cells = nbformat.read(path, as_version=4).cells
    widgets = [i for i, cell in enumerate(cells) if cell.cell_type == "code" and FLAT.search(cell.source)]
    assert len(widgets) >= 2
    page = lab.open(f"notebooks/{path.name}", webgl=any("view3d(" in cell.source for cell in cells))
    lab.run_all(page)
    for number in widgets:
        page.evaluate("(i) => jupyterapp.shell.currentWidget.content.scrollToItem(i, 'start')", number)
        output = page.locator(".jp-Cell").nth(number).locator(".medloc")
        output.scroll_into_view_if_needed()
        before = painted(output)
        slider = output.locator("input[type=range]:visible").first
        stood = slider.input_value()
        slider.focus()
        for _ in range(5):
            slider.press("ArrowRight")
        assert slider.input_value() != stood, cells[number].source
        for _ in range(100):
            after = painted(output)
            if after != before:
                break
            output.locator("canvas").last.scroll_into_view_if_needed()  # outputs above may have grown meanwhile
            page.wait_for_timeout(100)
        assert after != before, (output.inner_text(), cells[number].source)
    page.context.close()
