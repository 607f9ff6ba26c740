"""The explorer of self-organizing maps in JupyterLab in Chromium: units where they belong, mouse and keys."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medloc_lib.plot.pictures import default_window
from tests.browser import Lab, write_notebook
from tests.widgets.test_browser import assert_shows, contrast, expected, until

pytestmark = pytest.mark.browser

DATA = f"""
import sys

sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from medloc_lib.classical import SomLocalizer
from medloc_lib.widgets import explore_som
from tests.classical import scenes

samples = scenes.many(10)
localizer = SomLocalizer(5, iterations=2000).fit(samples)
"""
CELLS = [DATA, "e = explore_som(localizer, samples)\ne"]
HERE: dict = {}
CELL = 336 / 5


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    write_notebook(folder / "som.ipynb", CELLS)
    exec(DATA + "e = explore_som(localizer, samples)", HERE)
    with Lab(folder) as lab:
        yield lab


@pytest.fixture(scope="module")
def page(lab):
    return lab.ready("som.ipynb", ".medloc-space")


@pytest.fixture
def output(lab, page):
    lab.ask(page, "[e.set_trait(*s) for s in (('unit', 12), ('patch', 0), ('plane', 'U-matrix'))]")
    output = page.locator(".jp-Cell").nth(1).locator(".medloc")
    output.scroll_into_view_if_needed()
    shows(output, 12, 0)
    return output


def shows(output, unit, patch):
    """The slice that the patch comes from is on the screen."""
    places = HERE["e"].atlas.places(unit)
    sample = HERE["samples"][places[min(patch, len(places) - 1)].image]
    assert_shows(output, expected(sample["FLAIR"], default_window(sample, "FLAIR")), k=1)


def color_at(output, unit):
    """The map's colour near a corner of a unit, which the outline of the chosen one does not reach."""
    row, col = divmod(unit, 5)
    return output.locator(".medloc-space").evaluate(
        """(c, [x, y]) => {
            const ratio = c.width / c.clientWidth;
            return [...c.getContext("2d").getImageData(Math.round(x * ratio), Math.round(y * ratio), 1, 1).data];
        }""",
        [(col + 0.5) * CELL, (row + 0.5) * CELL],
    )


def test_a_click_shows_the_patches_of_the_unit_and_their_slice(lab, page, output):
    output.locator(".medloc-space").click(position={"x": 3.5 * CELL, "y": 1.5 * CELL})
    until(lambda: lab.ask(page, "e.unit") == 8)
    assert lab.ask(page, "e.unit") == 8
    shows(output, 8, 0)
    assert_shows(output, expected(HERE["e"].atlas.mosaic(8), (-3.0, 5.0)), k=0)
    assert output.locator(".medloc-score").inner_text().startswith("unit 1, 3: ")


def test_arrow_keys_walk_over_the_map(lab, page, output):
    output.locator(".medloc-space").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    until(lambda: lab.ask(page, "e.unit") == 18)
    assert lab.ask(page, "e.unit") == 18
    shows(output, 18, 0)
    page.keyboard.press("Shift+ArrowLeft")
    until(lambda: lab.ask(page, "e.unit") == 15)
    assert lab.ask(page, "e.unit") == 15


def test_a_patch_is_chosen_by_slider_and_by_click(lab, page, output):
    output.get_by_label("patch", exact=True).focus()
    page.keyboard.press("ArrowRight")
    until(lambda: lab.ask(page, "e.patch") == 1)
    shows(output, 12, 1)
    box = output.locator(".medloc-picture").nth(0).bounding_box()
    page.mouse.click(box["x"] + 0.85 * box["width"], box["y"] + 0.15 * box["height"])
    until(lambda: lab.ask(page, "e.patch") == 2)
    assert lab.ask(page, "e.patch") == 2
    shows(output, 12, 2)


@pytest.mark.parametrize("plane", ["U-matrix", "T1", "FLAIR", "pixels"])
def test_a_plane_colours_the_map(lab, page, output, plane):
    output.get_by_label("plane").select_option(plane)
    until(lambda: lab.ask(page, "e.plane") == plane)
    values = HERE["e"].atlas.plane(plane).ravel()
    low, high = int(np.argmin(values)), int(np.argmax(values))
    until(lambda: np.abs(np.array(color_at(output, high)[:3]) - (253, 231, 37)).max() < 6)
    assert np.abs(np.array(color_at(output, high)[:3]) - (253, 231, 37)).max() < 6
    assert np.abs(np.array(color_at(output, low)[:3]) - (68, 1, 84)).max() < 6
    assert output.locator(".medloc-legend").inner_text().startswith(plane)


def test_text_can_be_read_in_both_themes(lab, page, output):
    for theme in ("JupyterLab Dark", "JupyterLab Light"):
        lab.theme(page, theme)
        assert contrast(page, ".medloc label, .medloc-score, .medloc-caption, .medloc-value") >= 4.5
