"""`explore_features` without a browser: its state, what is sent, and what is stored."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from medloc_lib.classical import SupervisedLocalizer
from medloc_lib.errors import InputError
from medloc_lib.widgets import explore_features
from tests.classical import scenes
from tests.widgets.front import Front, unpacked


@pytest.fixture(scope="module")
def samples():
    return scenes.many(10)


@pytest.fixture(scope="module")
def localizer(samples):
    return SupervisedLocalizer(candidates=15).fit(samples)


@pytest.fixture
def widget(localizer, samples):
    return explore_features(localizer, samples)


def test_points_boundary_and_picture_are_sent_when_asked_for(widget, samples, monkeypatch):
    front = Front(widget, monkeypatch)
    front.say(ready=True)
    ((message, buffers),) = front.got
    state = message["state"]
    xy = unpacked(state["points"]["xy"], buffers[state["points"]["xy"]["buffer"]])[0]
    np.testing.assert_allclose(xy[0], widget.space.axis("component 1"), rtol=1e-5)
    shares, edges = widget.space.boundary(widget.x, widget.y)
    sent = unpacked(state["points"]["shares"], buffers[state["points"]["shares"]["buffer"]])[0]
    np.testing.assert_allclose(sent, shares, rtol=1e-6)
    assert state["points"]["edges"] == edges
    place = state["place"]
    picture = unpacked(place["picture"], buffers[place["picture"]["buffer"]])[0]
    np.testing.assert_array_equal(picture, samples[widget.space.table.image[widget.selected]]["FLAIR"])
    assert place["marks"][-1]["box"] == widget.space.table.boxes[widget.selected].tolist()


def test_only_what_is_new_is_sent(widget, monkeypatch):
    front = Front(widget, monkeypatch)
    front.set(threshold=0.5)
    assert front.got == []
    front.set(selected=3)
    front.set(x="shape_area")
    assert [sorted(message["state"]) for message, _ in front.got] == [["place"], ["points"]]


def test_the_operating_point_follows_the_threshold(widget):
    widget.threshold = float(widget.space.scores.max()) + 1
    assert widget.operating == {"sensitivity": 0.0, "false_positives": 0.0}
    widget.threshold = float(widget.space.scores.min())
    assert widget.operating["sensitivity"] > 0.8
    assert f"sensitivity {widget.operating['sensitivity']:.2f}" in repr(widget)


def test_it_begins_at_a_false_positive_a_picture_with_the_surest_candidate(widget):
    assert widget.operating["false_positives"] <= 1
    assert widget.selected == int(np.argmax(widget.space.scores))


def test_a_still_is_stored(widget):
    data, metadata = widget._repr_mimebundle_()
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert metadata["image/png"]["alt"] == data["text/plain"] == repr(widget)


def test_what_is_wrong_is_said(widget, localizer, samples):
    with pytest.raises(InputError, match="there is no axis 'nose'"):
        widget.x = "nose"
    with pytest.raises(InputError, match="color must be one of truth, score"):
        widget.color = "red"
    with pytest.raises(InputError, match="selected must be 0 to"):
        widget.selected = -1
    with pytest.raises(InputError, match="there is no axis"):
        explore_features(localizer, samples, y="ear")
    with pytest.raises(InputError, match="fitted"):
        explore_features(SupervisedLocalizer(), samples)
