"""`view` without a browser: state, slices on their way, and what is stored."""

from __future__ import annotations

import base64
import io

import nbformat
import numpy as np
import pytest
from nbconvert import HTMLExporter
from PIL import Image

from medloc_lib.errors import InputError
from medloc_lib.sample import Detections, Sample
from medloc_lib.widgets import view
from medloc_lib.widgets.base import Widget, pack, wire_type
from tests.widgets.front import Front, unpacked


@pytest.fixture
def sample():
    rng = np.random.default_rng(0)
    mask = np.zeros((5, 6, 8), int)
    mask[2, 1:3, 4:7] = 300  # does not fit a byte: wrapped to 45
    image = np.stack([rng.normal(size=(5, 6, 8)), rng.integers(0, 4000, (5, 6, 8))])
    return Sample(image, channels=("T1", "PET"), mask=mask, boxes=np.zeros((0, 6)), id="a")


def test_slices_are_sent_exactly_as_they_are(sample, monkeypatch):
    front = Front(view(sample), monkeypatch)
    front.say(want={"channel": "PET", "planes": [4, 2]})
    ((reply, buffers),) = front.got
    assert reply["got"] == {"channel": "PET", "planes": [4, 2]}
    np.testing.assert_array_equal(unpacked(reply["images"][0], buffers[0])[0], sample["PET"][4])
    np.testing.assert_array_equal(unpacked(reply["images"][1], buffers[1])[0], sample["PET"][2])
    np.testing.assert_array_equal(unpacked(reply["masks"][1], buffers[3])[0] == 45, sample.mask[2] == 300)


def test_a_colour_picture_is_sent_colour_by_colour(monkeypatch):
    color = np.random.default_rng(0).integers(0, 256, (4, 5, 3)).astype(np.uint8)
    widget = view(color)
    front = Front(widget, monkeypatch)
    front.say(want={"channel": "RGB", "planes": [0]})
    (reply, buffers) = front.got[0]
    np.testing.assert_array_equal(unpacked(reply["images"][0], buffers[0]), np.moveaxis(color, -1, 0))
    assert list(widget.windows) == ["RGB", "R", "G", "B"]
    assert widget.window == (0, 255)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.array([0, 255]), "uint8"),
        (np.array([-1, 255]), "int16"),
        (np.array([0, 40_000]), "uint16"),
        (np.array([-1, 40_000]), "int32"),
        (np.array([2**40]), "float32"),
        (np.array([True]), "uint8"),
        (np.array([0.5], np.float16), "float32"),
    ],
)
def test_the_smallest_exact_type_travels(values, kind):
    assert wire_type(values) == kind


def test_numbers_that_no_browser_holds_are_cut_off():
    facts, data = pack(np.array([[1e300, -1e300, 0.5]]))
    largest = np.finfo(np.float32).max
    np.testing.assert_array_equal(unpacked(facts, data)[0, 0], [largest, -largest, 0.5])


def test_state_can_be_read_and_set_and_each_channel_keeps_its_window(sample):
    widget = view(sample)
    assert (widget.plane, widget.channel, widget.boxes, widget.opacity) == (2, "T1", True, 0.4)
    widget.window = (-1, 1)
    widget.channel = "PET"
    widget.plane = 4
    assert widget.window != (-1, 1)
    widget.channel = "T1"
    assert widget.window == (-1, 1)
    assert repr(widget) == "Viewer of 'a': T1, plane 4 of 5, 6×8, window -1 to 1, 0 truth boxes"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("plane", 5, "plane must be 0 to 4"),
        ("channel", "CT", "has T1, PET"),
        ("window", (2, 1), "must rise"),
        ("window", (0, np.nan), "must rise"),
    ],
)
def test_a_state_that_cannot_be_is_refused(sample, name, value, message):
    with pytest.raises(InputError, match=message):
        setattr(view(sample), name, value)


def test_a_control_in_the_browser_changes_the_state(sample, monkeypatch):
    widget = view(sample)
    Front(widget, monkeypatch).set(plane=3, windows={"T1": [0, 2], "PET": [0, 1]})
    assert (widget.plane, widget.window) == (3, (0, 2))


def test_presets_are_for_ct_and_the_windows_of_the_file():
    meta = {"modality": "CT", "window_center": (40,), "window_width": (80,), "window_name": ("MINE",)}
    ct = Sample(np.zeros((1, 4, 4), np.int16), meta=meta)
    presets = view(ct)._facts["presets"]
    assert presets["MINE"] == [0, 80]
    assert presets["lung"] == [-1350, 150]
    assert view(np.zeros((4, 4)))._facts["presets"] == {}


def test_detections_of_another_dimension_are_refused(sample):
    with pytest.raises(InputError, match="6 numbers"):
        view(sample, detections=Detections([[0, 0, 1, 1]]))


def test_the_output_holds_the_widget_a_still_of_its_state_and_words(sample):
    widget = view(sample)
    widget.plane = 1
    data, metadata = widget._repr_mimebundle_()
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == widget.model_id
    assert "plane 1 of 5" in data["text/plain"]
    assert metadata["image/png"]["alt"] == data["text/plain"]
    still = np.asarray(Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).convert("L"))
    assert still.min() < 50
    assert still.max() == 255
    assert still.std() > 20
    widget.plane = 2
    assert widget._repr_mimebundle_()[0]["image/png"] != data["image/png"]


def test_a_page_made_from_the_notebook_shows_the_still_with_its_words(sample):
    data, metadata = view(sample)._repr_mimebundle_()
    output = nbformat.v4.new_output("display_data", data=data, metadata=metadata)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("view(sample)", outputs=[output])])
    for template in ("lab", "classic"):
        page, _ = HTMLExporter(template_name=template).from_notebook_node(notebook)
        assert f"data:image/png;base64,{data['image/png'][:40]}" in page.replace("\n", "")
    assert 'alt="Viewer of' in page  # the classic template has it; the other leaves it out


def test_a_widget_without_a_still_or_words_cannot_be_made():
    class Blind(Widget):
        def words(self):
            return "nothing to see"

    with pytest.raises(TypeError, match="abstract method still"):
        Blind()
