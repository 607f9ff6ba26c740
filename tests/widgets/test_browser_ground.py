"""The widget `ground` in JupyterLab in Chromium: a sentence is typed, a picture is chosen, markup stays letters."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser import Lab, write_notebook
from tests.widgets.test_browser import contrast, until

pytestmark = pytest.mark.browser

DATA = f"""
import sys

sys.path.insert(0, {str(Path(__file__).parents[2])!r})
import medloc_lib as ml
from medloc_lib.reports.simulated import pairs
from medloc_lib.reports.stored import load_grounder
from medloc_lib.widgets import ground

val = ml.load("brain_lesions", split="val")
samples = [s for s in (val[i] for i in range(40)) if len(s.boxes)][:3]
true = pairs(samples)[0].text
grounder = load_grounder()
"""
CELLS = [DATA, "g = ground(grounder, samples, 'A mass in the left frontal lobe.')\ng"]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    write_notebook(folder / "ground.ipynb", CELLS)
    with Lab(folder) as lab:
        yield lab


@pytest.fixture(scope="module")
def page(lab):
    return lab.ready("ground.ipynb", ".medloc-sentence")


@pytest.fixture
def output(page):
    output = page.locator(".jp-Cell").nth(1).locator(".medloc")
    output.scroll_into_view_if_needed()
    return output


def pixels(output):
    return output.locator(".medloc-pixels").nth(1).evaluate("c => c.toDataURL()")


def test_a_typed_sentence_is_looked_for(lab, page, output):
    before = pixels(output)
    field = output.get_by_label("sentence", exact=True)
    field.fill(lab.ask(page, "true"))
    field.press("Enter")
    until(lambda: lab.ask(page, "g.sentence == true"))
    until(lambda: pixels(output) != before)
    assert pixels(output) != before
    until(lambda: output.locator(".medloc-score").inner_text() == lab.ask(page, "g._verdict()"))
    assert output.locator(".medloc-score").inner_text() == lab.ask(page, "g._verdict()")


def test_the_slider_chooses_a_picture(lab, page, output):
    before = pixels(output)
    output.get_by_label("picture", exact=True).focus()
    page.keyboard.press("ArrowRight")
    until(lambda: lab.ask(page, "g.case") == 1)
    until(lambda: pixels(output) != before)
    assert pixels(output) != before


def test_markup_stays_letters_and_no_words_are_said(lab, page, output):
    field = output.get_by_label("sentence", exact=True)
    field.fill("<img src=x onerror='window.ran = 1'> mass")
    field.press("Enter")
    until(lambda: "onerror" in str(lab.ask(page, "g.sentence")))
    assert page.evaluate("() => window.ran") is None
    assert output.locator("img").count() == 0
    field.fill(" ")
    field.press("Enter")
    until(lambda: "needs a sentence" in lab.ask(page, "g.error"))
    until(lambda: "needs a sentence" in output.locator(".medloc-error").inner_text())
    assert "needs a sentence" in output.locator(".medloc-error").inner_text()
    lab.ask(page, "g.set_trait('sentence', 'A mass in the left frontal lobe.')")
    until(lambda: output.locator(".medloc-error").is_hidden())


def test_text_can_be_read_in_both_themes(lab, page, output):
    for theme in ("JupyterLab Dark", "JupyterLab Light"):
        lab.theme(page, theme)
        assert contrast(page, ".medloc label, .medloc-score, .medloc-caption, .medloc-value, .medloc-sentence") >= 4.5
