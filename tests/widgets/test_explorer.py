"""`explore` without a browser: controls, results, errors, and what is sent."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from medloc_lib.errors import InputError
from medloc_lib.sample import Detections, Sample
from medloc_lib.widgets import explore
from medloc_lib.widgets.controls import controls_for
from tests.widgets.front import Front, unpacked

GREY = np.random.default_rng(0).random((12, 10))


def gain(picture, factor=1.5, offset=0, mode="plain", invert=False):
    if factor > 3:
        raise ValueError("too\n  much")
    picture *= factor  # in place: it may, what it is given is a copy
    return (-picture if invert else picture) + offset


def test_every_range_becomes_a_control_that_begins_with_the_default():
    made = controls_for(gain, {"factor": (0.0, 4.0), "offset": (0, 9, 3), "mode": ["bright", "plain"], "invert": True})
    assert [(c.kind, c.start) for c in made] == [("slider", 1.5), ("slider", 0), ("choice", 1), ("switch", True)]
    assert [c.step for c in made[:2]] == [0.05, 3]
    assert [c.whole for c in made[:2]] == [False, True]
    assert [type(c.value(c.start)) for c in made] == [float, int, str, bool]


def test_a_slider_begins_in_the_middle_where_the_default_lies_outside():
    assert controls_for(gain, {"factor": (2.0, 4.0)})[0].start == pytest.approx(3)
    assert controls_for(lambda picture, **rest: picture, {"any": (0, 10)})[0].start == 5


def test_choices_can_be_anything():
    (made,) = controls_for(lambda p, f=None: p, {"f": [np.sin, None, 3]})
    assert made.start == 1
    assert made.facts()["choices"] == ["sin", "None", "3"]
    assert made.value(0) is np.sin
    assert made.raw(3) == 2


@pytest.mark.parametrize("spec", [(1,), (2, 1), (0, 1, 0), [], "text", (0, np.nan), (0, "a"), None])
def test_a_range_that_is_none_is_named(spec):
    with pytest.raises(InputError, match="'factor'"):
        controls_for(gain, {"factor": spec})


def test_a_parameter_that_the_function_has_not_is_named():
    with pytest.raises(InputError, match="no parameter 'sigma'; it has picture, factor"):
        explore(gain, GREY, sigma=(0, 1))


def test_the_function_runs_at_once_and_with_every_change(monkeypatch):
    widget = explore(gain, GREY, score=np.mean, factor=(0.0, 4.0), invert=False)
    np.testing.assert_array_equal(widget.result, 1.5 * GREY)
    front = Front(widget, monkeypatch)
    front.set(_raw={"factor": 2, "invert": True})
    assert widget.values == {"factor": 2.0, "invert": True}
    np.testing.assert_array_equal(widget.result, -2 * GREY)
    assert widget.score == pytest.approx(-2 * GREY.mean())
    state, buffers = front.got[-1][0]["state"], front.got[-1][1]
    assert "before" not in state  # it has not changed
    np.testing.assert_array_equal(unpacked(state["after"]["image"], buffers[0])[0], (-2 * GREY).astype(np.float32))
    assert state["score"] == f"score {-2 * GREY.mean():.3f}"
    widget.values = {"factor": 1}
    np.testing.assert_array_equal(widget.result, -GREY)
    with pytest.raises(InputError, match="between 0 and 4"):
        widget.values = {"factor": 5}
    with pytest.raises(InputError, match="no control 'sigma'"):
        widget.values = {"sigma": 5}


def test_an_error_is_one_line_and_the_last_result_stays(monkeypatch):
    widget = explore(gain, GREY, score=np.mean, factor=(0.0, 4.0))
    front = Front(widget, monkeypatch)
    widget.values = {"factor": 4}
    assert widget.error == "ValueError: too much"
    assert front.got[-1][0]["state"]["error"] == widget.error
    assert front.got[-1][0]["state"]["score"] == ""
    np.testing.assert_array_equal(widget.result, 1.5 * GREY)
    assert "ValueError: too much" in repr(widget)
    widget.values = {"factor": 1}
    assert widget.error == ""


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda p: p / np.zeros_like(p), "NaN or infinite"),
        (lambda p: "text", "got str"),
        (lambda p: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_a_function_that_fails_from_the_start_still_gives_a_widget(function, message):
    with np.errstate(divide="ignore"):
        widget = explore(function, GREY)
    assert message in widget.error
    assert "image/png" in widget._repr_mimebundle_()[0]


def test_an_error_in_the_score_is_told_too():
    assert explore(lambda p: p, GREY, score=lambda r: r["a"]).error.startswith("IndexError")


def test_masks_boxes_and_truth_are_drawn(monkeypatch):
    def find(picture, level=0.5):
        labels, n = ndimage.label(picture > level)
        return labels, Detections([[0, 0, 2, 3]] if n else np.zeros((0, 4)), scores=[0.9] if n else [])

    truth = Sample(GREY[None], boxes=[[1, 1, 4, 4]], classes=("cell",), mask=(GREY > 0.9).astype(int))
    widget = explore(find, truth, level=(0.0, 2.0), score=lambda r: {"found": len(r[1]), "area": 0.25})
    front = Front(widget, monkeypatch)
    front.say(ready=True)
    state, buffers = front.got[-1][0]["state"], front.got[-1][1]
    after = state["after"]
    assert after["image"] is None  # the picture is the one before
    labels = unpacked(after["mask"], buffers[after["mask"]["buffer"]])[0]
    np.testing.assert_array_equal(labels, ndimage.label(GREY > 0.5)[0])
    assert [(m["kind"], m["text"]) for m in after["marks"]] == [("truth", "cell"), ("found", "cell 0.90")]
    assert [m["kind"] for m in state["before"]["marks"]] == ["truth"]
    assert state["score"] == "found 1, area 0.250"
    widget.values = {"level": 2.0}
    assert widget.error == ""


def test_a_volume_is_explored_plane_by_plane_and_channel_by_channel(monkeypatch):
    image = np.random.default_rng(1).normal(size=(2, 4, 6, 5))
    sample = Sample(image, channels=("T1", "PET"), boxes=[[0, 0, 0, 1, 2, 2]])
    widget = explore(lambda p: p, sample)
    front = Front(widget, monkeypatch)
    front.set(plane=0, channel="PET")
    np.testing.assert_array_equal(widget.result, image[1, 0])
    state = front.got[-1][0]["state"]
    assert len(state["before"]["marks"]) == 1
    with pytest.raises(InputError, match="plane must be 0 to 3"):
        widget.plane = 9


def test_the_still_tells_the_call_and_the_score():
    widget = explore(gain, GREY, score=np.max, factor=(0.0, 4.0))
    figure = widget.still()
    assert figure.axes[1].get_title() == f"gain(factor=1.5)\nscore {1.5 * GREY.max():.3f}"
    assert repr(widget) == f"Explorer: gain(factor=1.5), score {1.5 * GREY.max():.3f}"
