"""`explore_som` without a browser: its state, what is sent, and what is stored."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from medloc_lib.classical import SomLocalizer
from medloc_lib.errors import InputError
from medloc_lib.plot import som_map
from medloc_lib.widgets import explore_som
from tests.classical import scenes
from tests.widgets.front import Front, unpacked


@pytest.fixture(scope="module")
def samples():
    return scenes.many(10)


@pytest.fixture(scope="module")
def localizer(samples):
    return SomLocalizer(5, iterations=2000).fit(samples)


@pytest.fixture
def widget(localizer, samples):
    return explore_som(localizer, samples)


def test_planes_patches_and_slice_are_sent(widget, samples, monkeypatch):
    front = Front(widget, monkeypatch)
    front.say(ready=True)
    ((message, buffers),) = front.got
    state = message["state"]
    place = widget.atlas.places(widget.unit)[0]
    picture = unpacked(state["place"]["picture"], buffers[state["place"]["picture"]["buffer"]])[0]
    np.testing.assert_array_equal(picture, samples[place.image]["FLAIR"])
    mosaic = unpacked(state["patches"]["mosaic"], buffers[state["patches"]["mosaic"]["buffer"]])[0]
    np.testing.assert_allclose(mosaic[:15, :15], widget.atlas.patch(place), rtol=1e-6)
    assert state["place"]["marks"][-1]["box"] == [place.row - 7, place.col - 7, place.row + 8, place.col + 8]
    values = dict(zip(widget._facts["planes"], widget._facts["values"], strict=True))
    np.testing.assert_allclose(values["FLAIR"], widget.atlas.plane("FLAIR").ravel(), atol=1e-5)


def test_only_what_is_new_is_sent(widget, monkeypatch):
    front = Front(widget, monkeypatch)
    front.set(plane="FLAIR")
    assert front.got == []
    front.set(patch=2)
    front.set(unit=(widget.unit + 1) % 25)
    assert ["patches" in message["state"] for message, _ in front.got] == [False, True]


def test_it_begins_where_most_pixels_are(widget):
    assert widget.atlas.counts[widget.unit] == widget.atlas.counts.max()
    assert "SomExplorer: map of 5×5 units, 10 slices, U-matrix; unit" in repr(widget)


def test_a_still_is_stored(widget):
    data, metadata = widget._repr_mimebundle_()
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert metadata["image/png"]["alt"] == data["text/plain"] == repr(widget)


def test_what_is_wrong_is_said(widget, localizer, samples):
    with pytest.raises(InputError, match="there is no plane 'nose'; there are U-matrix, T1"):
        widget.plane = "nose"
    with pytest.raises(InputError, match="unit must be 0 to 24"):
        widget.unit = 25
    with pytest.raises(InputError, match="patch must be 0 to 8"):
        widget.patch = 9
    with pytest.raises(InputError, match="fitted"):
        explore_som(SomLocalizer(), samples)
    with pytest.raises(InputError, match="slices to look at"):
        explore_som(localizer, [])
    with pytest.raises(InputError, match="3 axes"):
        som_map(widget.atlas, axes=[])


def test_a_unit_without_pixels_is_drawn_and_said(widget, monkeypatch):
    monkeypatch.setattr(widget.atlas, "_places", [[] for _ in range(25)])
    monkeypatch.setattr(widget.atlas, "counts", np.zeros(25, dtype=int))
    front = Front(widget, monkeypatch)
    front.say(ready=True)
    state = front.got[0][0]["state"]
    assert state["count"] == 0 and "place" not in state
    assert "none of these slices has any" in state["patches"]["told"]
    widget.still()
