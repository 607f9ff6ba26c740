"""The mixer in JupyterLab in Chromium: right pixels, one cursor in all pictures, mouse and keys."""

from __future__ import annotations

import numpy as np
import pytest

from medloc_lib.fusion import combine, common_scale
from medloc_lib.geometry import index_to_mm
from medloc_lib.plot.pictures import default_window
from medloc_lib.sample import Sample
from tests.browser import Lab, write_notebook
from tests.widgets.test_browser import assert_shows, contrast, expected, until

pytestmark = pytest.mark.browser

DATA = """
import numpy as np
from medloc_lib.geometry import affine_from
from medloc_lib.sample import Sample
from medloc_lib.widgets import mix

rng = np.random.default_rng(0)
image = rng.random((3, 4, 32, 30)).astype(np.float32) * np.array([900, 300, 2e4], np.float32).reshape(3, 1, 1, 1)
heads = Sample(image, channels=("T1", "FLAIR", "PET"), boxes=[[1, 8, 5, 3, 20, 15]], classes=("mass",),
               affine=affine_from((5, 1, 1), origin=(-10, 20, 30)), id="heads")
"""
CELLS = [DATA, 'm = mix(heads, {"T1": -0.5, "FLAIR": 1, "PET": 0.25}, find=lambda f: f > 0.2, score=np.mean)\nm']
HERE: dict = {}
DRAWN = """canvases => canvases.map(c => {
    const { data, width } = c.getContext("2d").getImageData(0, 0, c.width, c.height);
    let [x, y, n] = [0, 0, 0];
    for (let i = 0; i < data.length; i += 4) {
        if (Math.min(data[i], data[i + 1], data[i + 2]) > 120 && data[i + 3] > 120) {
            x += (i / 4) % width;
            y += Math.floor(i / 4 / width);
            n++;
        }
    }
    return n ? [x / n / c.width, y / n / c.height] : null;
})"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    write_notebook(folder / "mixer.ipynb", CELLS)
    exec(DATA, HERE)
    with Lab(folder) as lab:
        yield lab


@pytest.fixture(scope="module")
def page(lab):
    return lab.ready("mixer.ipynb", ".medloc-pixels", k=3)


@pytest.fixture
def output(lab, page):
    lab.ask(page, "(setattr(m, 'rule', 'weighted'), setattr(m, 'plane', 2))")
    lab.ask(page, "setattr(m, 'weights', {'T1': -0.5, 'FLAIR': 1, 'PET': 0.25})")
    output = page.locator(".jp-Cell").nth(1).locator(".medloc")
    output.scroll_into_view_if_needed()
    page.mouse.move(5, 5)
    output.locator(".medloc-picture").nth(3).focus()
    page.keyboard.press("Escape")
    assert_shows(output, fused(), k=3)
    return output


def fused(weights=(-0.5, 1, 0.25), rule="weighted", plane=2):
    picture = combine(common_scale(HERE["image"])[:, plane], rule, weights=weights)
    return expected(picture, default_window(Sample(picture[None])), (picture > 0.2).astype(int))


def source(k, plane=2):
    return expected(HERE["image"][k, plane], default_window(HERE["heads"], HERE["heads"].channels[k]))


def test_every_channel_and_their_fusion_are_shown(output):
    for k in range(3):
        assert_shows(output, source(k), k=k)
    assert output.locator(".medloc-caption").all_inner_texts()[:3] == ["T1", "FLAIR", "PET"]


def test_a_weight_by_mouse_and_by_keys(lab, page, output):
    slider = output.get_by_label("weight of PET")
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert_shows(output, fused((-0.5, 1, 0.35)), k=3)
    until(lambda: lab.ask(page, "round(m.weights['PET'], 2)") == 0.35)
    assert lab.ask(page, "round(m.weights['PET'], 2)") == 0.35
    box = slider.bounding_box()
    page.mouse.click(box["x"] + 2, box["y"] + box["height"] / 2)
    assert_shows(output, fused((-0.5, 1, -1)), k=3)
    picture = combine(common_scale(HERE["image"])[:, 2], weights=(-0.5, 1, -1))
    assert output.locator(".medloc-score").inner_text() == f"score {(picture > 0.2).mean():.3f}"
    for k in range(3):
        assert_shows(output, source(k), k=k)


def test_the_rule_and_the_plane(page, output):
    output.get_by_label("rule").select_option("laplacian pyramid")
    assert_shows(output, fused(rule="laplacian_pyramid"), k=3)
    output.get_by_label("plane", exact=True).focus()
    page.keyboard.press("ArrowRight")
    assert_shows(output, fused(rule="laplacian_pyramid", plane=3), k=3)
    assert_shows(output, source(1, plane=3), k=1)


def crosses(output):
    """Where each picture's white cross is, as shares of its width and height; None where there is none."""
    return output.locator(".medloc-lines").evaluate_all(DRAWN)


def test_one_cursor_in_all_pictures_follows_the_mouse(page, output):
    box = output.locator(".medloc-picture").nth(1).bounding_box()
    row, col = 25, 21
    page.mouse.move(box["x"] + (col + 0.5) / 30 * box["width"], box["y"] + (row + 0.5) / 32 * box["height"])
    until(lambda: all(crosses(output)))
    np.testing.assert_allclose(crosses(output), [[(col + 0.5) / 30, (row + 0.5) / 32]] * 4, atol=0.01)
    values = HERE["image"][:, 2, row, col]
    words = output.locator(".medloc-readout").inner_text()
    x, y, z = index_to_mm([[2, row, col]], HERE["heads"].affine)[0]
    assert words.startswith("row 25, col 21 · T1 ")
    assert words.endswith(f"x {x:.1f}, y {y:.1f}, z {z:.1f} mm (LPS)".replace("-", "−"))
    told = [float(part.split()[1].replace("−", "-")) for part in words.split(" · ")[1:5]]
    picture = combine(common_scale(HERE["image"])[:, 2], weights=(-0.5, 1, 0.25))
    np.testing.assert_allclose(told, [*values, picture[row, col]], rtol=1e-3)


def test_the_cursor_moves_by_keys_too_and_reads_the_new_mixture(page, output):
    output.locator(".medloc-picture").nth(0).focus()
    for key in ("ArrowDown", "ArrowRight", "Shift+ArrowUp", "ArrowRight"):
        page.keyboard.press(key)
    row, col = 16 + 1 - 10, 15 + 2
    until(lambda: all(crosses(output)))
    np.testing.assert_allclose(crosses(output), [[(col + 0.5) / 30, (row + 0.5) / 32]] * 4, atol=0.01)
    before = output.locator(".medloc-readout").inner_text()
    assert before.startswith(f"row {row}, col {col} · ")
    output.get_by_label("weight of T1").focus()
    page.keyboard.press("End")
    assert_shows(output, fused((1, 1, 0.25)), k=3)
    until(lambda: output.locator(".medloc-readout").inner_text() != before)
    after = output.locator(".medloc-readout").inner_text()
    assert before.split(" · ")[1:4] == after.split(" · ")[1:4] and before.split(" · ")[4] != after.split(" · ")[4]
    output.locator(".medloc-picture").nth(0).focus()
    page.keyboard.press("Escape")
    until(lambda: not any(crosses(output)))
    assert crosses(output) == [None] * 4
    assert page.evaluate("() => jupyterapp.shell.currentWidget.content.activeCellIndex") == 1


def test_each_picture_has_its_own_window(page, output):
    box = output.locator(".medloc-picture").nth(2).bounding_box()
    x, y = box["x"] + 100, box["y"] + 100
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 100, y, steps=4)
    page.mouse.up()
    low, high = default_window(HERE["heads"], "PET")
    wide = ((low + high) / 2 - (high - low), (low + high) / 2 + (high - low))
    assert_shows(output, expected(HERE["image"][2, 2], wide), k=2)
    assert_shows(output, source(0), k=0)
    page.mouse.dblclick(x, y)
    assert_shows(output, source(2), k=2)


def test_no_weight_at_all_is_said_and_the_picture_stays(page, output):
    for name in ("T1", "FLAIR", "PET"):
        output.get_by_label(f"weight of {name}").evaluate(
            "input => { input.value = 0; input.dispatchEvent(new Event('input', { bubbles: true })); }"
        )
    error = output.locator(".medloc-error")
    error.wait_for()
    assert "not all 0" in error.inner_text()


def test_text_can_be_read_in_both_themes(lab, page, output):
    for theme in ("JupyterLab Dark", "JupyterLab Light"):
        lab.theme(page, theme)
        assert contrast(page, ".medloc label, .medloc-score, .medloc-caption, .medloc-value, .medloc-readout") >= 4.5
