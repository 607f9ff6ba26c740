"""The widgets in JupyterLab in Chromium: real mouse and keys, and the right pixels afterwards."""

from __future__ import annotations

import time

import numpy as np
import pytest

from medloc_lib.geometry import index_to_mm
from medloc_lib.plot.pictures import COLORS, CT_WINDOWS, KINDS, default_window
from tests.browser import Lab, write_notebook

pytestmark = pytest.mark.browser

DATA = """
import numpy as np, time
from scipy import ndimage
from medloc_lib.geometry import affine_from, mask_to_boxes
from medloc_lib.sample import Detections, Sample
from medloc_lib.widgets import explore, view, view3d

rng = np.random.default_rng(0)
volume = rng.integers(-1000, 2000, (9, 40, 30)).astype(np.int16)
mask = np.zeros(volume.shape, np.uint8)
mask[3:6, 10:20, 5:15] = 1
mask[4, 30:35, 20:25] = 2
ct = Sample(volume[None], channels=("CT",), spacing=(5, 1, 1.25), boxes=[[3, 10, 5, 6, 20, 15], [0, 1, 1, 2, 3, 3]],
            classes=("mass",), mask=mask, affine=affine_from((5, 1, 1.25), origin=(-10, 20, 30)), id="ct",
            meta={"modality": "CT"})
found = Detections([[3, 12, 6, 6, 22, 16]], scores=[0.87])
color = rng.integers(0, 256, (20, 25, 3)).astype(np.uint8)
grey = rng.random((32, 32))

def gain(picture, factor=1.0, invert=False):
    if factor > 1.9:
        raise ValueError("factor is\\ntoo large")
    return -picture * factor if invert else picture * factor

def slow(picture, level=0):
    calls.append(level)
    time.sleep(0.15)
    return picture > level / 200

def convolve(picture, kernel):
    return ndimage.correlate(picture, kernel)

calls = []
"""
CELLS = [
    DATA,
    "v = view(ct, detections=found)\nv",
    "c = view(color)\nc",
    "g = explore(gain, grey, score=np.mean, factor=(0.0, 2.0, 0.1), invert=False)\ng",
    "t = explore(slow, grey, level=(0, 200))\nt",
    "z = view3d(ct)\nz",
    "k = explore(convolve, grey, kernel=np.eye(2))\nk",
]
VIEW, COLOR, GAIN, SLOW, VOLUME, KERNEL = range(1, 7)
HERE: dict = {}


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    write_notebook(folder / "widgets.ipynb", CELLS)
    write_notebook(folder / "volume.ipynb", [DATA, CELLS[VOLUME]])
    exec(DATA, HERE)  # the same data here, to say what the pixels should be
    with Lab(folder) as lab:
        yield lab


@pytest.fixture(scope="module")
def page(lab):
    return lab.ready("widgets.ipynb", ".medloc")


@pytest.fixture
def cell(page):
    """The output of a cell, in sight."""

    def find(number):
        page.evaluate("(i) => jupyterapp.shell.currentWidget.content.scrollToItem(i, 'start')", number)
        output = page.locator(".jp-Cell").nth(number).locator(".medloc")
        output.scroll_into_view_if_needed()
        return output

    return find


def pixels(output, k=0):
    """What a canvas shows: (rows, cols, 3)."""
    canvas = output.locator(".medloc-pixels").nth(k)
    size, data = canvas.evaluate(
        "c => [[c.height, c.width], [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]]"
    )
    return np.array(data, dtype=np.uint8).reshape(*size, 4)[..., :3]


def expected(picture, window, mask=None, opacity=0.4):
    """The same pixels, from the definition of a window and of a see-through colour."""
    low, high = window
    grey = np.rint(np.clip((picture.astype(float) - low) * (255 / (high - low)), 0, 255))
    rgb = grey if grey.ndim == 3 else np.repeat(grey[..., None], 3, axis=2)
    for label in np.unique(mask[mask > 0]) if mask is not None else ():
        color = np.array([int(COLORS[label - 1][i : i + 2], 16) for i in (1, 3, 5)])
        rgb[mask == label] = np.rint(rgb[mask == label] + (color - rgb[mask == label]) * opacity)
    return rgb.astype(np.uint8)


def until(check, seconds=8.0):
    """Wait until a check holds; then the test's own assertion says what is wrong if it does not."""
    end = time.monotonic() + seconds
    while not check() and time.monotonic() < end:
        time.sleep(0.03)


def assert_shows(output, wanted, k=0):
    until(lambda: np.array_equal(pixels(output, k), wanted))
    np.testing.assert_array_equal(pixels(output, k), wanted)


def reset(lab, page):
    lab.ask(page, "(setattr(v, 'plane', 4), setattr(v, 'window', (-1000.0, 1000.0)), setattr(v, 'opacity', 0.4))")


def slice_(plane, window=(-1000, 1000), opacity=0.4):
    return expected(HERE["volume"][plane], window, HERE["mask"][plane], opacity)


def test_a_viewer_opens_on_the_middle_plane_with_its_window_and_mask(cell):
    output = cell(VIEW)
    assert_shows(output, slice_(4, default_window(HERE["ct"])))
    box = output.locator(".medloc-picture").bounding_box()
    assert box["width"] / box["height"] == pytest.approx(30 * 1.25 / 40, rel=0.01)


def test_keys_on_the_slider_and_on_the_picture_change_the_plane_and_leave_the_notebook_alone(lab, page, cell):
    reset(lab, page)
    output = cell(VIEW)
    assert_shows(output, slice_(4))
    output.get_by_label("plane", exact=True).focus()
    page.keyboard.press("ArrowRight")
    assert_shows(output, slice_(5))
    output.locator(".medloc-picture").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert_shows(output, slice_(3))
    page.keyboard.press("End")
    assert_shows(output, slice_(8))
    until(lambda: lab.ask(page, "v.plane") == 8)
    assert lab.ask(page, "v.plane") == 8
    assert page.evaluate("() => jupyterapp.shell.currentWidget.content.activeCellIndex") == VIEW
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.getAttribute('aria-label')") == "plane"


def test_the_mouse_on_the_slider_changes_the_plane(lab, page, cell):
    reset(lab, page)
    output = cell(VIEW)
    box = output.get_by_label("plane", exact=True).bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] + box["height"] / 2, steps=8)
    page.mouse.up()
    assert_shows(output, slice_(8))
    assert "8 of 9" in output.inner_text()


def test_a_drag_on_the_picture_changes_window_and_level_and_a_double_click_resets_them(lab, page, cell):
    reset(lab, page)
    output = cell(VIEW)
    assert_shows(output, slice_(4))
    box = output.locator(".medloc-picture").bounding_box()
    x, y = box["x"] + 100, box["y"] + 100
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 50, y + 40, steps=5)
    page.mouse.up()
    width, level = 2000 * 2**0.5, 2000 * 40 / 200  # 100 pixels double the width, 200 are one width of level
    wanted = (level - width / 2, level + width / 2)
    until(lambda: np.allclose(lab.ask(page, "v.window"), wanted))
    np.testing.assert_allclose(lab.ask(page, "v.window"), wanted)
    assert_shows(output, slice_(4, wanted))
    page.mouse.dblclick(x, y)
    assert_shows(output, slice_(4, default_window(HERE["ct"])))


def test_sliders_and_presets_set_the_window(lab, page, cell):
    reset(lab, page)
    output = cell(VIEW)
    output.get_by_label("window").select_option("bone")
    level, width = CT_WINDOWS["bone"]
    assert_shows(output, slice_(4, (level - width / 2, level + width / 2)))
    output.get_by_label("width").focus()
    page.keyboard.press("ArrowLeft")
    assert_shows(output, slice_(4, (level - width / 2 + 0.5, level + width / 2 - 0.5)))
    assert output.get_by_label("window").evaluate("s => s.selectedOptions[0].textContent") == "by hand"


def test_the_cursor_tells_value_label_and_place_in_mm(lab, page, cell):
    reset(lab, page)
    output = cell(VIEW)
    assert_shows(output, slice_(4))
    box = output.locator(".medloc-picture").bounding_box()
    row, col = 32, 22
    page.mouse.move(box["x"] + (col + 0.5) / 30 * box["width"], box["y"] + (row + 0.5) / 40 * box["height"])
    x, y, z = index_to_mm([[4, row, col]], HERE["ct"].affine)[0]
    value = HERE["volume"][4, row, col]
    wanted = f"row 32, col 22 · value {value} · mask 2 · x {x:.1f}, y {y:.1f}, z {z:.1f} mm (LPS)".replace("-", "−")
    assert output.locator(".medloc-readout").inner_text() == wanted


def test_mask_and_boxes_come_and_go(lab, page, cell):
    reset(lab, page)
    output = cell(VIEW)
    assert_shows(output, slice_(4))
    drawn = """c => {
        const words = new Uint32Array(c.getContext("2d").getImageData(0, 0, c.width, c.height).data.buffer);
        return [...new Set(words)].filter((word) => word >>> 24 === 255).map((word) => word & 0xffffff);
    }"""

    def colors():
        words = output.locator(".medloc-lines").evaluate(drawn)
        return {f"#{w & 255:02X}{w >> 8 & 255:02X}{w >> 16:02X}" for w in words}

    page.mouse.move(5, 5)
    assert {KINDS["truth"], KINDS["found"]} <= colors()
    output.get_by_label("boxes", exact=True).click()
    until(lambda: not colors())
    assert not colors()
    output.get_by_label("boxes", exact=True).click()
    output.get_by_label("mask").focus()
    page.keyboard.press("Home")
    assert_shows(output, slice_(4, opacity=0))
    lab.ask(page, "setattr(v, 'plane', 0)")  # there the one box of the lowest planes, and no detection
    until(lambda: KINDS["found"] not in colors())
    assert KINDS["truth"] in colors()
    assert KINDS["found"] not in colors()


def test_colour_pictures_are_shown_whole_and_by_channel(lab, page, cell):
    output = cell(COLOR)
    assert_shows(output, HERE["color"])
    output.get_by_label("channel").select_option("G")
    assert_shows(output, expected(HERE["color"][..., 1], (0, 255)))
    until(lambda: lab.ask(page, "c.channel") == "G")
    assert lab.ask(page, "c.channel") == "G"


def test_explore_shows_before_and_after_and_the_score(page, cell):
    output = cell(GAIN)
    grey = HERE["grey"].astype(np.float32)
    window = tuple(np.percentile(HERE["grey"], (0.5, 99.5)))
    assert_shows(output, expected(grey, window))
    output.get_by_label("factor").focus()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    assert_shows(output, expected((HERE["grey"] * 0.7).astype(np.float32), window), k=1)
    assert_shows(output, expected(grey, window))
    assert output.locator(".medloc-score").inner_text() == f"score {0.7 * HERE['grey'].mean():.3f}"
    assert output.locator(".medloc-histogram path").count() == 2


def test_an_error_in_the_function_is_one_line_and_the_widget_lives_on(page, cell):
    output = cell(GAIN)
    slider = output.get_by_label("factor")
    slider.focus()
    page.keyboard.press("End")
    error = output.locator(".medloc-error")
    error.wait_for()
    assert error.inner_text() == "ValueError: factor is too large"
    page.keyboard.press("Home")
    error.wait_for(state="hidden")
    window = tuple(np.percentile(HERE["grey"], (0.5, 99.5)))
    output.get_by_label("invert").click()
    assert_shows(output, np.zeros((32, 32, 3), np.uint8), k=1)
    assert_shows(output, expected(HERE["grey"].astype(np.float32), window))


def test_a_fast_drag_drops_what_nobody_would_see(lab, page, cell):
    output = cell(SLOW)
    output.locator(".medloc-pixels").nth(1).wait_for()
    slider = output.get_by_label("level")
    started = lab.ask(page, "len(calls)")
    box = slider.bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 40, box["y"] + box["height"] / 2, steps=60)
    page.mouse.up()
    last = int(slider.input_value())
    until(lambda: lab.ask(page, "calls[-1]") == last)
    assert lab.ask(page, "calls[-1]") == last
    assert lab.ask(page, "len(calls)") - started < 30  # of 60 moves
    window = tuple(np.percentile(HERE["grey"], (0.5, 99.5)))
    mask = (HERE["grey"] > last / 200).astype(int)
    assert_shows(output, expected(HERE["grey"].astype(np.float32), window, mask), k=1)


TRAINING = [
    """
from medloc_lib.widgets import curves
from tests.deep import runs
from medloc_lib.deep.settings import Settings
live = curves("Toy")
live
""",
    """
settings = Settings(epochs=100_000, batch=4, device="cpu")  # hours: only the button ends it
state, history = runs.run(settings=settings, validate=runs.right, watch=live)
print(history.stopped)
""",
]


def test_the_button_stops_a_training_while_its_cell_runs(lab):
    write_notebook(lab.folder / "training.ipynb", TRAINING)
    page = lab.open("training.ipynb")
    page.evaluate("() => void jupyterapp.commands.execute('notebook:run-all-cells')")
    output = page.locator(".jp-Cell").first.locator(".medloc")
    button = output.get_by_role("button", name="Stop and keep the best")
    output.locator("polyline").nth(1).wait_for(timeout=60_000)  # some epochs are over
    assert "loss" in output.inner_text()
    button.click()
    page.locator(".jp-Cell").nth(1).locator("pre", has_text="True").wait_for(timeout=30_000)
    assert output.get_by_role("button", name="Stopped").is_disabled()
    assert lab.ask(page, "history.stopped and history.best.score == max(e.score for e in history.epochs)")
    page.context.close()


def test_a_table_of_numbers_is_edited(lab, page, cell):
    def values():
        return lab.ask(page, "k.values['kernel'].tolist()")

    output = cell(KERNEL)
    field = output.get_by_label("kernel, row 1, column 2")
    field.fill("0.5")
    until(lambda: values() == [[1.0, 0.5], [0.0, 1.0]])
    assert values() == [[1.0, 0.5], [0.0, 1.0]]
    field.fill("")  # no number yet: nothing is sent, nothing breaks
    field.fill("-2")
    until(lambda: values()[0][1] == -2)
    assert values() == [[1.0, -2.0], [0.0, 1.0]]


def contrast(page, selector):
    """Lowest ratio of luminances between text and its background among the elements (WCAG 2.2, 1.4.3)."""
    return page.evaluate(
        """(selector) => {
            const parts = (color) => color.match(/[\\d.]+/g).map(Number);
            const light = (color) => parts(color).slice(0, 3).map((x) => x / 255)
                .map((x) => (x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4))
                .reduce((sum, x, i) => sum + x * [0.2126, 0.7152, 0.0722][i], 0);
            const behind = (el) => {
                const color = getComputedStyle(el).backgroundColor;
                return (parts(color)[3] ?? 1) > 0 || !el.parentElement ? color : behind(el.parentElement);
            };
            return Math.min(...[...document.querySelectorAll(selector)].map((el) => {
                const [a, b] = [light(getComputedStyle(el).color), light(behind(el))];
                return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
            }));
        }""",
        selector,
    )


def test_text_can_be_read_in_both_themes(lab, page, cell):
    words = ".medloc label, .medloc select, .medloc-readout, .medloc-hint, .medloc-value"
    for theme in ("JupyterLab Dark", "JupyterLab Light"):
        lab.theme(page, theme)
        cell(VIEW)
        assert contrast(page, words) >= 4.5, theme
        cell(GAIN)
        assert contrast(page, ".medloc label, .medloc-score, .medloc-caption, .medloc-ends") >= 4.5, theme


def test_without_webgl_a_volume_is_a_sentence_and_three_planes(cell):
    output = cell(VOLUME)
    assert "no WebGL2" in output.inner_text()
    still = output.locator("img")
    assert still.evaluate("i => i.complete && i.naturalWidth") > 300
    assert "40×30 voxels" in still.get_attribute("alt")


def test_a_volume_is_drawn_and_follows_its_controls(lab):
    page = lab.open("volume.ipynb", webgl=True)
    lab.run_all(page)
    output = page.locator(".jp-Cell").nth(1)
    canvas = output.locator("canvas")
    canvas.wait_for()

    def seen():
        page.wait_for_timeout(100)
        return canvas.screenshot()

    until(lambda: len(seen()) > 20_000, 30)
    planes = seen()
    assert len(planes) > 20_000  # a blank canvas of this size is a PNG of a few kB
    output.get_by_label("view", exact=True).select_option("3-D")
    until(lambda: seen() != planes)
    solid = seen()
    assert solid != planes
    output.get_by_label("overlay").focus()
    page.keyboard.press("Home")
    until(lambda: seen() != solid)
    assert seen() != solid
    page.context.close()


def test_nothing_was_asked_of_the_network(lab):
    assert lab.refused == []
