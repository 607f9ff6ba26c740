"""`explore` with functions of this layer in JupyterLab in Chromium: a slider moves, and the right pixels come."""

from __future__ import annotations

import pytest

from medloc_lib import enhancement as en
from medloc_lib.plot import pictures
from tests.browser import Lab, write_notebook
from tests.widgets.test_browser import assert_shows, expected

pytestmark = pytest.mark.browser

DATA = """
import numpy as np
from medloc_lib import enhancement as en
from medloc_lib.widgets import explore

rows, cols = np.mgrid[:60, :80]
disc = 300 * (np.hypot(rows - 30, cols - 35) < 18) + 100 * np.sin(rows / 5) + cols
picture = (disc + np.random.default_rng(0).normal(0, 15, disc.shape)).astype(np.float32)
"""
CASES = {
    "clahe": ("clip", "clip=(1.0, 10.0, 0.5), tiles=(1, 9)"),
    "sigmoid": ("gain", "gain=(1.0, 30.0, 0.5)"),
    "unsharp": ("amount", "amount=(0.5, 4.0, 0.5)"),
}
HERE: dict = {}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    cells = [f"explore(en.{name}, picture, {ranges})" for name, (_, ranges) in CASES.items()]
    write_notebook(folder / "explore.ipynb", [DATA, *cells])
    exec(DATA, HERE)  # the same picture here, to say what the pixels should be
    with Lab(folder) as lab:
        page = lab.open("explore.ipynb")
        lab.run_all(page)
        yield page


@pytest.mark.parametrize("name", CASES)
def test_a_move_of_the_slider_brings_the_pixels_of_the_function(page, name):
    number = 1 + list(CASES).index(name)
    page.evaluate("(i) => jupyterapp.shell.currentWidget.content.scrollToItem(i, 'start')", number)
    output = page.locator(".jp-Cell").nth(number).locator(".medloc")
    output.scroll_into_view_if_needed()
    picture, parameter = HERE["picture"], CASES[name][0]
    before = pictures.default_window(pictures.as_sample(picture))
    slider = output.get_by_label(parameter, exact=True)
    slider.focus()
    for moves in (0, 3):
        for _ in range(moves):
            page.keyboard.press("ArrowRight")
        after = getattr(en, name)(picture, **{parameter: float(slider.input_value())})
        assert_shows(output, expected(after, pictures.window_after(picture, after, before)), k=1)
        assert_shows(output, expected(picture, before))
