"""The marker in JupyterLab in Chromium: seeds and strokes by real mouse and keys, and the right pixels afterwards."""

from __future__ import annotations

import numpy as np
import pytest

from medloc_lib.plot.pictures import default_window
from medloc_lib.sample import Sample
from medloc_lib.segmentation import grow
from tests.browser import Lab, write_notebook
from tests.widgets.test_browser import assert_shows, contrast, expected, until

pytestmark = pytest.mark.browser

DATA = """
import numpy as np
from medloc_lib.segmentation import PixelClassifier, grow, pixel_features
from medloc_lib.widgets import mark

rng = np.random.default_rng(0)
rows, cols = np.mgrid[:40, :50]
image = (rng.random((40, 50)) + 5 * (np.hypot(rows - 20, cols - 25) < 9)).astype(np.float32)
features = pixel_features(image)

def learn(picture, strokes):
    return PixelClassifier().fit(features, strokes).predict(features)
"""
CELLS = [
    DATA,
    "g = mark(grow, image, brush=1, score=lambda found: int((found == 1).sum()), tolerance=(0.0, 4.0, 0.5))\ng",
    "p = mark(learn, image)\np",
]
HERE: dict = {}


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    write_notebook(folder / "marker.ipynb", CELLS)
    exec(DATA, HERE)
    with Lab(folder) as lab:
        yield lab


@pytest.fixture(scope="module")
def page(lab):
    return lab.ready("marker.ipynb", ".medloc-pixels", k=3)


@pytest.fixture
def output(lab, page):
    """The region grower, without marks."""
    lab.ask(
        page, "(g.clear(), setattr(g, 'label', 1), setattr(g, 'brush', 1), setattr(g, 'values', {'tolerance': 2.0}))"
    )
    output = page.locator(".jp-Cell").nth(1).locator(".medloc")
    output.scroll_into_view_if_needed()
    assert_shows(output, shown(None, 0.85), k=0)
    return output


def shown(labels, opacity=0.4):
    image = HERE["image"]
    return expected(image, default_window(Sample(image[None])), labels, opacity)


def at(output, row, col, k=0):
    box = output.locator(".medloc-picture").nth(k).bounding_box()
    return box["x"] + (col + 0.5) / 50 * box["width"], box["y"] + (row + 0.5) / 40 * box["height"]


def test_a_click_sets_a_seed_and_the_region_grows(lab, page, output):
    page.mouse.click(*at(output, 20, 25))
    seeds = np.zeros((40, 50), int)
    seeds[20, 25] = 1
    wanted = grow(HERE["image"], seeds, tolerance=2.0)
    assert_shows(output, shown(wanted), k=1)
    assert_shows(output, shown(seeds, 0.85), k=0)
    assert output.locator(".medloc-score").inner_text() == f"score {(wanted == 1).sum()}"
    output.get_by_label("label").select_option("rest")
    page.mouse.click(*at(output, 2, 2))
    seeds[2, 2] = 2
    assert_shows(output, shown(grow(HERE["image"], seeds, tolerance=2.0)), k=1)
    output.get_by_label("tolerance").focus()
    page.keyboard.press("Home")
    assert_shows(output, shown(grow(HERE["image"], seeds, tolerance=0.0)), k=1)
    output.get_by_role("button", name="undo").click()
    seeds[2, 2] = 0
    assert_shows(output, shown(grow(HERE["image"], seeds, tolerance=0.0)), k=1)
    output.get_by_role("button", name="clear").click()
    assert_shows(output, shown(None), k=1)


def test_a_stroke_is_drawn_whole(lab, page, output):
    output.get_by_label("brush").focus()
    page.keyboard.press("ArrowRight")
    page.mouse.move(*at(output, 5, 5))
    page.mouse.down()
    for col in (9, 20, 31, 45):
        page.mouse.move(*at(output, 5, col))
    page.mouse.up()
    marks = np.zeros((40, 50), int)
    marks[4:7, 4:47] = 1
    assert_shows(output, shown(marks, 0.85), k=0)
    until(lambda: lab.ask(page, "int((g.marks == 1).sum())") == 3 * 43)
    assert lab.ask(page, "int((g.marks == 1).sum())") == 3 * 43
    page.keyboard.press("Tab")
    output.get_by_role("button", name="undo").click()
    assert_shows(output, shown(None, 0.85), k=0)


def test_keys_do_all_of_it(lab, page, output):
    output.locator(".medloc-picture").nth(0).focus()
    for key in ("ArrowDown", "Shift+ArrowRight", "ArrowLeft", "Space"):
        page.keyboard.press(key)
    marks = np.zeros((40, 50), int)
    marks[21, 25 + 10 - 1] = 1
    assert_shows(output, shown(marks, 0.85), k=0)
    assert output.locator(".medloc-readout").inner_text().startswith("row 21, col 34")
    for key in ("2", "ArrowDown", "p", "ArrowDown", "ArrowDown", "p", "ArrowDown"):
        page.keyboard.press(key)
    marks[22:25, 34] = 2
    assert_shows(output, shown(marks, 0.85), k=0)
    until(lambda: lab.ask(page, "g.label") == 2)
    for key in ("0", "ArrowUp", "Space"):
        page.keyboard.press(key)
    marks[24, 34] = 0
    assert_shows(output, shown(marks, 0.85), k=0)
    page.keyboard.press("u")
    marks[24, 34] = 2
    assert_shows(output, shown(marks, 0.85), k=0)
    assert page.evaluate("() => jupyterapp.shell.currentWidget.content.activeCellIndex") == 1


def test_shift_and_drag_is_still_the_window(page, output):
    x, y = at(output, 10, 10)
    page.keyboard.down("Shift")
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 100, y, steps=4)
    page.mouse.up()
    image = HERE["image"]
    low, high = default_window(Sample(image[None]))
    middle, wide = (low + high) / 2, high - low
    assert_shows(output, expected(image, (middle - wide, middle + wide)), k=0)
    page.mouse.dblclick(x, y)
    page.keyboard.up("Shift")
    assert_shows(output, shown(None, 0.85), k=0)


def test_two_quick_clicks_mark_and_leave_the_window(lab, page, output):
    page.mouse.dblclick(*at(output, 10, 10))
    until(lambda: lab.ask(page, "len(g._before) and g._before[-1][1].sum().item()") == 1)
    marks = np.zeros((40, 50), int)
    marks[10, 10] = 1
    assert_shows(output, shown(marks, 0.85), k=0)


def test_clear_comes_after_the_strokes_before_it(lab, page, output):
    before = lab.ask(page, "len(g._before)")
    page.mouse.dblclick(*at(output, 30, 30))
    output.get_by_role("button", name="clear").click()
    until(lambda: lab.ask(page, "len(g._before)") == before + 3)
    assert lab.ask(page, "len(g._before)") == before + 3  # two clicks, and what was there before clear
    assert lab.ask(page, "int(g.marks.sum())") == 0
    assert_shows(output, shown(None, 0.85), k=0)


def test_the_classifier_learns_from_strokes(lab, page, output):
    painter = page.locator(".jp-Cell").nth(2).locator(".medloc")
    painter.scroll_into_view_if_needed()
    page.mouse.click(*at(painter, 20, 25))
    painter.get_by_label("label").select_option("rest")
    page.mouse.move(*at(painter, 3, 3))
    page.mouse.down()
    page.mouse.move(*at(painter, 3, 46), steps=6)
    page.mouse.up()
    until(lambda: lab.ask(page, "p.marks[3, 45].item()") == 2)
    ball = np.hypot(HERE["rows"] - 20, HERE["cols"] - 25) < 9
    assert lab.ask(page, "p.marks[20, 25].item()") == 1
    found = np.array(lab.ask(page, "(p.result == 1).tolist()"))
    assert 2 * (found & ball).sum() / (found.sum() + ball.sum()) > 0.8
    assert_shows(painter, shown(np.array(lab.ask(page, "p.result.tolist()"))), k=1)


def test_text_can_be_read_in_both_themes(lab, page, output):
    for theme in ("JupyterLab Dark", "JupyterLab Light"):
        lab.theme(page, theme)
        assert contrast(page, ".medloc label, .medloc-caption, .medloc-value, .medloc-hint, .medloc-button") >= 4.5
