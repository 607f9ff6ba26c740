"""The feature explorer in JupyterLab in Chromium: points where they belong, mouse, keys, and figures that follow."""

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
import numpy as np
from medloc_lib.classical import SupervisedLocalizer
from medloc_lib.widgets import explore_features
from tests.classical import scenes

samples = scenes.many(10)
localizer = SupervisedLocalizer(candidates=15).fit(samples)
"""
CELLS = [DATA, "e = explore_features(localizer, samples)\ne"]
HERE: dict = {}
WIDE, TALL, MARGIN = 460, 380, 14


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    write_notebook(folder / "features.ipynb", CELLS)
    exec(DATA + "e = explore_features(localizer, samples)", HERE)
    with Lab(folder) as lab:
        yield lab


@pytest.fixture(scope="module")
def page(lab):
    return lab.ready("features.ipynb", ".medloc-space")


@pytest.fixture
def output(lab, page):
    start = HERE["e"]
    lab.ask(page, f"(e.set_trait('threshold', {start.threshold!r}), e.set_trait('selected', {start.selected}))")
    lab.ask(page, "[e.set_trait(*s) for s in (('x', 'component 1'), ('y', 'component 2'), ('color', 'truth'))]")
    output = page.locator(".jp-Cell").nth(1).locator(".medloc")
    output.scroll_into_view_if_needed()
    shows(output, start.selected)
    return output


def shows(output, k):
    """The picture that candidate `k` comes from is on the screen."""
    sample = HERE["samples"][HERE["e"].space.table.image[k]]
    assert_shows(output, expected(sample["FLAIR"], default_window(sample, "FLAIR")), k=0)


def place(k, x="component 1", y="component 2"):
    """Where candidate `k` is on the canvas, in CSS pixels."""
    space = HERE["e"].space
    _, (x0, x1, y0, y1) = space.boundary(x, y)
    across = np.clip((space.axis(x)[k] - x0) / (x1 - x0), 0, 1)
    up = np.clip((space.axis(y)[k] - y0) / (y1 - y0), 0, 1)
    return float(MARGIN + across * (WIDE - 2 * MARGIN)), float(TALL - MARGIN - up * (TALL - 2 * MARGIN))


def lone(least=8.0):
    """A candidate with no other near it in the plane of the components."""
    places = np.array([place(k) for k in range(len(HERE["e"].space))])
    apart = np.linalg.norm(places[:, None] - places, axis=-1) + 1e9 * np.eye(len(places))
    inside = ((places > MARGIN + 2) & (places < np.array([WIDE, TALL]) - MARGIN - 2)).all(axis=1)
    k = int(np.argmax(np.where(inside, apart.min(axis=1), 0)))
    assert apart[k].min() > least
    return k


def color_at(output, x, y):
    """The canvas's colour at a place in CSS pixels."""
    return output.locator(".medloc-space").evaluate(
        """(c, [x, y]) => {
            const ratio = c.width / c.clientWidth;
            return [...c.getContext("2d").getImageData(Math.round(x * ratio), Math.round(y * ratio), 1, 1).data];
        }""",
        [x, y],
    )


def test_a_click_shows_the_candidate_and_its_picture(lab, page, output):
    k = lone()
    x, y = place(k)
    output.locator(".medloc-space").click(position={"x": x, "y": y})
    until(lambda: lab.ask(page, "e.selected") == k)
    assert lab.ask(page, "e.selected") == k
    shows(output, k)
    words = output.locator(".medloc-caption").all_inner_texts()[-1]
    assert words.endswith(f"{HERE['e'].space.scores[k]:.2f}".replace("-", "−"))


def test_points_are_where_they_belong_and_have_their_colour(output):
    k = lone()
    kind = HERE["e"].space.truth[k]
    wanted = [int(HERE["e"]._facts["truthColors"][kind][i : i + 2], 16) for i in (1, 3, 5)]
    seen = color_at(output, *place(k))
    assert seen[3] > 0
    assert np.abs(np.array(seen[:3]) - wanted).max() < 25


def test_arrow_keys_walk_from_the_surest_on(lab, page, output):
    order = np.argsort(-HERE["e"].space.scores, kind="stable")
    output.locator(".medloc-space").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    until(lambda: lab.ask(page, "e.selected") == order[2])
    assert lab.ask(page, "e.selected") == order[2]
    page.keyboard.press("ArrowLeft")
    until(lambda: lab.ask(page, "e.selected") == order[1])
    shows(output, int(order[1]))


def test_the_threshold_moves_the_figures_and_the_line(lab, page, output):
    space = HERE["e"].space
    before = output.locator(".medloc-space").evaluate("c => c.toDataURL()")
    output.get_by_label("threshold").focus()
    page.keyboard.press("Home")
    everything = space.operating(float(space.scores.min()))
    said = f"sensitivity {everything.sensitivity:.2f}, {everything.false_positives:.2f} false positives per image"
    until(lambda: output.locator(".medloc-score").inner_text() == said)
    assert output.locator(".medloc-score").inner_text() == said
    assert output.locator(".medloc-space").evaluate("c => c.toDataURL()") != before
    page.keyboard.press("End")
    until(lambda: output.locator(".medloc-score").inner_text().startswith("sensitivity 0.00, 0.00"))
    until(lambda: lab.ask(page, "e.operating['sensitivity']") == 0)
    assert lab.ask(page, "e.operating['sensitivity']") == 0


def test_other_axes_and_colours(lab, page, output):
    output.get_by_label("across").select_option("shape_area")
    output.get_by_label("colour").select_option("score")
    until(lambda: lab.ask(page, "e.x") == "shape_area" and lab.ask(page, "e.color") == "score")
    assert lab.ask(page, "e.x") == "shape_area"
    ramp = output.locator(".medloc-ramp")
    ramp.wait_for()
    assert "score" in output.locator(".medloc-legend").inner_text()


def test_text_can_be_read_in_both_themes(lab, page, output):
    for theme in ("JupyterLab Dark", "JupyterLab Light"):
        lab.theme(page, theme)
        assert contrast(page, ".medloc label, .medloc-score, .medloc-caption, .medloc-value") >= 4.5
